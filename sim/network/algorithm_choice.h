/// What a library would take for a collective: its own model of every algorithm in every protocol
/// that is available, and the one that this model says is fastest (NVIDIA/nccl v2.30.7
/// src/graph/tuning.cc, `ncclTopoGetAlgoTime`).
///
///     believed = latency (x plateau) + S / (rate x correction)
///
/// The correction of trees is a step function of S, so that the model is not monotone: of two sizes
/// the larger may be believed faster. It decides, and no more.
///
/// The time of what was chosen follows other rules, so that more bytes never take less:
///
///     time = factor latency (x plateau) + ramp(S) + S / (rate x the correction, interpolated)
///
/// with factor and ramp from measurement (ramp.h), and never less than any smaller size takes:
/// where the choice changes to something faster the time stays level until it catches up. What that
/// adds counts as ramp.
#pragma once

#include <array>
#include <span>

#include "base/operation.h"
#include "sim/network/affine_time.h"
#include "sim/network/group_links.h"
#include "sim/network/ramp.h"

namespace ridgeline::network {

/// An algorithm in a protocol, on the links of a group.
struct Candidate {
  CollectiveAlgorithm algorithm = CollectiveAlgorithm::kRing;
  CollectiveProtocol protocol = CollectiveProtocol::kSimple;
  AffineTime believed;  // as the library's model has it, corrections by size apart
  AffineTime modelled;  // what the time is made of
  TimeTerms terms;      // the same, as measurements correct it
  const hardware::TimeCorrection* measured = nullptr;  // null: nobody did
  /// By size from 64 B, doubling; empty where there is none.
  std::span<const double> correction;
  double plateau = 1.0;  // on the latency from plateau_from on
  Bytes plateau_from;
  int channels = 1;            // thread blocks that its kernel runs when there is work for all
  double bytes_a_block = 0.0;  // while there is less for each, fewer run; 0: never fewer

  Seconds Believed(Bytes size) const;
  int ChannelsAt(Bytes size) const;
};

struct Candidates {
  std::array<Candidate, 16> all;
  int count = 0;
  std::span<const Candidate> view() const { return {all.data(), static_cast<size_t>(count)}; }
};

/// Everything that the library may take; of the algorithm and the protocol that the collective
/// names, where it names them. Never empty for what RefusalOf (availability.h) lets pass; no
/// hierarchical ones, which are sums of others. Requires two ranks or more. O(algorithms).
Candidates CandidatesOf(const Collective& collective, const GroupLinks& links);

/// The candidate that is believed fastest; the first of equals.
const Candidate& ChosenOf(std::span<const Candidate> candidates, Bytes size);

/// What was chosen, before anything is corrected by measurement.
struct Choice {
  CollectiveAlgorithm algorithm = CollectiveAlgorithm::kRing;
  CollectiveProtocol protocol = CollectiveProtocol::kSimple;
  TimeTerms terms;
  int channels = 1;  // that its kernel runs when there is work for all
};
/// As the two above. Requires something to choose from.
Choice ChoiceOf(const Collective& collective, const GroupLinks& links);

/// Of the chosen one at this size, monotone in size. O(candidates x log size).
SplitTime TimeOf(std::span<const Candidate> candidates, const Candidate& chosen, Bytes size);

}  // namespace ridgeline::network
