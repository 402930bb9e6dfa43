#include "sim/engine/event_engine.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"

namespace ridgeline::engine {
namespace {

constexpr StreamIndex kNobody = 0x7fffffff;  // no stream waits for the task

// What Timeline::end holds of a task that has not ended: a negative number made of the task that
// follows on its stream and the first of the streams that wait for it. Nothing else is kept a task.
constexpr Picoseconds NotEnded(StreamIndex waiting, TaskIndex next) {
  return INT64_MIN | (static_cast<int64_t>(waiting) << 32) | next;
}
constexpr bool HasEnded(Picoseconds end) { return end >= 0; }
constexpr StreamIndex WaitingOf(Picoseconds end) {
  return static_cast<StreamIndex>(static_cast<uint64_t>(end) >> 32) & kNobody;
}
constexpr TaskIndex NextOf(Picoseconds end) { return static_cast<TaskIndex>(end); }

constexpr uint64_t kFullRate = uint64_t{1} << 32;
constexpr uint64_t kEventsBetweenStopChecks = 1024;

uint64_t FixedPointRate(double rate, TaskIndex task) {
  CHECK(rate > 0.0 && rate <= 1.0, "task {} at rate {}", task, rate);
  // At least one part in 2^32: a task that crawls still ends.
  return std::max<uint64_t>(1, static_cast<uint64_t>(std::llround(rate * 0x1p32)));
}

}  // namespace

// One run. kWithRates is a template parameter, not a branch an event: most runs have no RateModel.
class EventEngine::Execution {
 public:
  Execution(EventEngine& engine, const Program& program, const EventOptions& options,
            Timeline& timeline)
      : e_(engine),
        program_(program),
        options_(options),
        dependencies_(program.all_dependencies().data()),
        dependency_begin_(program.dependency_begin().data()),
        durations_(program.durations().data()),
        begin_(timeline.begin.data()),
        end_(timeline.end.data()) {}

  void Prepare() {
    const size_t num_tasks = program_.num_tasks();
    const size_t num_streams = program_.num_streams();
    CHECK(num_streams <= EventQueue::kMaxSlots, "{} streams", num_streams);
    e_.queue_.Reset(num_streams);
    e_.streams_.assign(num_streams, {});
    const std::span<const StreamIndex> task_streams = program_.task_streams();
    // From the last task to the first, so that what each stream begins with is left at the end.
    for (size_t i = num_tasks; i > 0; --i) {
      StreamState& stream = e_.streams_[task_streams[i - 1]];
      end_[i - 1] = NotEnded(kNobody, stream.task);
      stream.task = static_cast<TaskIndex>(i - 1);
    }
    if (options_.rates != nullptr) {
      PrepareRanks();
    }
  }

  template <bool kWithRates>
  Status Go() {
    RETURN_IF_ERROR(options_.stop.Check());
    for (StreamIndex stream = 0; stream < e_.streams_.size(); ++stream) {
      if (e_.streams_[stream].task != kNoTask) {
        e_.streams_[stream].dependency = dependency_begin_[e_.streams_[stream].task];
        TryBegin<kWithRates>(stream);
      }
    }
    if constexpr (kWithRates) {
      UpdateRates();
    }
    while (!e_.queue_.empty()) {
      const Event event = e_.queue_.Pop();
      if (++e_.num_events_ % kEventsBetweenStopChecks == 0) {
        RETURN_IF_ERROR(options_.stop.Check());
      }
      Complete<kWithRates>(event.slot);
      if constexpr (kWithRates) {
        // Once an instant, when all that happens at it has happened. New events may be at it too.
        if (!e_.dirty_ranks_.empty() &&
            (e_.queue_.empty() || e_.queue_.NextTime() > e_.queue_.now())) {
          UpdateRates();
        }
      }
    }
    CHECK(num_done_ == program_.num_tasks(), "{} of {} tasks done", num_done_,
          program_.num_tasks());
    if constexpr (!kWithRates) {
      // In one pass here rather than one cache miss an event there.
      for (size_t task = 0; task < program_.num_tasks(); ++task) {
        begin_[task] = end_[task] - durations_[task];
      }
    }
    return {};
  }

