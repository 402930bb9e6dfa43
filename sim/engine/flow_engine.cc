#include "sim/engine/flow_engine.h"

#include <algorithm>
#include <array>
#include <vector>

#include <fmt/format.h>

#include "base/check.h"
#include "sim/engine/event_queue.h"
#include "sim/engine/flow_network.h"

namespace ridgeline::engine {
namespace {

// About a millisecond: an event may be cheap or re-solve thousands of flows.
constexpr int64_t kWorkBetweenStopChecks = 8192;

struct TimedStart {
  Picoseconds time = 0;
  FlowIndex flow = 0;
};

// By time; what starts together stays in order. By digits of eleven bits, the lowest first.
void SortByTime(std::vector<TimedStart>& starts) {
  Picoseconds latest = 0;
  for (const TimedStart& start : starts) {
    latest = std::max(latest, start.time);
  }
  constexpr int kBits = 11;
  constexpr auto kMask = (Picoseconds{1} << kBits) - 1;
  std::vector<TimedStart> sorted(starts.size());
  for (int shift = 0; shift < 63 && (latest >> shift) > 0; shift += kBits) {
    std::array<size_t, (size_t{1} << kBits) + 1> at = {};
    for (const TimedStart& start : starts) {
      ++at[static_cast<size_t>((start.time >> shift) & kMask) + 1];
    }
    for (size_t digit = 1; digit < at.size(); ++digit) {
      at[digit] += at[digit - 1];
    }
    for (const TimedStart& start : starts) {
      sorted[at[static_cast<size_t>((start.time >> shift) & kMask)]++] = start;
    }
    starts.swap(sorted);
  }
}

class Execution {
 public:
  Execution(const Traffic& traffic, const Stop& stop)
      : traffic_(traffic),
        stop_(stop),
        num_flows_(static_cast<size_t>(traffic.num_flows())),
        network_(traffic.capacities()) {
    times_.begin.assign(num_flows_, 0);
    times_.end.assign(num_flows_, 0);
  }

  Result<FlowTimes> Go() {
    RETURN_IF_ERROR(stop_.Check());
    if (ReleaseFirst() < traffic_.num_flows()) {
      starts_.Reset(num_flows_);
      FindSuccessors();
    }
    RETURN_IF_ERROR(BeginAllThatIsDue());
    std::vector<FlowNetwork::FlowId> ended;
    while (num_ended_ < traffic_.num_flows()) {
      const Picoseconds next = std::min(network_.NextEnd(), NextStart());
      if (next == FlowNetwork::kNever) {
        return Stuck();
      }
      network_.AdvanceTo(next, ended);
      for (const FlowNetwork::FlowId id : ended) {
        RETURN_IF_ERROR(LookAtStop());
        End(flow_of_[static_cast<size_t>(id)]);
      }
      for (; next_first_ < first_.size() && first_[next_first_].time == next; ++next_first_) {
        RETURN_IF_ERROR(LookAtStop());
        due_.push_back(first_[next_first_].flow);
        FetchAhead();
      }
      while (!starts_.empty() && starts_.NextTime() == next) {
        RETURN_IF_ERROR(LookAtStop());
        due_.push_back(static_cast<FlowIndex>(starts_.Pop().slot));
      }
      RETURN_IF_ERROR(BeginAllThatIsDue());
    }
    return std::move(times_);
  }

 private:
  void FindSuccessors() {
    waits_for_.assign(num_flows_, 0);
    successor_begin_.assign(num_flows_ + 1, 0);
    for (FlowIndex flow = 0; flow < traffic_.num_flows(); ++flow) {
      const auto predecessors = traffic_.predecessors(flow);
      waits_for_[static_cast<size_t>(flow)] = static_cast<int32_t>(predecessors.size());
      for (const FlowIndex before : predecessors) {
        ++successor_begin_[static_cast<size_t>(before) + 1];
      }
    }
    for (size_t flow = 0; flow < num_flows_; ++flow) {
      successor_begin_[flow + 1] += successor_begin_[flow];
    }
    successors_.resize(static_cast<size_t>(successor_begin_[num_flows_]));
    std::vector<int64_t> at(successor_begin_.begin(), successor_begin_.end() - 1);
    for (FlowIndex flow = 0; flow < traffic_.num_flows(); ++flow) {
      for (const FlowIndex before : traffic_.predecessors(flow)) {
        successors_[static_cast<size_t>(at[static_cast<size_t>(before)]++)] = flow;
      }
    }
  }

  Picoseconds NextStart() {
    const Picoseconds first =
        next_first_ < first_.size() ? first_[next_first_].time : FlowNetwork::kNever;
    return starts_.empty() ? first : std::min(first, starts_.NextTime());
  }

