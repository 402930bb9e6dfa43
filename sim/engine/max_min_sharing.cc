#include "sim/engine/max_min_sharing.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

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

MaxMinSharing::MaxMinSharing(std::span<const double> capacities)
    : links_(capacities.size()), num_links_(static_cast<LinkIndex>(capacities.size())) {
  for (size_t link = 0; link < capacities.size(); ++link) {
    CHECK(capacities[link] >= 0, "link {} has capacity {}", link, capacities[link]);
    links_[link].capacity = capacities[link];
  }
}

MaxMinSharing::Slot MaxMinSharing::NewSlot(int32_t path_length) {
  Slot slot = 0;
  if (free_slots_.empty()) {
    slot = static_cast<Slot>(flows_.size());
    flows_.emplace_back();
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
  }
  Flow& flow = FlowAt(slot);
  flow = {};
  flow.path_length = path_length;
  const auto length = static_cast<size_t>(path_length);
  if (length < free_paths_.size() && !free_paths_[length].empty()) {
    flow.path_begin = free_paths_[length].back();
    free_paths_[length].pop_back();
  } else {
    CHECK(crossings_.size() + length < std::numeric_limits<int32_t>::max(), "{} crossings",
          crossings_.size());
    flow.path_begin = static_cast<int32_t>(crossings_.size());
    crossings_.resize(crossings_.size() + length);
  }
  return slot;
}

MaxMinSharing::Group MaxMinSharing::NewCapLink(double cap) {
  Group link = 0;
  if (free_caps_.empty()) {
    link = num_groups();
    links_.emplace_back();
  } else {
    link = free_caps_.back();
    free_caps_.pop_back();
  }
  LinkAt(link).capacity = cap;
  return link;
}

MaxMinSharing::Slot MaxMinSharing::Add(double cap, std::span<const Traffic::Crossing> path) {
  CHECK(cap > 0, "a cap of {}", cap);
  const bool is_capped = cap < kUncapped;
  const Slot slot = NewSlot(static_cast<int32_t>(path.size()) + (is_capped ? 1 : 0));
  const Group own = is_capped ? NewCapLink(cap) : 0;
  int32_t at = FlowAt(slot).path_begin;
  for (const Traffic::Crossing& crossing : path) {
    CHECK(crossing.link >= 0 && crossing.link < num_links_ && crossing.count > 0,
          "link {} of {}, crossed {} times", crossing.link, num_links_, crossing.count);
    CrossingAt(at) = {.link = crossing.link, .count = crossing.count};
    Attach(slot, at++);
  }
  if (is_capped) {
    CrossingAt(at) = {.link = own, .count = 1};
    Attach(slot, at);
  }
  FlowAt(slot).state = State::kNew;
  new_flows_.push_back(slot);
  is_solved_ = false;
  return slot;
}

void MaxMinSharing::Remove(Slot slot) {
  Flow& flow = FlowAt(slot);
  CHECK(flow.state == State::kNew || flow.state == State::kClosed, "flow {} is not there", slot);
  for (int32_t at = flow.path_begin; at < flow.path_begin + flow.path_length; ++at) {
    const Crossing& crossing = CrossingAt(at);
    Link& link = LinkAt(crossing.link);
    link.closed_load -= crossing.count * LoadOf(flow);
    ++link.num_updates;
    Detach(at);
    if (link.flows.empty()) {
      link.closed_load = 0.0;
      link.num_updates = 0;
    }
    if (link.num_held > 0) {
      MarkDirty(crossing.link);  // it has room for those that it held back
    } else {
      link.level = kInfinity;
    }
    if (crossing.link >= num_links_) {
      free_caps_.push_back(crossing.link);
    }
  }
  const auto length = static_cast<size_t>(flow.path_length);
  if (free_paths_.size() <= length) {
    free_paths_.resize(length + 1);
  }
  free_paths_[length].push_back(flow.path_begin);
  flow.state = State::kFree;
  free_slots_.push_back(slot);
  is_solved_ = false;
}

void MaxMinSharing::SetCapacity(LinkIndex index, double capacity) {
  CHECK(index >= 0 && index < num_links_ && capacity >= 0, "link {} of {}, capacity {}", index,
        num_links_, capacity);
  Link& link = LinkAt(index);
  link.capacity = capacity;
  if (!link.has_new_capacity) {
    link.has_new_capacity = true;
    new_capacity_.push_back(index);
  }
  is_solved_ = false;
}

MaxMinSharing::Group MaxMinSharing::group(Slot slot) const {
  const int32_t bottleneck = flows_[static_cast<size_t>(slot)].bottleneck;
  return bottleneck < 0 ? -1 : crossings_[static_cast<size_t>(bottleneck)].link;
}

void MaxMinSharing::MarkDirty(Group index) {
  Link& link = LinkAt(index);
  if (!link.is_dirty) {
    link.is_dirty = true;
    dirty_.push_back(index);
  }
}

// The flows of a link: first those it holds back, then the others.

void MaxMinSharing::Attach(Slot flow, int32_t at) {
  Crossing& crossing = CrossingAt(at);
  Link& link = LinkAt(crossing.link);
  crossing.position = static_cast<int32_t>(link.flows.size());
  link.num_crossings += crossing.count;
  link.flows.push_back({.flow = flow, .crossing = at, .count = crossing.count});
}

void MaxMinSharing::Move(Link& link, int32_t from, int32_t to) {
  const Member member = link.flows[static_cast<size_t>(from)];
  link.flows[static_cast<size_t>(to)] = member;
  CrossingAt(member.crossing).position = to;
}

