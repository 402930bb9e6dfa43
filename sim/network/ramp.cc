#include "sim/network/ramp.h"

#include <algorithm>
#include <cmath>

#include "sim/network/availability.h"
#include "sim/network/bus_factor.h"

namespace ridgeline::network {
namespace {

constexpr double kFewThreads = 128;                  // with which a kernel begins
constexpr double kOctavesOfThreads = 2;              // to 512
constexpr double kFewBytesAPeer = 4096;              // from which a peer's part takes more threads
constexpr double kOctavesOfPeerBytes = 4;            // to 64 KiB
constexpr double kPartsFullAt = 16.0 * 1024 * 1024;  // of a buffer, over nodes

bool IsEngines(CollectiveAlgorithm algorithm) {
  return algorithm == CollectiveAlgorithm::kOneShot || algorithm == CollectiveAlgorithm::kTwoShot;
}

double ReceivedShare(CollectiveKind kind, CollectiveAlgorithm algorithm, double ranks) {
  const bool is_cut = kind != CollectiveKind::kBroadcast && kind != CollectiveKind::kSend;
  const bool is_copied =
      algorithm == CollectiveAlgorithm::kRing || algorithm == CollectiveAlgorithm::kPairwise;
  return is_cut && is_copied ? 1 / ranks : 0.0;
}

/// What a channel of the generation carries at most, as the library's tables say.
BytesPerSecond ChannelOf(const hardware::LibraryGeneration& generation,
                         CollectiveProtocol protocol) {
  return protocol == CollectiveProtocol::kLl128 ? generation.ring_ll128_channel.one_node
                                                : generation.tree_channel.one_node;
}

BytesPerSecond SpeedOf(const hardware::LibraryGeneration& generation, CollectiveProtocol protocol) {
  return protocol == CollectiveProtocol::kLl ? generation.ll_most : ChannelOf(generation, protocol);
}

double SlownessOf(CollectiveProtocol protocol, const GroupLinks& links) {
  const auto& generations = links.library->generations;
  const auto reference = generations.find(links.library->corrections.reference);
  const BytesPerSecond speed = SpeedOf(*links.generation, protocol);
  if (reference == generations.end() || !(BytesPerSecond{} < speed)) {
    return 1;
  }
  return std::max(1.0, SpeedOf(reference->second, protocol) / speed);
}

/// g of the formula.
double Growing(const TimeTerms& terms, Bytes size) {
  if (Bytes{} < terms.parts_full_at) {
    return std::sqrt(std::min(1.0, size / terms.parts_full_at));
  }
  return terms.grows_octaves > 0 && terms.grows_from < size
             ? std::min(1.0, std::log2(size / terms.grows_from) / terms.grows_octaves)
             : 0.0;
}

}  // namespace

TimeTerms TermsOf(const AffineTime& modelled, CollectiveAlgorithm algorithm,
                  CollectiveProtocol protocol, int channels, CollectiveKind kind,
                  const GroupLinks& links) {
  const double ranks = links.shape.ranks;
  const bool is_one_node = links.shape.is_one_node();
  const bool is_pairwise = algorithm == CollectiveAlgorithm::kPairwise;
  TimeTerms terms;
  terms.sent = BusFactor(kind, ranks);
  terms.received = ReceivedShare(kind, algorithm, ranks);
  terms.bus = modelled.rate * terms.sent;
  Seconds latency = modelled.latency;
  if (IsEngines(algorithm)) {
    terms.base = latency;
    return terms;
  }
  const hardware::AlgorithmCosts& costs = CostsOf(algorithm, *links.library);
  if (costs.In(protocol)) {
    terms.base = costs.In(protocol)->base;
  }
  if (is_pairwise && protocol == CollectiveProtocol::kLl && costs.simple) {
    // Sends change their protocol part by part: their terms are always Simple's.
    const hardware::StepCosts& ll = *costs.ll;
    const bool is_nvlink = links.inside.is_nvlink;
    const Seconds ll_step = is_one_node ? InsideStep(ll, links) : ll.network;
    const Seconds step = is_one_node ? (is_nvlink ? costs.simple->nvlink : costs.simple->pcie)
                                     : costs.simple->network;
    latency = costs.simple->base + (latency - ll.base) * (step / ll_step);
    terms.base = costs.simple->base;
    terms.bus = terms.bus / links.library->shares.pairwise_ll;
    protocol = CollectiveProtocol::kSimple;
  }
  if (algorithm == CollectiveAlgorithm::kNvlsTree) {
    terms.base += InsideStep(*costs.simple, links);  // the sum inside the node, once
  }
  terms.steps = latency - terms.base;
  if (!is_one_node) {
    if (algorithm == CollectiveAlgorithm::kTree || algorithm == CollectiveAlgorithm::kNvlsTree) {
      terms.parts_full_at = Bytes::FromBase(kPartsFullAt);
    }
    return terms;
  }
  terms.slowness = SlownessOf(protocol, links);
  terms.channels_most = channels * ChannelOf(*links.generation, protocol);
  terms.units = channels;
  if (is_pairwise) {
    terms.grows_from = Bytes::FromBase(kFewBytesAPeer * ranks);
    terms.grows_octaves = kOctavesOfPeerBytes;
  } else if (protocol == CollectiveProtocol::kLl) {
    terms.units *= ranks;
    terms.grows_from =
        Bytes::FromBase(kFewThreads * links.library->channels.bytes_a_thread_ll * ranks);
    terms.grows_octaves = kOctavesOfThreads;
  }
  return terms;
}

SplitTime Corrected(const TimeTerms& terms, Bytes size,
                    const hardware::TimeCorrection& correction) {
  BytesPerSecond bus = terms.bus;
  if (correction.channel > 0 && BytesPerSecond{} < terms.channels_most) {
    bus = std::min(bus, correction.channel * terms.channels_most);
  }
  const double copied = correction.copy > 0 ? terms.received / correction.copy : 0.0;
  const Bytes counted = std::max(Bytes{}, size - terms.units * correction.free);
  SplitTime time;
  time.latency = (correction.base * terms.base + correction.step * terms.steps) *
                 (terms.slowness * (1 + correction.growth * Growing(terms, size)));
  const double a_byte = (terms.sent / correction.rate + copied) / bus.base();
  time.wire = Seconds::FromBase(counted.base() * a_byte);
  time.ramp = Seconds::FromBase(std::sqrt(correction.fill * terms.slowness *
                                          (terms.base + terms.steps).base() * time.wire.base()));
  // What costs nothing is carried during the start: the links are taken all the same.
  const Seconds hidden =
      std::min(time.latency, Seconds::FromBase((size - counted).base() * a_byte));
  time.latency -= hidden;
  time.wire += hidden;
  return time;
}

const hardware::TimeCorrection* CorrectionFor(CollectiveAlgorithm algorithm,
                                              CollectiveProtocol protocol,
                                              const GroupLinks& links) {
  const bool is_pairwise = algorithm == CollectiveAlgorithm::kPairwise;
  return links.library->corrections.Find(
      algorithm, is_pairwise ? CollectiveProtocol::kSimple : protocol, links.shape.is_one_node());
}

}  // namespace ridgeline::network
