#include "sim/engine/flow_network.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace ridgeline::engine {
namespace {

// The first whole picosecond at which `bytes` are through, if rounding errors are left aside.
Picoseconds TimeToMove(double bytes, double bytes_per_picosecond) {
  if (bytes <= 0) {
    return 0;
  }
  const double exact = bytes / bytes_per_picosecond;  // infinite when nothing moves
  if (!(exact < 9.2e18)) {
    return FlowNetwork::kNever;
  }
  return static_cast<Picoseconds>(std::ceil(std::max(0.0, exact - 0x1p-10 - exact * 0x1p-50)));
}

}  // namespace

FlowNetwork::FlowId FlowNetwork::Start(double bytes, double cap,
                                       std::span<const Traffic::Crossing> path) {
  CHECK(bytes >= 0, "a flow of {} bytes", bytes);
  const FlowId flow = bytes > 0 ? sharing_.Add(cap, path) : sharing_.Add(kUncapped, {});
  if (motions_.size() <= static_cast<size_t>(flow)) {
    motions_.resize(static_cast<size_t>(flow) + 1);
  }
  MotionOf(flow) = {.remaining = bytes, .rate = 0.0, .since = now_, .end = kNever};
  return flow;
}

void FlowNetwork::Cancel(FlowId flow) {
  std::erase(unlimited_, flow);
  sharing_.Remove(flow);
}

Picoseconds FlowNetwork::EarliestEndOf(MaxMinSharing::Group group) {
  Picoseconds earliest = kNever;
  for (const MaxMinSharing::Member& member : sharing_.members(group)) {
    earliest = std::min(earliest, MotionOf(member.flow).end);
  }
  return earliest;
}

// Brings rates, and what follows from them, up to date.
void FlowNetwork::Settle() {
  if (sharing_.is_solved()) {
    return;
  }
  sharing_.Solve();
  for (const FlowId flow : sharing_.changed()) {
    Motion& motion = MotionOf(flow);
    motion.remaining =
        std::max(0.0, motion.remaining - motion.rate * static_cast<double>(now_ - motion.since));
    motion.since = now_;
    const double rate = sharing_.rate(flow);
    if (rate == kUncapped) {
      motion.rate = 0.0;
      motion.end = now_;
      unlimited_.push_back(flow);
    } else {
      motion.rate = rate * 1e-12;
      motion.end = AddSaturating(now_, TimeToMove(motion.remaining, motion.rate));
    }
  }
  for (const MaxMinSharing::Group group : sharing_.settled()) {
    ends_.Set(static_cast<size_t>(group), EarliestEndOf(group));
  }
}

Picoseconds FlowNetwork::NextEnd() {
  Settle();
  if (!unlimited_.empty()) {
    return now_;
  }
  while (ends_.time() != kNever) {
    const size_t group = ends_.index();
    const Picoseconds time = EarliestEndOf(static_cast<MaxMinSharing::Group>(group));
    if (time == ends_.time()) {
      return time;
    }
    ends_.Set(group, time);
  }
  return kNever;
}

void FlowNetwork::AdvanceTo(Picoseconds time, std::vector<FlowId>& ended) {
  const Picoseconds next = NextEnd();
  CHECK(time >= now_ && time <= next, "from {} ps to {} ps, a flow ends at {} ps", now_, time,
        next);
  now_ = time;
  ended.clear();
  if (time < next) {
    return;
  }
  ended.swap(unlimited_);
  while (ends_.time() == time) {
    const size_t group = ends_.index();
    Picoseconds later = kNever;
    for (const MaxMinSharing::Member& member :
         sharing_.members(static_cast<MaxMinSharing::Group>(group))) {
      const Picoseconds end = MotionOf(member.flow).end;
      if (end == time) {
        ended.push_back(member.flow);
      } else {
        later = std::min(later, end);
      }
    }
    ends_.Set(group, later);
  }
  for (const FlowId flow : ended) {
    sharing_.Remove(flow);
  }
}

double FlowNetwork::RateOf(FlowId flow) {
  Settle();
  return sharing_.rate(flow);
}

double FlowNetwork::RemainingOf(FlowId flow) {
  const Motion& motion = MotionOf(flow);
  return std::max(0.0, motion.remaining - motion.rate * static_cast<double>(now_ - motion.since));
}

}  // namespace ridgeline::engine
