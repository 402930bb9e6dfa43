#include "sim/training/time_breakdown.h"

#include <algorithm>

namespace ridgeline::training {
namespace {

using engine::Picoseconds;
using engine::TaskIndex;

constexpr TaskIndex kNoTask = ~TaskIndex{0};

Cause CauseOf(const StepProgram& step, TaskIndex task) {
  return static_cast<Cause>(step.program.labels()[step.program.task_labels()[task]].cause);
}

bool IsInsidePass(Cause cause) {
  return cause == Cause::kTensorParallel || cause == Cause::kContextParallel ||
         cause == Cause::kExpertParallel;
}

/// A transfer that a compute stream waits for, and the task that makes it.
struct Transfer {
  Picoseconds begin;
  Picoseconds end;
  Cause cause;
  TaskIndex task;
};

/// Books the waits of one step's compute streams.
class WaitBook {
 public:
  WaitBook(const StepProgram& step, const engine::Timeline& timeline)
      : step_(&step), timeline_(&timeline) {}

  /// Books [begin, end) of a stream that waits for `tasks`; `waiting`, if any, then begins. A
  /// pass's own collectives are links of its chain as its operations are: each is booked whole, and
  /// what lies before it as its own wait. `beside`: a collective that `waiting` runs beside; it
  /// counts for what it would outlast `waiting` by.
  void Book(std::span<const TaskIndex> tasks, TaskIndex waiting, TaskIndex beside,
            Picoseconds begin, Picoseconds end, CauseTimes& times) const {
    std::vector<Transfer> links;
    for (const TaskIndex task : tasks) {
      if (IsInsidePass(CauseOf(*step_, task))) {
        Add(links, task, timeline_->end[task], begin, end);
      }
    }
    if (beside != kNoTask) {
      const Picoseconds outlasts = Span(beside) - Span(waiting);
      Add(links, beside, timeline_->begin[beside] + outlasts, begin, end);
    }
    Sort(links);
    Picoseconds booked = begin;
    for (const Transfer& link : links) {
      if (link.end <= booked) {
        continue;
      }
      const Picoseconds from = std::max(booked, link.begin);
      BookWait(step_->program.dependencies(link.task), link.task, booked, from, times);
      times[link.cause] += link.end - from;
      booked = link.end;
    }
    BookWait(tasks, waiting, booked, end, times);
  }

 private:
  Picoseconds Span(TaskIndex task) const { return timeline_->end[task] - timeline_->begin[task]; }

  void Add(std::vector<Transfer>& transfers, TaskIndex task, Picoseconds until, Picoseconds begin,
           Picoseconds end) const {
    const Transfer transfer = {std::max(begin, timeline_->begin[task]), std::min(end, until),
                               CauseOf(*step_, task), task};
    if (transfer.begin < transfer.end) {
      transfers.push_back(transfer);
    }
  }
  static void Sort(std::vector<Transfer>& transfers) {
    std::sort(transfers.begin(), transfers.end(), [](const Transfer& a, const Transfer& b) {
      return a.begin != b.begin ? a.begin < b.begin : a.cause < b.cause;
    });
  }

  /// [begin, end) under the cause of each transfer between ranks in `tasks` while it ran; under the
  /// host what a transfer, or `waiting`, then still waited for its host and for nothing else;
  /// bubble otherwise.
  void BookWait(std::span<const TaskIndex> tasks, TaskIndex waiting, Picoseconds begin,
                Picoseconds end, CauseTimes& times) const {
    if (begin >= end) {
      return;
    }
    std::vector<Transfer> transfers;
    for (const TaskIndex task : tasks) {
      const Cause cause = CauseOf(*step_, task);
      if (cause == Cause::kPipelineParallel || cause == Cause::kDataParallel) {
        Add(transfers, task, timeline_->end[task], begin, end);
      }
    }
    Sort(transfers);
    Picoseconds booked = begin;
    for (const Transfer& transfer : transfers) {
      if (transfer.end <= booked) {
        continue;
      }
      const Picoseconds from = std::max(booked, transfer.begin);
      BookIdle(transfer.task, booked, from, times);
      times[transfer.cause] += transfer.end - from;
      booked = transfer.end;
    }
    BookIdle(waiting, booked, end, times);
  }

  /// [begin, end) passes until `next` begins, if there is one.
  void BookIdle(TaskIndex next, Picoseconds begin, Picoseconds end, CauseTimes& times) const {
    Picoseconds host_from = end;
    if (next != kNoTask && begin < end) {
      Picoseconds others = begin;
      bool waits_for_host = false;
      for (const TaskIndex task : step_->program.dependencies(next)) {
        if (CauseOf(*step_, task) == Cause::kHost) {
          waits_for_host = waits_for_host || timeline_->end[task] == end;
        } else {
          others = std::max(others, timeline_->end[task]);
        }
      }
      host_from = waits_for_host ? std::min(others, end) : end;
    }
    times[Cause::kBubble] += host_from - begin;
    times[Cause::kHost] += end - host_from;
  }

  const StepProgram* step_;
  const engine::Timeline* timeline_;
};

}  // namespace

std::vector<CauseTimes> BookTime(const StepProgram& step, const engine::Timeline& timeline,
                                 Bound bound) {
  const engine::Program& program = step.program;
  std::vector<int> rank_of_stream(program.num_streams(), -1);
  for (size_t rank = 0; rank < step.compute_streams.size(); ++rank) {
    rank_of_stream[step.compute_streams[rank]] = static_cast<int>(rank);
  }
  std::vector<CauseTimes> times(step.compute_streams.size());
  std::vector<Picoseconds> busy_until(step.compute_streams.size(), 0);
  const WaitBook book(step, timeline);
  size_t next_beside = 0;
  for (TaskIndex task = 0; task < program.num_tasks(); ++task) {
    const int rank_index = rank_of_stream[program.task_streams()[task]];
    if (rank_index < 0) {
      continue;
    }
    const auto rank = static_cast<size_t>(rank_index);
    TaskIndex beside = kNoTask;
    if (next_beside < step.beside.size() && step.beside[next_beside].first == task) {
      beside = step.beside[next_beside++].second;
    }
    if (timeline.begin[task] > busy_until[rank]) {
      book.Book(program.dependencies(task), task, beside, busy_until[rank], timeline.begin[task],
                times[rank]);
    }
    times[rank] += step.label_causes[program.task_labels()[task]].at[static_cast<size_t>(bound)];
    busy_until[rank] = timeline.end[task];
  }
  for (size_t rank = 0; rank < times.size(); ++rank) {
    book.Book(step.trailing[rank], kNoTask, kNoTask, busy_until[rank], timeline.makespan,
              times[rank]);
  }
  return times;
}

}  // namespace ridgeline::training
