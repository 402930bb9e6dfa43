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
  };
  std::vector<Change> changes;
  for (const MemoryChange& change : step.memory_changes) {
    changes.push_back({change.at_end ? timeline.end[change.task] : timeline.begin[change.task],
                       change.rank, change.bytes});
  }
  std::stable_sort(changes.begin(), changes.end(),
                   [](const Change& a, const Change& b) { return a.at < b.at; });
  std::vector<double> held(memory.size());
  for (uint32_t rank = 0; rank < memory.size(); ++rank) {
    const MemoryUse& use = memory[rank];
    held[rank] = (use.weights + use.gradients + use.optimizer).base();
    trace.Counter(trace::ProcessOf(rank), "memory allocated (bytes)", 0, held[rank]);
  }
  for (const Change& change : changes) {
    held[change.rank] += change.bytes;
    trace.Counter(trace::ProcessOf(change.rank), "memory allocated (bytes)", change.at,
                  held[change.rank]);
  }
}

}  // namespace

Status WriteStepTrace(const sim::TrainingScenario& training, const StageCosts& stages,
                      const EpilogueCosts& epilogue, const std::vector<MemoryUse>& memory,
                      const Stop& stop, std::ostream& out) {
  const Detail detail =
      CountOperations(training, stages) <= kMaxSlices ? Detail::kOperations : Detail::kLayers;
  ASSIGN_OR_RETURN(const StepProgram step,
                   BuildStepProgram(training, stages, epilogue, detail, stop));
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
