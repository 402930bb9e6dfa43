#include "sim/training/step_trace.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "sim/engine/static_sweep.h"
#include "sim/trace/chrome_trace.h"

namespace ridgeline::training {
namespace {

/// Tasks that a slice an operation would make.
size_t CountOperations(const sim::TrainingScenario& training, const StageCosts& stages) {
  size_t steps = 0;
  for (const ChunkCosts& chunk : stages.chunks) {
    for (const size_t layer : chunk.layers) {
      steps +=
          stages.layers[layer].forward.steps.size() + stages.layers[layer].backward.steps.size();
    }
  }
  return steps * static_cast<size_t>(training.micro_batches);
}

void WriteMemory(const StepProgram& step, const engine::Timeline& timeline,
                 const std::vector<MemoryUse>& memory, trace::ChromeTrace& trace) {
  struct Change {
    engine::Picoseconds at;
    uint32_t rank;
    double bytes;
    engine::TaskIndex task;
  };
  std::vector<Change> changes;
  for (const MemoryChange& change : step.memory_changes) {
    changes.push_back({change.at_end ? timeline.end[change.task] : timeline.begin[change.task],
                       change.rank, change.bytes, change.task});
  }
  std::stable_sort(changes.begin(), changes.end(),
                   [](const Change& a, const Change& b) { return a.at < b.at; });
  constexpr std::string_view kAllocated = "memory allocated (bytes)";
  struct Held {
    double bytes = 0.0;
    double fullest = 0.0;
    Change at_fullest = {};
  };
  std::vector<Held> held(memory.size());
  for (uint32_t rank = 0; rank < memory.size(); ++rank) {
    const MemoryUse& use = memory[rank];
    const int64_t process = trace::ProcessOf(rank);
    held[rank].bytes = (use.weights + use.gradients + use.optimizer).base();
    // What stays as it is through the step, level by level.
    trace.Counter(process, "memory: weights (bytes)", 0, use.weights.base());
    trace.Counter(process, "memory: gradients (bytes)", 0, use.gradients.base());
    trace.Counter(process, "memory: optimizer states (bytes)", 0, use.optimizer.base());
    trace.Counter(process, kAllocated, 0, held[rank].bytes);
  }
  for (const Change& change : changes) {
    Held& rank = held[change.rank];
    rank.bytes += change.bytes;
    if (rank.bytes > rank.fullest) {
      rank.fullest = rank.bytes;
      rank.at_fullest = change;
    }
    trace.Counter(trace::ProcessOf(change.rank), kAllocated, change.at, rank.bytes);
  }
  for (uint32_t rank = 0; rank < held.size(); ++rank) {
    if (held[rank].fullest > 0.0) {
      const Change& change = held[rank].at_fullest;
      const std::string& task = step.program.labels()[step.program.task_labels()[change.task]].name;
      trace.Mark(trace::ProcessOf(rank), "memory peak", change.at,
                 std::vector<trace::Argument>{{"allocated (bytes)", held[rank].fullest},
                                              {"in", std::string_view(task)}});
    }
  }
}

}  // namespace

Detail TraceDetail(const sim::TrainingScenario& training, const StageCosts& stages) {
  return CountOperations(training, stages) <= kMaxSlices ? Detail::kOperations : Detail::kLayers;
}

Status WriteStepTrace(const sim::TrainingScenario& training, const StageCosts& stages,
                      const EpilogueCosts& epilogue, const std::vector<MemoryUse>& memory,
                      const Stop& stop, std::ostream& out) {
  ASSIGN_OR_RETURN(const StepProgram step, BuildStepProgram(training, stages, epilogue,
                                                            TraceDetail(training, stages), stop));
  const engine::Timeline timeline = engine::StaticSweep(step.program);
  std::vector<std::string> causes;
  for (size_t i = 0; i < kNumCauses; ++i) {
    causes.emplace_back(CauseName(static_cast<Cause>(i)));
  }
  std::vector<std::string> ranks;
  for (size_t rank = 0; rank < step.compute_streams.size(); ++rank) {
    ranks.push_back(fmt::format("pipeline stage {}", rank));
  }
  trace::ChromeTrace trace(out);
  trace::WriteTimeline(step.program, timeline, causes, ranks, trace);
  WriteMemory(step, timeline, memory, trace);
  if (!trace.Finish()) {
    return Fail({.code = ErrorCode::kUnavailable,
                 .message = "cannot write the trace",
                 .hint = "see whether the disk is full"});
  }
  return {};
}

}  // namespace ridgeline::training
