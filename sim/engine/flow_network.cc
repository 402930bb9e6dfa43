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
  is_next_known_ = false;
  const FlowId flow = bytes > 0 ? sharing_.Add(cap, path) : sharing_.Add(kUncapped, {});
  if (motions_.size() <= static_cast<size_t>(flow)) {
    motions_.resize(static_cast<size_t>(flow) + 1);
  }
  MotionOf(flow) = {.remaining = bytes, .rate = 0.0, .since = now_, .end = kNever};
  return flow;
}

void FlowNetwork::Cancel(FlowId flow) {
  is_next_known_ = false;
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
  if (is_next_known_) {
    return next_end_;
  }
  Settle();
  is_next_known_ = true;
  if (!unlimited_.empty()) {
    return next_end_ = now_;
  }
  for (next_end_ = ends_.time(); next_end_ != kNever; next_end_ = ends_.time()) {
    next_group_ = ends_.index();
    const Picoseconds exact = EarliestEndOf(static_cast<MaxMinSharing::Group>(next_group_));
    if (exact == next_end_) {
      break;
    }
    ends_.Set(next_group_, exact);
  }
  return next_end_;
}

// Takes the flows of a group that end at `time`.
void FlowNetwork::TakeEnded(size_t group, Picoseconds time, std::vector<FlowId>& ended) {
  Picoseconds later = kNever;
  for (const MaxMinSharing::Member& member :
       sharing_.members(static_cast<MaxMinSharing::Group>(group))) {
    const Picoseconds end = MotionOf(member.flow).end;
    if (end == time) {
      sharing_.FetchPathOf(member.flow);
      ended.push_back(member.flow);
    } else {
      later = std::min(later, end);
    }
  }
  ends_.Set(group, later);
}

void FlowNetwork::AdvanceTo(Picoseconds time, std::vector<FlowId>& ended) {
  const Picoseconds next = NextEnd();
  CHECK(time >= now_ && time <= next, "from {} ps to {} ps, a flow ends at {} ps", now_, time,
        next);
  ended.clear();
  if (time < next || next == kNever) {
    now_ = time;
    return;
  }
  if (unlimited_.empty()) {
    TakeEnded(next_group_, time, ended);
  }
  now_ = time;
  ended.insert(ended.end(), unlimited_.begin(), unlimited_.end());
  unlimited_.clear();
  while (ends_.time() == time) {
    TakeEnded(ends_.index(), time, ended);
  }
  if (ends_.time() != kNever) {
    sharing_.FetchGroup(static_cast<MaxMinSharing::Group>(ends_.index()));
  }
  for (const FlowId flow : ended) {
    sharing_.Remove(flow);
  }
  is_next_known_ = false;
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
