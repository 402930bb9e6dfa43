/// Max-min fair rates of flows over links, kept up to date as flows come, go, and links change.
///
/// A flow takes rate r (of one member, see traffic.h) and loads link l with count(f, l) * r; no
/// link carries more than its capacity. The rates are the fair ones: no flow can go faster without
/// one that is no faster going slower. Equivalently, every flow is at its cap or crosses a full
/// link, its *bottleneck*, on which no flow is faster (Bertsekas and Gallager, Data Networks,
/// 6.5.2).
///
/// A change is followed, not re-solved. Each full link has a *level*, the rate of the flows that it
/// holds back, and a level depends on nothing but lower levels. So one sweep from low levels to
/// high, with a heap of the links in question, settles each link once: progressive filling over the
/// flows whose rate may change (*open* flows), the others staying where they are. A flow is opened
/// only when the sweep reaches its bottleneck and finds the load of that link altered, or when a
/// link fills up below the flow's rate: hardly any flow is opened that keeps its rate.
///
/// Cost of a Solve: each opened flow's path twice, a heap operation or two for each link on it, and
/// a look at every flow of a link that fills up. Not the connected component. From nothing (all
/// flows new) it is plain progressive filling. At worst, n flows with ends of their own on one
/// link, every change alters all rates: n^2.
///
/// A flow that comes alone to links that hold nothing back takes what its narrowest link has left;
/// one that goes and leaves no such link behind changes nothing: neither takes a sweep.
///
/// A cap is a link of the flow's own.
///
/// Rates are doubles. Loads are kept as running sums and summed afresh after every so many changes;
/// a rate that would change by less than one part in 2^46 stays. So rates may depend on history by
/// about 1e-13, relative to the capacities on the path. Same calls in the same order: same bits.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "sim/engine/short_list.h"
#include "sim/engine/traffic.h"

namespace ridgeline::engine {

class MaxMinSharing {
 public:
  using Slot = int32_t;   // of a running flow; used again when it is gone
  using Group = int32_t;  // a link, or a flow's own cap: flows held back by the same one

  /// A flow at a link.
  struct Member {
    Slot flow = 0;
    int32_t crossing = 0;
    int32_t count = 0;
  };

  /// Capacities are at least 0; an infinite one never binds.
  explicit MaxMinSharing(std::span<const double> capacities);

  /// Takes part from the next Solve on. `cap` > 0.
  Slot Add(double cap, std::span<const Traffic::Crossing> path);
  void Remove(Slot flow);
  void SetCapacity(LinkIndex link, double capacity);
  double capacity(LinkIndex link) const { return links_[static_cast<size_t>(link)].capacity; }

  /// Brings rates up to date with all that was said since the last time.
  void Solve();
  bool is_solved() const { return is_solved_; }

  /// As of the last Solve. Infinite for a flow that nothing holds back.
  double rate(Slot flow) const { return std::max(0.0, flows_[static_cast<size_t>(flow)].rate); }
  /// What holds the flow back, or -1.
  Group group(Slot flow) const;
  /// Flows to which the last Solve gave another rate, new ones included.
  std::span<const Slot> changed() const { return changed_; }
  /// Groups whose members the last Solve chose anew. A group that only lost members is not named.
  std::span<const Group> settled() const { return settled_; }
  /// Flows that this link or cap holds back, all at one rate. Valid until the next change.
  std::span<const Member> members(Group group) const {
    const Link& link = links_[static_cast<size_t>(group)];
    return {link.flows.data(), static_cast<size_t>(link.num_held)};
  }
  /// Brings the links of a path into the cache. Always inline: the compiler takes a call that only
  /// fetches for one without effect, and drops it.
  [[gnu::always_inline]] void Fetch(std::span<const Traffic::Crossing> path) const {
    for (const Traffic::Crossing& crossing : path) {
      __builtin_prefetch(&links_[static_cast<size_t>(crossing.link)]);
    }
  }
  /// The same for a flow that is about to be removed, and for a group to be looked at.
  [[gnu::always_inline]] void FetchPathOf(Slot slot) const {
    const Flow& flow = flows_[static_cast<size_t>(slot)];
    for (int32_t at = flow.path_begin; at < flow.path_begin + flow.path_length; ++at) {
      FetchGroup(crossings_[static_cast<size_t>(at)].link);
    }
  }
  [[gnu::always_inline]] void FetchGroup(Group group) const {
    __builtin_prefetch(&links_[static_cast<size_t>(group)]);
  }
  /// Links and caps so far: groups are below it.
  Group num_groups() const { return static_cast<Group>(links_.size()); }
  /// Flows that the sweeps so far have opened: what they cost.
  int64_t num_opened() const { return num_opened_; }

