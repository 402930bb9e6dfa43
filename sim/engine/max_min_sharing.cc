#include "sim/engine/max_min_sharing.h"

#include <limits>

#include "base/check.h"

namespace ridgeline::engine {

MaxMinSharing::MaxMinSharing(std::span<const double> capacities)
    : links_(capacities.size()),
      sweep_(capacities.size()),
      num_links_(static_cast<LinkIndex>(capacities.size())) {
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
    sweep_.emplace_back();
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
    const Link& link = LinkAt(crossing.link);
    if (!link.flows.empty() && link.flows.back().flow == slot) {
      FlowAt(slot).crosses_twice = true;
    }
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
  LinkAt(index).capacity = capacity;
  if (InSweep& sweep = SweepAt(index); !sweep.has_new_capacity) {
    sweep.has_new_capacity = true;
    new_capacity_.push_back(index);
  }
  is_solved_ = false;
}

MaxMinSharing::Group MaxMinSharing::group(Slot slot) const {
  const int32_t bottleneck = flows_[static_cast<size_t>(slot)].bottleneck;
  return bottleneck < 0 ? -1 : crossings_[static_cast<size_t>(bottleneck)].link;
}

void MaxMinSharing::MarkDirty(Group index) {
  if (InSweep& sweep = SweepAt(index); !sweep.is_dirty) {
    sweep.is_dirty = true;
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

}  // namespace ridgeline::engine
