#include "sim/training/time_breakdown.h"

#include <algorithm>

namespace ridgeline::training {
namespace {

using engine::Picoseconds;
using engine::TaskIndex;

/// Books [begin, end) of a waiting compute stream: under the cause of each transfer in `tasks`
/// while it ran, bubble otherwise.
void BookWait(const StepProgram& step, const engine::Timeline& timeline,
              std::span<const TaskIndex> tasks, Picoseconds begin, Picoseconds end,
              CauseTimes& times) {
  struct Transfer {
    Picoseconds begin;
    Picoseconds end;
    Cause cause;
  };
  std::vector<Transfer> transfers;
  for (const TaskIndex task : tasks) {
    const engine::Label& label = step.program.labels()[step.program.task_labels()[task]];
    const auto cause = static_cast<Cause>(label.cause);
    const bool is_transfer = cause == Cause::kTensorParallel || cause == Cause::kExpertParallel ||
                             cause == Cause::kPipelineParallel || cause == Cause::kDataParallel;
    const Transfer transfer = {std::max(begin, timeline.begin[task]),
                               std::min(end, timeline.end[task]), cause};
    if (is_transfer && transfer.begin < transfer.end) {
      transfers.push_back(transfer);
    }
  }
  std::sort(transfers.begin(), transfers.end(), [](const Transfer& a, const Transfer& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.cause < b.cause;
  });
  Picoseconds booked = begin;
  for (const Transfer& transfer : transfers) {
    if (transfer.end <= booked) {
      continue;
    }
    const Picoseconds from = std::max(booked, transfer.begin);
    times[Cause::kBubble] += from - booked;
    times[transfer.cause] += transfer.end - from;
    booked = transfer.end;
  }
  times[Cause::kBubble] += end - booked;
}

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
  for (TaskIndex task = 0; task < program.num_tasks(); ++task) {
    const int rank_index = rank_of_stream[program.task_streams()[task]];
    if (rank_index < 0) {
      continue;
    }
    const auto rank = static_cast<size_t>(rank_index);
    if (timeline.begin[task] > busy_until[rank]) {
      BookWait(step, timeline, program.dependencies(task), busy_until[rank], timeline.begin[task],
               times[rank]);
    }
    times[rank] += step.label_causes[program.task_labels()[task]].at[static_cast<size_t>(bound)];
    busy_until[rank] = timeline.end[task];
  }
  for (size_t rank = 0; rank < times.size(); ++rank) {
    BookWait(step, timeline, step.trailing[rank], busy_until[rank], timeline.makespan, times[rank]);
  }
  return times;
}

}  // namespace ridgeline::training
