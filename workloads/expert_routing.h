/// How a mixture's tokens spread over its experts, beyond what the model says.
#pragma once

#include <cstdint>
#include <optional>

#include "base/config_reader.h"

namespace ridgeline::workloads {

/// `experts:` of a training job.
struct ExpertRouting {
  /// Each expert takes at most this many times an even share, padded to it; tokens beyond are
  /// dropped (GShard, arXiv:2006.16668). Unset: dropless, every token is computed.
  std::optional<double> capacity_factor;
  /// Dropless: tokens of the most loaded rank over an even share, mean over layers and
  /// micro-batches (1: balanced). It sets the pace of the whole expert-parallel group.
  double imbalance = 1.0;
  /// Spread of that factor from layer to layer and micro-batch to micro-batch, as a standard
  /// deviation.
  double imbalance_spread = 0.0;
  friend bool operator==(const ExpertRouting&, const ExpertRouting&) = default;
};
const Schema<ExpertRouting>& SchemaOf(Tag<ExpertRouting>);

}  // namespace ridgeline::workloads
