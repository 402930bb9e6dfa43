// The sweep of MaxMinSharing, and what needs none.
#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "sim/engine/max_min_sharing.h"

namespace ridgeline::engine {
namespace {

// Rates as near as this are the same rate: what rounding alone may move.
constexpr double kSameRate = 0x1p-46;
// Load and capacity as near as this (relative to the capacity) are equal.
constexpr double kSameLoad = 0x1p-48;

// Min-heap by key, then link: the same order whatever the history.
constexpr auto kLater = [](const auto& a, const auto& b) {
  return a.key > b.key || (a.key == b.key && a.link > b.link);
};

}  // namespace

void MaxMinSharing::Touch(Group index) {
  InSweep& sweep = SweepAt(index);
  if (!sweep.is_touched) {
    sweep.is_touched = true;
    sweep.key = kInfinity;
    sweep.ceiling = LinkAt(index).level;
    sweep.is_level_known = false;
    sweep.first_open = -1;
    touched_.push_back(index);
  }
  if (!sweep.awaits_key) {
    sweep.awaits_key = true;
    awaiting_key_.push_back(index);
  }
}

void MaxMinSharing::Open(Slot slot) {
  Flow& flow = FlowAt(slot);
  if (flow.bottleneck >= 0) {
    const Crossing& crossing = CrossingAt(flow.bottleneck);
    Link& link = LinkAt(crossing.link);
    Exchange(link, crossing.position, --link.num_held);
    if (link.num_held == 0) {
      link.level = kInfinity;
    }
    flow.bottleneck = -1;
  }
  const double load = LoadOf(flow);
  const int32_t end = flow.path_begin + flow.path_length;
  for (int32_t at = flow.path_begin; at < end; ++at) {
    Crossing& crossing = CrossingAt(at);
    Touch(crossing.link);
    Link& link = LinkAt(crossing.link);
    InSweep& sweep = SweepAt(crossing.link);
    link.closed_load -= crossing.count * load;
    sweep.num_open += crossing.count;
    ++link.num_updates;
    if (sweep.num_open == link.num_crossings) {
      link.closed_load = 0.0;  // exactly
    }
    crossing.next_open = sweep.first_open;
    sweep.first_open = at;
  }
  flow.state = State::kOpen;
  ++num_open_flows_;
  opened_.push_back(slot);
}

// Opens all that the link holds back.
void MaxMinSharing::OpenHeld(Link& link) {
  const int32_t num_held = link.num_held;
  link.num_held = 0;
  link.level = kInfinity;
  for (int32_t i = 0; i < num_held; ++i) {
    const Slot slot = link.flows[static_cast<size_t>(i)].flow;
    FlowAt(slot).bottleneck = -1;
    Open(slot);
  }
}

// Opens the flows that the link would hold back at `level`.
bool MaxMinSharing::OpenFasterThan(Link& link, double level) {
  const double limit = level * (1 + kSameRate);
  bool has_opened = false;
  // Opening moves a flow within the list of its bottleneck only, and this link has none.
  for (size_t i = 0; i < link.flows.size(); ++i) {
    const Slot slot = link.flows[i].flow;
    const Flow& flow = FlowAt(slot);
    if (flow.state == State::kClosed && flow.rate > limit) {
      Open(slot);
      has_opened = true;
    }
  }
  return has_opened;
}

// At which level something is to happen at this link: it fills up, or its old level is reached.
double MaxMinSharing::KeyOf(const Link& link, const InSweep& sweep) const {
  double key = kInfinity;
  if (sweep.num_open > 0) {
    key = std::max(0.0, (link.capacity - link.closed_load) / static_cast<double>(sweep.num_open));
  } else if (link.closed_load > link.capacity * (1 + kSameLoad)) {
    key = level_;  // open flows took what flows that are not open yet will have to give
  }
  return link.num_held > 0 && !sweep.is_level_known ? std::min(key, link.level) : key;
}

// The level, not below that of the sweep, at which the link is full when it holds back whatever is
// faster, as rates stand: sum of min(rate, level) = capacity. Rises to it in few rounds.
double MaxMinSharing::LevelIfFull(const Link& link, const InSweep& sweep) const {
  const double room = link.capacity - link.closed_load;
  double level = level_;
  while (true) {
    double sum = room;
    int64_t count = sweep.num_open;
    for (const Member& member : link.flows) {
      const Flow& flow = flows_[static_cast<size_t>(member.flow)];
      if (flow.state == State::kClosed && flow.rate > level) {
        sum += member.count * flow.rate;
        count += member.count;
      }
    }
    const double next = sum / static_cast<double>(count);
    if (!(next > level * (1 + kSameRate))) {
      return level;
    }
    level = next;
  }
}

void MaxMinSharing::Push(Group index, double key) {
  SweepAt(index).key = key;
  heap_.push_back({.key = key, .link = index});
  ++num_pushes_;
  std::push_heap(heap_.begin(), heap_.end(), kLater);
}

void MaxMinSharing::PushKeys() {
  for (const Group index : awaiting_key_) {
    const Link& link = LinkAt(index);
    InSweep& sweep = SweepAt(index);
    sweep.awaits_key = false;
    // A key that rose is found out when its entry comes up.
    if (const double key = KeyOf(link, sweep); key < sweep.key) {
      Push(index, key);
    }
  }
  awaiting_key_.clear();
}

// When no flow is open, most links in the heap wait for nothing: they go at once, unsorted.
void MaxMinSharing::DropIdle() {
  std::erase_if(heap_, [this](const Entry& entry) {
    const Link& link = LinkAt(entry.link);
    InSweep& sweep = SweepAt(entry.link);
    if (entry.key == sweep.key && KeyOf(link, sweep) == kInfinity) {
      sweep.key = kInfinity;
    }
    return entry.key != sweep.key;
  });
  std::make_heap(heap_.begin(), heap_.end(), kLater);
  num_pushes_ = 0;
}

void MaxMinSharing::BeginSweep() {
  level_ = 0.0;
  heap_.clear();
  num_pushes_ = 0;
  num_open_flows_ = 0;
  opened_.clear();
  changed_.clear();
  settled_.clear();
  for (const Group index : new_capacity_) {
    Link& link = LinkAt(index);
    SweepAt(index).has_new_capacity = false;
    for (size_t i = 0; i < link.flows.size(); ++i) {
      // Opening a flow that this link holds back exchanges it with one that is held back further
      // on; going backwards would miss none, going forwards looks at the place again.
      const Slot slot = link.flows[i].flow;
      if (FlowAt(slot).state == State::kClosed) {
        Open(slot);
        --i;
      }
    }
  }
  for (const Slot slot : new_flows_) {
    if (FlowAt(slot).state == State::kNew) {
      Open(slot);
    }
  }
  for (const Group index : dirty_) {
    SweepAt(index).is_dirty = false;
    if (LinkAt(index).num_held > 0) {
      Touch(index);
    }
  }
  new_capacity_.clear();
  new_flows_.clear();
  dirty_.clear();
  PushKeys();
}

// The sweep has come to the key of a link.
void MaxMinSharing::Reach(Group index) {
  Link& link = LinkAt(index);
  InSweep& sweep = SweepAt(index);
  if (link.num_held > 0 && !sweep.is_level_known) {
    sweep.is_level_known = true;
    const bool is_as_before = sweep.num_open == 0 && std::abs(link.capacity - link.closed_load) <=
                                                         kSameLoad * link.capacity;
    if (!is_as_before) {
      OpenHeld(link);
      PushKeys();
    }
    return;
  }
  if (level_ < sweep.ceiling) {
    // Flows that were not opened may be faster than this link lets them be.
    const double full = LevelIfFull(link, sweep);
    if (full > level_ * (1 + kSameRate)) {
      Push(index, full);
      return;
    }
    sweep.ceiling = level_;
    if (OpenFasterThan(link, level_)) {
      PushKeys();
    }
  }
  SettleLink(index);
}

void MaxMinSharing::SettleFlow(Slot slot, int32_t at) {
  Flow& flow = FlowAt(slot);
  const bool is_same =
      flow.rate < kInfinity && std::abs(level_ - flow.rate) <= kSameRate * flow.rate;
  if (!is_same) {
    changed_.push_back(slot);
    flow.rate = level_;
  }
  for (const Crossing& crossing : PathOf(flow)) {
    Link& link = LinkAt(crossing.link);
    link.closed_load += crossing.count * flow.rate;
    SweepAt(crossing.link).num_open -= crossing.count;
    ++link.num_updates;
  }
  const Crossing& bottleneck = CrossingAt(at);
  Link& link = LinkAt(bottleneck.link);
  Exchange(link, bottleneck.position, link.num_held++);
  flow.bottleneck = at;
  flow.state = State::kSettled;
  --num_open_flows_;
}

// All open flows of the link get the level at which the sweep stands.
void MaxMinSharing::SettleLink(Group index) {
  Link& link = LinkAt(index);
  InSweep& sweep = SweepAt(index);
  for (int32_t at = sweep.first_open; at >= 0;) {
    const Crossing crossing = CrossingAt(at);
    const Slot slot = link.flows[static_cast<size_t>(crossing.position)].flow;
    if (FlowAt(slot).state == State::kOpen) {
      SettleFlow(slot, at);
    }
    at = crossing.next_open;
  }
  sweep.first_open = -1;
  link.level = link.num_held > 0 ? level_ : kInfinity;
  sweep.is_level_known = true;
  settled_.push_back(index);
}

// Running sums drift; an exact one now and then costs nothing on average.
void MaxMinSharing::SumIfDue(Link& link) {
  if (link.num_updates > 256 + 4 * static_cast<int64_t>(link.flows.size())) {
    double load = 0.0;
    for (const Member& member : link.flows) {
      load += member.count * LoadOf(FlowAt(member.flow));
    }
    link.closed_load = load;
    link.num_updates = 0;
  }
}

void MaxMinSharing::EndSweep() {
  for (const Slot slot : opened_) {
    Flow& flow = FlowAt(slot);
    if (flow.state == State::kOpen) {  // only links without limit, if any
      if (flow.rate < kInfinity) {
        changed_.push_back(slot);
      }
      flow.rate = kInfinity;
      for (const Crossing& crossing : PathOf(flow)) {
        SweepAt(crossing.link).num_open -= crossing.count;
      }
    }
    flow.state = State::kClosed;
  }
  num_opened_ += static_cast<int64_t>(opened_.size());
  for (const Group index : touched_) {
    InSweep& sweep = SweepAt(index);
    sweep.is_touched = false;
    CHECK(sweep.num_open == 0, "link {} has {} open", index, sweep.num_open);
    SumIfDue(LinkAt(index));
  }
  touched_.clear();
  is_solved_ = true;
}

// One new flow whose links hold nothing back: the sweep would come to its narrowest link, find no
// faster flow there, and be done. The same rate to the bit; false if a sweep is needed.
bool MaxMinSharing::SettleAlone() {
  if (new_flows_.size() != 1 || !dirty_.empty() || !new_capacity_.empty()) {
    return false;
  }
  const Slot slot = new_flows_.front();
  Flow& flow = FlowAt(slot);
  if (flow.state != State::kNew || flow.crosses_twice) {
    return false;
  }
  double rate = kInfinity;
  int32_t bottleneck = -1;
  const int32_t end = flow.path_begin + flow.path_length;
  for (int32_t at = flow.path_begin; at < end; ++at) {
    const Crossing& crossing = CrossingAt(at);
    const Link& link = LinkAt(crossing.link);
    if (link.num_held > 0) {
      return false;
    }
    const double share = crossing.count == 1 ? link.capacity - link.closed_load
                                             : (link.capacity - link.closed_load) / crossing.count;
    if (share < rate ||
        (share == rate && bottleneck >= 0 && crossing.link < CrossingAt(bottleneck).link)) {
      rate = share;
      bottleneck = at;
    }
  }
  if (bottleneck < 0 || !(rate > 0)) {
    return false;
  }
  const Crossing& narrowest = CrossingAt(bottleneck);
  Link& narrow = LinkAt(narrowest.link);
  for (const Member& member : narrow.flows) {
    if (FlowAt(member.flow).rate > rate) {
      return false;
    }
  }
  flow.rate = rate;
  flow.bottleneck = bottleneck;
  flow.state = State::kClosed;
  for (const Crossing& crossing : PathOf(flow)) {
    Link& link = LinkAt(crossing.link);
    link.closed_load += crossing.count * rate;
    link.num_updates += 2;  // as the sweep counts
    SumIfDue(link);
  }
  Exchange(narrow, narrowest.position, narrow.num_held++);
  narrow.level = rate;
  changed_.assign(1, slot);
  settled_.assign(1, narrowest.link);
  new_flows_.clear();
  ++num_opened_;
  is_solved_ = true;
  return true;
}

void MaxMinSharing::Solve() {
  if (is_solved_) {
    changed_.clear();
    settled_.clear();
    return;
  }
  if (SettleAlone()) {
    return;
  }
  if (new_flows_.empty() && dirty_.empty() && new_capacity_.empty()) {
    changed_.clear();
    settled_.clear();
    is_solved_ = true;
    return;
  }
  BeginSweep();
  while (true) {
    if (num_open_flows_ == 0 && 2 * num_pushes_ > heap_.size()) {
      DropIdle();
    }
    if (heap_.empty()) {
      break;
    }
    std::pop_heap(heap_.begin(), heap_.end(), kLater);
    const Entry entry = heap_.back();
    heap_.pop_back();
    const Link& link = LinkAt(entry.link);
    InSweep& sweep = SweepAt(entry.link);
    if (entry.key != sweep.key) {
      continue;  // another entry has taken its place
    }
    sweep.key = kInfinity;
    const double key = KeyOf(link, sweep);
    if (key == kInfinity) {
      continue;  // its flows were settled elsewhere
    }
    if (key > entry.key) {
      Push(entry.link, key);
      continue;
    }
    level_ = std::max(level_, entry.key);
    Reach(entry.link);
  }
  EndSweep();
}

}  // namespace ridgeline::engine
