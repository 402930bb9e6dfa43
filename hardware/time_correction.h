/// How much longer, or shorter, a collective was measured to take than its library's own model
/// says: factors on that model's terms, fitted to measurements (sim/network/fit_collectives.h). The
/// formula that reads them: sim/network/ramp.h. Blocks of configs/collectives.
///
/// Identity, where nothing is fitted: factors of 1, no growth, no fill, no free bytes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/config_reader.h"
#include "base/operation.h"
#include "base/units.h"

namespace ridgeline::hardware {

/// Of one algorithm in one protocol.
struct TimeCorrection {
  double base = 1.0;    // on what a collective pays once
  double step = 1.0;    // on what it pays a step
  double growth = 0.0;  // by which both grow while threads are added
  double rate = 1.0;    // on the rate of what is sent
  /// On the same rate, at which the last part received is copied within a GPU; 0: at no cost.
  double copy = 0.0;
  double fill = 0.0;  // ramp = sqrt(fill x latency x wire), of the model's latency
  Bytes free = {};    // a channel (and a rank, of LL rings): carried while channels are added
  /// Of a channel's ceiling in the library's tables, that it reaches; 0: only links bind.
  double channel = 0.0;
  friend bool operator==(const TimeCorrection&, const TimeCorrection&) = default;
};

/// A protocol that is absent takes no correction.
struct ProtocolCorrections {
  std::optional<TimeCorrection> ll;
  std::optional<TimeCorrection> ll128;
  std::optional<TimeCorrection> simple;
  const std::optional<TimeCorrection>& In(CollectiveProtocol protocol) const {
    return protocol == CollectiveProtocol::kLl      ? ll
           : protocol == CollectiveProtocol::kLl128 ? ll128
                                                    : simple;
  }
  std::optional<TimeCorrection>& In(CollectiveProtocol protocol) {
    return protocol == CollectiveProtocol::kLl      ? ll
           : protocol == CollectiveProtocol::kLl128 ? ll128
                                                    : simple;
  }
  friend bool operator==(const ProtocolCorrections&, const ProtocolCorrections&) = default;
};

struct AlgorithmCorrections {
  ProtocolCorrections ring;
  ProtocolCorrections tree;
  ProtocolCorrections nvls;
  ProtocolCorrections nvls_tree;
  ProtocolCorrections pairwise;
  ProtocolCorrections one_shot;
  ProtocolCorrections two_shot;
  /// Null for algorithms that nobody measured.
  const ProtocolCorrections* Of(CollectiveAlgorithm algorithm) const;
  ProtocolCorrections* Of(CollectiveAlgorithm algorithm);
  friend bool operator==(const AlgorithmCorrections&, const AlgorithmCorrections&) = default;
};

/// Nine in ten measured times lay between low and high times the predicted one, at sizes from
/// `from` to the next band's, among measurements that no constant had seen.
struct ErrorBand {
  Bytes from;
  double low = 1.0;
  double high = 1.0;
  friend bool operator==(const ErrorBand&, const ErrorBand&) = default;
};

struct CollectiveCorrections {
  /// The generation at whose speed the factors are stated; others are slower as the library's
  /// ceilings say (ramp.h). Empty: no corrections.
  std::string reference;
  AlgorithmCorrections one_node;
  AlgorithmCorrections nodes;  // groups over nodes
  /// What a collective launched by itself takes on top; measurements were inside CUDA graphs.
  Seconds launch;
  std::vector<ErrorBand> one_node_errors;  // in order of size, the first from zero
  std::vector<ErrorBand> nodes_errors;
  std::vector<std::string> measured_on;  // GPUs of configs/gpus
  friend bool operator==(const CollectiveCorrections&, const CollectiveCorrections&) = default;

  /// The correction of an algorithm in a protocol; null where there is none. O(1).
  const TimeCorrection* Find(CollectiveAlgorithm algorithm, CollectiveProtocol protocol,
                             bool is_one_node) const;
  /// The band of a size; null where no errors are known.
  const ErrorBand* ErrorsAt(Bytes size, bool is_one_node) const;
};

const Schema<TimeCorrection>& SchemaOf(Tag<TimeCorrection>);
const Schema<ProtocolCorrections>& SchemaOf(Tag<ProtocolCorrections>);
const Schema<AlgorithmCorrections>& SchemaOf(Tag<AlgorithmCorrections>);
const Schema<ErrorBand>& SchemaOf(Tag<ErrorBand>);
const Schema<CollectiveCorrections>& SchemaOf(Tag<CollectiveCorrections>);

}  // namespace ridgeline::hardware