 private:
  // Begins the stream's task if all it depends on is done, else leaves the stream waiting for the
  // first dependency that is not.
  template <bool kWithRates>
  void TryBegin(StreamIndex stream) {
    StreamState& state = e_.streams_[stream];
    const TaskIndex task = state.task;
    const uint32_t last = dependency_begin_[task + 1];
    for (; state.dependency < last; ++state.dependency) {
      Picoseconds& end = end_[dependencies_[state.dependency]];
      if (!HasEnded(end)) {
        state.next_waiting = WaitingOf(end);
        end = NotEnded(stream, NextOf(end));
        return;
      }
    }
    const Picoseconds now = e_.queue_.now();
    if constexpr (kWithRates) {
      begin_[task] = now;
    }
    if (options_.observer != nullptr) {
      options_.observer->OnBegin(task, now);
    }
    if constexpr (kWithRates) {
      if (durations_[task] > 0) {
        WorkState& work = e_.work_[stream];
        work.left = Work{static_cast<uint64_t>(durations_[task])} << 32;
        work.since = now;
        work.rate = 0;
        is_running_[stream] = true;
        MarkDirty(work.rank_position);
        return;  // UpdateRates gives it a rate and schedules its end
      }
    }
    e_.queue_.Schedule(stream, AddChecked(now, durations_[task]));
    PrefetchSuccessor(task);
  }

  // What the stream's next task will look at when this one ends: by then it is in the cache.
  void PrefetchSuccessor(TaskIndex task) {
    const TaskIndex next = NextOf(end_[task]);
    if (next != kNoTask) {
      __builtin_prefetch(durations_ + next);
      const uint32_t first = dependency_begin_[next];
      const uint32_t last = std::min(dependency_begin_[next + 1], first + 4);
      for (uint32_t d = first; d < last; ++d) {
        __builtin_prefetch(end_ + dependencies_[d]);
      }
    }
  }

  template <bool kWithRates>
  void Complete(StreamIndex stream) {
    StreamState& state = e_.streams_[stream];
    const TaskIndex task = state.task;
    const Picoseconds now = e_.queue_.now();
    const TaskIndex next = NextOf(end_[task]);
    StreamIndex waiting = WaitingOf(end_[task]);
    end_[task] = now;
    ++num_done_;
    if (options_.observer != nullptr) {
      options_.observer->OnEnd(task, now);
    }
    if constexpr (kWithRates) {
      if (is_running_[stream]) {
        is_running_[stream] = false;
        MarkDirty(e_.work_[stream].rank_position);
      }
    }
    state.task = next;
    if (next != kNoTask) {
      state.dependency = dependency_begin_[next];
      TryBegin<kWithRates>(stream);
    }
    while (waiting != kNobody) {
      const StreamIndex following = e_.streams_[waiting].next_waiting;
      ++e_.streams_[waiting].dependency;
      TryBegin<kWithRates>(waiting);
      waiting = following;
    }
  }

  void PrepareRanks() {
    const std::vector<Stream>& streams = program_.streams();
    e_.work_.assign(streams.size(), {});
    is_running_.assign(streams.size(), false);
    e_.by_rank_.resize(streams.size());
    std::iota(e_.by_rank_.begin(), e_.by_rank_.end(), StreamIndex{0});
    std::stable_sort(e_.by_rank_.begin(), e_.by_rank_.end(), [&](StreamIndex a, StreamIndex b) {
      return streams[a].rank < streams[b].rank;
    });
    e_.rank_begin_.clear();
    for (uint32_t i = 0; i < e_.by_rank_.size(); ++i) {
      if (i == 0 || streams[e_.by_rank_[i]].rank != streams[e_.by_rank_[i - 1]].rank) {
        e_.rank_begin_.push_back(i);
      }
      e_.work_[e_.by_rank_[i]].rank_position = static_cast<uint32_t>(e_.rank_begin_.size() - 1);
    }
    e_.is_dirty_.assign(e_.rank_begin_.size(), false);
    e_.rank_begin_.push_back(static_cast<uint32_t>(e_.by_rank_.size()));
    e_.dirty_ranks_.clear();
  }