 private:
  static constexpr double kInfinity = std::numeric_limits<double>::infinity();
  static constexpr double kNoRate = -1.0;  // never solved
  enum class State : int8_t { kFree, kNew, kClosed, kOpen, kSettled };

  struct Flow {
    double rate = kNoRate;
    int32_t path_begin = 0;  // into crossings_
    int32_t path_length = 0;
    int32_t bottleneck = -1;  // crossing at which it is held back
    State state = State::kFree;
    bool crosses_twice = false;  // the same link, in two crossings
  };
  struct Crossing {
    LinkIndex link = 0;
    int32_t count = 0;
    int32_t position = 0;   // in the link's flows
    int32_t next_open = 0;  // the next in the link's list of opened ones
  };
  // One cache line, all that adding and removing a flow needs.
  struct alignas(64) Link {
    double capacity = 0.0;
    double closed_load = 0.0;   // of the flows that are not open
    double level = kInfinity;   // of those it holds back; infinite when there are none
    int64_t num_crossings = 0;  // counts of all flows
    int32_t num_held = 0;       // flows[0, num_held) are held back here
    int32_t num_updates = 0;    // of closed_load since it was summed
    ShortList<Member, 1> flows;
  };
  // What else the sweep keeps of a link.
  struct InSweep {
    double key = kInfinity;   // of its valid entry in the heap
    double ceiling = 0.0;     // no flow closed before the sweep is faster
    int64_t num_open = 0;     // counts of open flows
    int32_t first_open = -1;  // crossings opened in this sweep, some perhaps settled
    bool is_touched = false;  // in this sweep
    bool awaits_key = false;
    bool is_level_known : 1 = false;  // in this sweep: nothing is to happen at `level` any more
    bool is_dirty : 1 = false;
    bool has_new_capacity : 1 = false;
  };
  static_assert(sizeof(Link) == 64 && sizeof(InSweep) == 32);
  struct Entry {
    double key;
    Group link;
  };

  Link& LinkAt(Group link) { return links_[static_cast<size_t>(link)]; }
  InSweep& SweepAt(Group link) { return sweep_[static_cast<size_t>(link)]; }
  Flow& FlowAt(Slot flow) { return flows_[static_cast<size_t>(flow)]; }
  Crossing& CrossingAt(int32_t crossing) { return crossings_[static_cast<size_t>(crossing)]; }
  std::span<Crossing> PathOf(const Flow& flow) {
    return {crossings_.data() + flow.path_begin, static_cast<size_t>(flow.path_length)};
  }

  Slot NewSlot(int32_t path_length);
  Group NewCapLink(double cap);
  /// What the flow adds to a load for each count; 0 for one that nothing holds back.
  static double LoadOf(const Flow& flow) {
    return flow.rate > 0 && flow.rate < kInfinity ? flow.rate : 0.0;
  }
  void Attach(Slot flow, int32_t crossing);
  void Detach(int32_t crossing);
  void Move(Link& link, int32_t from, int32_t to);
  void Exchange(Link& link, int32_t a, int32_t b);
  void MarkDirty(Group link);

  bool SettleAlone();
  void SumIfDue(Link& link);
  void BeginSweep();
  void Touch(Group link);
  void Open(Slot flow);
  void OpenHeld(Link& link);
  bool OpenFasterThan(Link& link, double level);
  double KeyOf(const Link& link, const InSweep& sweep) const;
  double LevelIfFull(const Link& link, const InSweep& sweep) const;
  void PushKeys();
  void Push(Group link, double key);
  void DropIdle();
  void Reach(Group link);
  void SettleLink(Group link);
  void SettleFlow(Slot flow, int32_t crossing);
  void EndSweep();

  std::vector<Flow> flows_;
  std::vector<Crossing> crossings_;
  std::vector<Link> links_;
  std::vector<InSweep> sweep_;  // by link
  LinkIndex num_links_ = 0;

  std::vector<Slot> free_slots_;
  std::vector<std::vector<int32_t>> free_paths_;  // by length
  std::vector<Group> free_caps_;

  // Since the last Solve.
  bool is_solved_ = true;
  std::vector<Slot> new_flows_;
  std::vector<Group> dirty_;
  std::vector<Group> new_capacity_;

  // Of the sweep.
  double level_ = 0.0;  // where it stands
  std::vector<Entry> heap_;
  size_t num_pushes_ = 0;  // since DropIdle
  int64_t num_open_flows_ = 0;
  std::vector<Group> touched_;
  std::vector<Group> awaiting_key_;
  std::vector<Slot> opened_;
  std::vector<Slot> changed_;
  std::vector<Group> settled_;
  int64_t num_opened_ = 0;
};

}  // namespace ridgeline::engine
