/// The time of a collective as measured: the library's own model of what it chose, with every term
/// corrected by a factor from measurement (hardware/time_correction.h).
///
///     T       = latency + ramp + wire
///     latency = r (base B0 + step (L0 - B0)) (1 + growth g)
///     wire    = max(0, S - free u) (w / (rate B) + l / (copy B))
///     ramp    = sqrt(fill r L0 wire)
///
/// L0: the model's latency, of which B0 is paid once and the rest a step at a time. B: the model's
/// bus rate; w: bytes that a rank sends over S (all-reduce 2(n-1)/n, gathers (n-1)/n); l: the last
/// part that it receives, which no link carries on but a copy puts in place (1/n of a ring's or an
/// all-to-all's buffer).
///
/// - ramp: cutting a buffer into chunks makes each wait behind the latency of the one before, and a
///   few large ones fill the pipeline slowly; the best cut costs 2 sqrt(overhead x wire) (Kruskal
///   and others; the term that the measured curves show).
/// - free, growth: a kernel adds threads, then channels, while each carries the same; so bytes cost
///   nothing at first, but more threads wait for each other longer. u: channels, times the ranks in
///   LL rings. The split of a time counts them to the wire and takes them off the latency. g: 0 to
///   1, from 128 threads to 512 (LL rings), from 4 KiB to 64 KiB a peer (pairwise).
/// - Trees over nodes, NVLSTree among them: g = sqrt(S / 16 MiB), 0 to 1. A hop passes on a part of
///   the buffer, which grows with it until the library's slots are full. It takes the place of a
///   ramp. NVLSTree's sum inside its nodes counts to B0.
/// - r: a protocol is the same program on every generation, run at another speed. Its speed is what
///   the library's tables let it carry: LL's ceiling, a channel's in LL128, a channel's of trees in
///   Simple. r = reference over this generation, not below 1: no measurement says that latencies
///   shrink on generations faster than the measured ones. 1 for groups over nodes, where the
///   network's latency rules, and for engines' own kernels.
/// - channel: those ceilings also bind the rate: B <= channel x channels x ceiling.
#pragma once

#include "hardware/time_correction.h"
#include "sim/network/affine_time.h"
#include "sim/network/group_links.h"

namespace ridgeline::network {

/// A time in its parts.
struct SplitTime {
  Seconds latency;
  Seconds ramp;
  Seconds wire;
  Seconds total() const { return latency + ramp + wire; }
};

/// What the correction applies to, of one collective at any size.
struct TimeTerms {
  Seconds base;   // B0
  Seconds steps;  // L0 - B0
  double slowness = 1.0;
  BytesPerSecond bus;
  BytesPerSecond channels_most;  // channels x ceiling; zero: none
  double sent = 0.0;
  double received = 0.0;
  double units = 0.0;          // u
  Bytes grows_from;            // g climbs from 0 here to 1 so many octaves above
  double grows_octaves = 0.0;  // 0: not so
  Bytes parts_full_at;         // or as its root up to 1 here; 0: not so
};

/// Of a model's time of an algorithm in a protocol with so many thread blocks. O(1).
TimeTerms TermsOf(const AffineTime& modelled, CollectiveAlgorithm algorithm,
                  CollectiveProtocol protocol, int channels, CollectiveKind kind,
                  const GroupLinks& links);

/// Never falls when bytes grow. O(1).
SplitTime Corrected(const TimeTerms& terms, Bytes size, const hardware::TimeCorrection& correction);

/// The correction of what runs on these links; null where nobody measured. Sends and receives have
/// one, whatever the protocol: they change it within a collective.
const hardware::TimeCorrection* CorrectionFor(CollectiveAlgorithm algorithm,
                                              CollectiveProtocol protocol, const GroupLinks& links);

}  // namespace ridgeline::network