  // The flows that wait for no other are put in order once. Returns how many they are.
  int64_t ReleaseFirst() {
    int64_t num_released = 0;
    for (FlowIndex flow = 0; flow < traffic_.num_flows(); ++flow) {
      if (traffic_.predecessors(flow).empty()) {
        ++num_released;
        const FlowSpec& spec = traffic_.flow(flow);
        const Picoseconds begin = AddSaturating(spec.start, spec.delay);
        times_.begin[static_cast<size_t>(flow)] = begin;
        if (begin == 0) {
          due_.push_back(flow);
        } else {
          first_.push_back({.time = begin, .flow = flow});
        }
      }
    }
    SortByTime(first_);
    return num_released;
  }

  // Starts come in an order that no cache foresees, but we do.
  [[gnu::always_inline]] void FetchAhead() const {
    if (const size_t soon = next_first_ + 2; soon < first_.size()) {
      network_.Fetch(traffic_.path(first_[soon].flow));
    }
    if (const size_t later = next_first_ + 6; later < first_.size()) {
      __builtin_prefetch(&traffic_.flow(first_[later].flow));
      __builtin_prefetch(traffic_.path(first_[later].flow).data());
    }
  }

  // Nothing is left for the flow to wait for but its start and delay.
  void Release(FlowIndex flow) {
    const FlowSpec& spec = traffic_.flow(flow);
    const Picoseconds begin = AddSaturating(std::max(spec.start, network_.now()), spec.delay);
    times_.begin[static_cast<size_t>(flow)] = begin;
    if (begin == network_.now()) {
      due_.push_back(flow);
    } else {
      starts_.Schedule(static_cast<uint32_t>(flow), begin);
    }
  }

  // A flow of no bytes ends at once and may release others: the list grows while it is read.
  Status BeginAllThatIsDue() {
    for (size_t i = 0; i < due_.size(); ++i) {
      RETURN_IF_ERROR(LookAtStop());
      const FlowIndex flow = due_[i];
      const FlowSpec& spec = traffic_.flow(flow);
      if (spec.bytes == 0) {
        End(flow);
        continue;
      }
      const auto id =
          static_cast<size_t>(network_.Start(spec.bytes, spec.cap, traffic_.path(flow)));
      if (flow_of_.size() <= id) {
        flow_of_.resize(id + 1);
      }
      flow_of_[id] = flow;
    }
    due_.clear();
    return {};
  }

  void End(FlowIndex flow) {
    const auto i = static_cast<size_t>(flow);
    times_.end[i] = network_.now();
    times_.makespan = network_.now();  // the clock never goes back
    ++num_ended_;
    if (successors_.empty()) {
      return;
    }
    for (int64_t s = successor_begin_[i]; s < successor_begin_[i + 1]; ++s) {
      const FlowIndex after = successors_[static_cast<size_t>(s)];
      if (--waits_for_[static_cast<size_t>(after)] == 0) {
        Release(after);
      }
    }
  }

  Status LookAtStop() {
    const int64_t work = ++num_steps_ + network_.sharing().num_opened();
    if (work < next_stop_check_) {
      return {};
    }
    next_stop_check_ = work + kWorkBetweenStopChecks;
    return stop_.Check();
  }

  tl::unexpected<Error> Stuck() const {
    return Fail({.code = ErrorCode::kFailedPrecondition,
                 .message = fmt::format("traffic never ends: {} of {} flows stand still on links "
                                        "without capacity, or are too slow for the clock",
                                        traffic_.num_flows() - num_ended_, traffic_.num_flows()),
                 .hint = "route around links that are down"});
  }

  const Traffic& traffic_;
  const Stop& stop_;
  size_t num_flows_;
  FlowNetwork network_;
  std::vector<TimedStart> first_;  // that wait for no other flow
  size_t next_first_ = 0;
  EventQueue starts_;  // by flow: of those that waited for others, and wait for nothing but time
  FlowTimes times_;
  std::vector<FlowIndex> due_;      // begin at this instant
  std::vector<FlowIndex> flow_of_;  // by FlowId
  std::vector<int32_t> waits_for_;  // predecessors that have not ended
  std::vector<int64_t> successor_begin_;
  std::vector<FlowIndex> successors_;
  int64_t num_ended_ = 0;
  int64_t num_steps_ = 0;
  int64_t next_stop_check_ = 0;
};

}  // namespace

Result<FlowTimes> FlowEngine::Run(const Traffic& traffic, const Stop& stop) const {
  if (traffic.num_flows() > static_cast<int64_t>(EventQueue::kMaxSlots)) {
    return Fail({.code = ErrorCode::kOutOfRange,
                 .message = fmt::format("more than 2^24 flows: {}", traffic.num_flows()),
                 .hint = "merge equal flows by multiplicity"});
  }
  return Execution(traffic, stop).Go();
}

}  // namespace ridgeline::engine
