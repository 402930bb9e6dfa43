/// How a mixture's tokens spread over its experts, beyond what the model says.
#pragma once

#include <cstdint>
#include <optional>

#include "base/config_reader.h"

namespace ridgeline::workloads {

/// How copies of tokens reach the ranks of their experts. kAllToAll: a copy for each expert.
/// kDeduplicated: one for each node (in one node: for each rank) that holds any of them, and from
/// there on over NVLink (DeepEP: deepseek-ai/DeepEP; arXiv:2412.19437, section 3.2.2).
enum class ExpertDispatch { kAllToAll, kDeduplicated };
EnumTable<ExpertDispatch> EnumNames(Tag<ExpertDispatch>);

/// Copies of a token that travel, of `experts_per_token`, to experts spread evenly over `places`:
/// the places that hold any of them, places (1 - (1 - 1 / places)^k) if they are drawn at random.
double DistinctPlaces(int64_t places, int64_t experts_per_token);

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
  ExpertDispatch dispatch = ExpertDispatch::kAllToAll;
  friend bool operator==(const ExpertRouting&, const ExpertRouting&) = default;
};
const Schema<ExpertRouting>& SchemaOf(Tag<ExpertRouting>);

}  // namespace ridgeline::workloads