void MaxMinSharing::Exchange(Link& link, int32_t a, int32_t b) {
  if (a != b) {
    const Member member = link.flows[static_cast<size_t>(a)];
    Move(link, b, a);
    link.flows[static_cast<size_t>(b)] = member;
    CrossingAt(member.crossing).position = b;
  }
}

void MaxMinSharing::Detach(int32_t at) {
  const Crossing& crossing = CrossingAt(at);
  Link& link = LinkAt(crossing.link);
  link.num_crossings -= crossing.count;
  int32_t hole = crossing.position;
  if (hole < link.num_held) {
    Move(link, --link.num_held, hole);
    hole = link.num_held;
  }
  if (const auto last = static_cast<int32_t>(link.flows.size()) - 1; hole < last) {
    Move(link, last, hole);
  }
  link.flows.pop_back();
}

// The sweep.

void MaxMinSharing::Touch(Group index) {
  Link& link = LinkAt(index);
  if (!link.is_touched) {
    link.is_touched = true;
    link.key = kInfinity;
    link.ceiling = link.level;
    link.is_level_known = false;
    link.first_open = -1;
    touched_.push_back(index);
  }
  if (!link.awaits_key) {
    link.awaits_key = true;
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
    link.closed_load -= crossing.count * load;
    link.num_open += crossing.count;
    ++link.num_updates;
    if (link.num_open == link.num_crossings) {
      link.closed_load = 0.0;  // exactly
    }
    crossing.next_open = link.first_open;
    link.first_open = at;
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
double MaxMinSharing::KeyOf(const Link& link) const {
  double key = kInfinity;
  if (link.num_open > 0) {
    key = std::max(0.0, (link.capacity - link.closed_load) / static_cast<double>(link.num_open));
  } else if (link.closed_load > link.capacity * (1 + kSameLoad)) {
    key = level_;  // open flows took what flows that are not open yet will have to give
  }
  return link.num_held > 0 && !link.is_level_known ? std::min(key, link.level) : key;
}

// The level, not below that of the sweep, at which the link is full when it holds back whatever is
// faster, as rates stand: sum of min(rate, level) = capacity. Rises to it in few rounds.
double MaxMinSharing::LevelIfFull(const Link& link) const {
  const double room = link.capacity - link.closed_load;
  double level = level_;
  while (true) {
    double sum = room;
    int64_t count = link.num_open;
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
  LinkAt(index).key = key;
  heap_.push_back({.key = key, .link = index});
  ++num_pushes_;
  std::push_heap(heap_.begin(), heap_.end(), kLater);
}

void MaxMinSharing::PushKeys() {
  for (const Group index : awaiting_key_) {
    Link& link = LinkAt(index);
    link.awaits_key = false;
    // A key that rose is found out when its entry comes up.
    if (const double key = KeyOf(link); key < link.key) {
      Push(index, key);
    }
  }
  awaiting_key_.clear();
}

// When no flow is open, most links in the heap wait for nothing: they go at once, unsorted.
void MaxMinSharing::DropIdle() {
  std::erase_if(heap_, [this](const Entry& entry) {
    Link& link = LinkAt(entry.link);
    if (entry.key == link.key && KeyOf(link) == kInfinity) {
      link.key = kInfinity;
    }
    return entry.key != link.key;
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
    link.has_new_capacity = false;
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
    LinkAt(index).is_dirty = false;
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
  if (link.num_held > 0 && !link.is_level_known) {
    link.is_level_known = true;
    const bool is_as_before = link.num_open == 0 && std::abs(link.capacity - link.closed_load) <=
                                                        kSameLoad * link.capacity;
    if (!is_as_before) {
      OpenHeld(link);
      PushKeys();
    }
    return;
  }
  if (level_ < link.ceiling) {
    // Flows that were not opened may be faster than this link lets them be.
    const double full = LevelIfFull(link);
    if (full > level_ * (1 + kSameRate)) {
      Push(index, full);
      return;
    }
    link.ceiling = level_;
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
    link.num_open -= crossing.count;
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
  for (int32_t at = link.first_open; at >= 0;) {
    const Crossing crossing = CrossingAt(at);
    const Slot slot = link.flows[static_cast<size_t>(crossing.position)].flow;
    if (FlowAt(slot).state == State::kOpen) {
      SettleFlow(slot, at);
    }
    at = crossing.next_open;
  }
  link.first_open = -1;
  link.level = link.num_held > 0 ? level_ : kInfinity;
  link.is_level_known = true;
  settled_.push_back(index);
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
        LinkAt(crossing.link).num_open -= crossing.count;
      }
    }
    flow.state = State::kClosed;
  }
  num_opened_ += static_cast<int64_t>(opened_.size());
  for (const Group index : touched_) {
    Link& link = LinkAt(index);
    link.is_touched = false;
    CHECK(link.num_open == 0, "link {} has {} open", index, link.num_open);
    const auto num_flows = static_cast<int64_t>(link.flows.size());
    if (link.num_updates > 256 + 4 * num_flows) {
      // Running sums drift; an exact one now and then costs nothing on average.
      double load = 0.0;
      for (const Member& member : link.flows) {
        load += member.count * LoadOf(FlowAt(member.flow));
      }
      link.closed_load = load;
      link.num_updates = 0;
    }
  }
  touched_.clear();
  is_solved_ = true;
}

void MaxMinSharing::Solve() {
  if (is_solved_) {
    changed_.clear();
    settled_.clear();
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
    Link& link = LinkAt(entry.link);
    if (entry.key != link.key) {
      continue;  // another entry has taken its place
    }
    link.key = kInfinity;
    const double key = KeyOf(link);
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