  void MarkDirty(uint32_t rank_position) {
    if (!e_.is_dirty_[rank_position]) {
      e_.is_dirty_[rank_position] = true;
      e_.dirty_ranks_.push_back(rank_position);
    }
  }

  // Asks the model about every rank whose running set changed at this instant.
  void UpdateRates() {
    for (const uint32_t rank_position : e_.dirty_ranks_) {
      e_.is_dirty_[rank_position] = false;
      e_.running_streams_.clear();
      e_.running_.clear();
      for (uint32_t i = e_.rank_begin_[rank_position]; i < e_.rank_begin_[rank_position + 1]; ++i) {
        const StreamIndex stream = e_.by_rank_[i];
        if (is_running_[stream]) {
          e_.running_streams_.push_back(stream);
          e_.running_.push_back(e_.streams_[stream].task);
        }
      }
      if (e_.running_.empty()) {
        continue;
      }
      e_.rates_.assign(e_.running_.size(), 1.0);
      options_.rates->SetRates(program_.streams()[e_.running_streams_[0]].rank, e_.running_,
                               e_.rates_);
      for (size_t i = 0; i < e_.running_.size(); ++i) {
        SetRate(e_.running_streams_[i], FixedPointRate(e_.rates_[i], e_.running_[i]));
      }
    }
    e_.dirty_ranks_.clear();
  }

  // Books the work done so far and moves the end to where the new rate puts it. A rate that stays
  // leaves the event where it is.
  void SetRate(StreamIndex stream, uint64_t rate) {
    WorkState& work = e_.work_[stream];
    if (work.rate == rate) {
      return;
    }
    const Picoseconds now = e_.queue_.now();
    // Never more than is left: the task's end, rounded up, would have come first.
    work.left -= Work{static_cast<uint64_t>(now - work.since)} * work.rate;
    work.since = now;
    work.rate = rate;
    const Work span =
        rate == kFullRate ? (work.left + (kFullRate - 1)) >> 32 : (work.left + (rate - 1)) / rate;
    CHECK(span <= static_cast<Work>(INT64_MAX), "task {} does not end on this clock",
          e_.streams_[stream].task);
    e_.queue_.Schedule(stream, AddChecked(now, static_cast<Picoseconds>(span)));
    if (options_.observer != nullptr) {
      options_.observer->OnCounter(stream, now, static_cast<double>(rate) * 0x1p-32);
    }
  }

  EventEngine& e_;
  const Program& program_;
  const EventOptions& options_;
  const TaskIndex* const dependencies_;
  const uint32_t* const dependency_begin_;
  const Picoseconds* const durations_;
  Picoseconds* const begin_;
  Picoseconds* const end_;
  std::vector<bool> is_running_;
  uint64_t num_done_ = 0;
};

Status EventEngine::Run(const Program& program, const EventOptions& options, Timeline& timeline) {
  timeline.begin.resize(program.num_tasks());
  timeline.end.resize(program.num_tasks());
  timeline.makespan = 0;
  num_events_ = 0;
  Execution execution(*this, program, options, timeline);
  execution.Prepare();
  if (options.rates != nullptr) {
    RETURN_IF_ERROR(execution.Go<true>());
  } else {
    RETURN_IF_ERROR(execution.Go<false>());
  }
  timeline.makespan = queue_.now();  // the last event is the end of the last task
  return {};
}

Result<Timeline> ExecuteEvents(const Program& program, const EventOptions& options) {
  Timeline timeline;
  RETURN_IF_ERROR(EventEngine().Run(program, options, timeline));
  return timeline;
}

}  // namespace ridgeline::engine
