#include "sim/network/collective_evidence.h"

#include <algorithm>
#include <cmath>

namespace ridgeline::network {
namespace {

constexpr double kLeastBytes = 512;
constexpr double kMostBytes = 512.0 * 1024 * 1024;
constexpr double kMostRanks = 8;
constexpr double kPublishedPort = 50e9;  // bytes a second of a GPU: 400 Gb/s
constexpr double kSamePort = 0.01;

bool IsMeasuredKind(CollectiveKind kind) {
  return kind != CollectiveKind::kBroadcast && kind != CollectiveKind::kSend;
}

/// As measured: chosen by the library, or an engine's own. Of others only two GPUs were.
bool IsMeasuredWay(const Collective& collective, CollectiveAlgorithm algorithm) {
  const bool is_engines =
      algorithm == CollectiveAlgorithm::kOneShot || algorithm == CollectiveAlgorithm::kTwoShot;
  return is_engines || (collective.algorithm == CollectiveAlgorithm::kChosen &&
                        collective.protocol == CollectiveProtocol::kChosen);
}

}  // namespace

Evidence EvidenceOf(const Collective& collective, CollectiveAlgorithm algorithm, bool is_corrected,
                    std::string_view gpu, const GroupLinks& links) {
  const hardware::CollectiveCorrections& corrections = links.library->corrections;
  const auto reference = links.library->generations.find(corrections.reference);
  const bool is_reference =
      reference != links.library->generations.end() && &reference->second == links.generation;
  if (!is_corrected) {
    return Evidence::kAnalytic;
  }
  if (!links.shape.is_one_node()) {
    const bool is_port = std::abs(links.across.peak.base() / kPublishedPort - 1) < kSamePort;
    return is_reference && is_port && links.inside.is_nvlink ? Evidence::kExtrapolated
                                                             : Evidence::kAnalytic;
  }
  const bool is_measured_gpu =
      std::ranges::find(corrections.measured_on, gpu) != corrections.measured_on.end();
  if (!links.has_nvswitch || !(is_measured_gpu || is_reference)) {
    return Evidence::kAnalytic;
  }
  const double bytes = collective.bytes.base();
  const bool is_within =
      kLeastBytes <= bytes && bytes <= kMostBytes && links.shape.ranks <= kMostRanks;
  return is_measured_gpu && is_within && IsMeasuredKind(collective.kind) &&
                 IsMeasuredWay(collective, algorithm)
             ? Evidence::kInterpolated
             : Evidence::kExtrapolated;
}

}  // namespace ridgeline::network
