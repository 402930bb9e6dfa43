/// Flows in motion: bytes that move at the rates of MaxMinSharing, on the integer clock. To be
/// driven from outside: start a flow now, change a link now, ask when the next flow ends, go there.
///
///     FlowNetwork network(capacities);
///     const auto flow = network.Start(bytes, kUncapped, path);
///     while (network.NextEnd() != FlowNetwork::kNever) {
///       network.AdvanceTo(network.NextEnd(), ended);
///     }
///
/// An end is rounded up to the picosecond, after 2^-10 ps (and four units in the last place) are
/// taken off for rounding: nothing ends early by more. All that ends within one picosecond ends
/// together, and rates are solved once for all that happens at one instant.
///
/// Flows that one link holds back go at one rate, so each link keeps the earliest end of its own
/// only: a new rate costs no queue operation a flow.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sim/engine/earliest.h"
#include "sim/engine/max_min_sharing.h"
#include "sim/engine/sim_time.h"
#include "sim/engine/traffic.h"

namespace ridgeline::engine {

class FlowNetwork {
 public:
  using FlowId = MaxMinSharing::Slot;  // used again after the flow has ended
  static constexpr Picoseconds kNever = Earliest::kNever;

  explicit FlowNetwork(std::span<const double> capacities) : sharing_(capacities) {}

  Picoseconds now() const { return now_; }

  /// Begins to move `bytes` now. No bytes, or neither a cap nor a link with a limit: ends now.
  FlowId Start(double bytes, double cap, std::span<const Traffic::Crossing> path);
  /// Ends the flow here; it is not reported.
  void Cancel(FlowId flow);
  /// From now on. 0: its flows stand still.
  void SetCapacity(LinkIndex link, double capacity) {
    sharing_.SetCapacity(link, capacity);
    is_next_known_ = false;
  }

  /// When the next flow ends if nothing else happens; kNever when none does.
  Picoseconds NextEnd();
  /// Moves the clock to `time`, at least now() and at most NextEnd(). `ended` becomes the flows
  /// that end at it, in an order that is the same in every run.
  void AdvanceTo(Picoseconds time, std::vector<FlowId>& ended);

  /// Bytes a second of one member.
  double RateOf(FlowId flow);
  /// Bytes of one member still to move.
  double RemainingOf(FlowId flow);
  const MaxMinSharing& sharing() const { return sharing_; }
  /// A flow over this path starts soon: brings its links into the cache. Changes nothing.
  [[gnu::always_inline]] void Fetch(std::span<const Traffic::Crossing> path) const {
    sharing_.Fetch(path);
  }

 private:
  struct Motion {
    double remaining = 0.0;  // bytes, at `since`
    double rate = 0.0;       // bytes a picosecond, from then on
    Picoseconds since = 0;
    Picoseconds end = kNever;
  };

  Motion& MotionOf(FlowId flow) { return motions_[static_cast<size_t>(flow)]; }
  void Settle();
  void TakeEnded(size_t group, Picoseconds time, std::vector<FlowId>& ended);
  Picoseconds EarliestEndOf(MaxMinSharing::Group group);

  MaxMinSharing sharing_;
  Picoseconds now_ = 0;
  std::vector<Motion> motions_;    // by FlowId
  std::vector<FlowId> unlimited_;  // end at once
  Earliest ends_;                  // by group; may be too early when a group has lost members
  Picoseconds next_end_ = kNever;  // while is_next_known_
  size_t next_group_ = 0;          // that it is of
  bool is_next_known_ = false;
};

}  // namespace ridgeline::engine
