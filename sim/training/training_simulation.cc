#include "sim/training/training_simulation.h"

#include <optional>
#include <string>
#include <utility>

#include "sim/compute/operation_time.h"
#include "sim/engine/event_engine.h"
#include "sim/engine/static_sweep.h"
#include "sim/training/communication_use.h"
#include "sim/training/critical_path.h"
#include "sim/training/full_rank.h"
#include "sim/training/memory_advice.h"
#include "sim/training/roofline_position.h"
#include "sim/training/run_report.h"
#include "sim/training/stage_costs.h"
#include "sim/training/step_chakra.h"
#include "sim/training/step_program.h"
#include "sim/training/step_trace.h"
#include "sim/training/time_breakdown.h"
#include "sim/training/training_memory.h"
#include "sim/training/training_report.h"

namespace ridgeline::training {
namespace {

Result<engine::Timeline> Execute(const engine::Program& program, sim::Executor executor,
                                 const Stop& stop) {
  if (executor == sim::Executor::kStaticSweep) {
    return engine::StaticSweep(program);
  }
  return engine::ExecuteEvents(program, {.stop = stop});
}

/// The step at the mean and at both ends of its range. Finishing times are monotone in durations,
/// so the ends bound every mixture.
Result<StepResults> RunStep(StepProgram& step, sim::Executor executor, const Stop& stop) {
  StepResults results;
  for (const Bound bound : kBounds) {
    if (bound != Bound::kMean) {
      step.program.ReplaceDurations(std::move(bound == Bound::kLow ? step.low : step.high));
    }
    ASSIGN_OR_RETURN(const engine::Timeline timeline, Execute(step.program, executor, stop));
    StepResult& result = results.at[static_cast<size_t>(bound)];
    result.makespan = timeline.makespan;
    result.by_rank = BookTime(step, timeline, bound);
    result.critical_path = CriticalPathByCause(step, timeline, bound);
    for (const CauseTimes& times : result.by_rank) {
      CHECK(times.total() == timeline.makespan, "{} ps booked of {}", times.total(),
            timeline.makespan);
    }
  }
  return results;
}

/// Over the ranks of one pipeline.
sim::Reliance RelianceOf(const sim::TrainingScenario& training, const StageCosts& stages,
                         const EpilogueCosts& epilogue) {
  const auto micro_batches = static_cast<double>(MicroBatchesOfChunk(training));
  sim::Reliance reliance = epilogue.reliance;
  std::vector<double> times(stages.layers.size(), 0);
  for (const ChunkCosts& chunk : stages.chunks) {
    for (const size_t layer : chunk.layers) {
      times[layer] += micro_batches;
    }
  }
  for (size_t layer = 0; layer < times.size(); ++layer) {
    reliance.Add(stages.layers[layer].forward.reliance, times[layer]);
    reliance.Add(stages.layers[layer].backward.reliance, times[layer]);
  }
  reliance.Add(stages.sends, micro_batches * static_cast<double>(stages.chunks.size()));
  return reliance;
}

}  // namespace

Result<sim::Report> SimulateTraining(const sim::Scenario& scenario,
                                     const sim::RunOptions& options) {
  const sim::TrainingScenario& training = *scenario.training;
  const compute::OperationTime time = compute::OperationTime::Of(scenario.cluster, options.stop);
  ASSIGN_OR_RETURN(const StageCosts stages, CostStages(training, time));
  ASSIGN_OR_RETURN(const EpilogueCosts epilogue, CostEpilogue(training, stages, time));
  const sim::Reliance reliance = RelianceOf(training, stages, epilogue);
  RETURN_IF_ERROR(reliance.CheckMeasured(scenario.cluster));
  RETURN_IF_ERROR(FitsClock(training, stages, epilogue));
  ASSIGN_OR_RETURN(const std::vector<MemoryUse> memory, CountMemory(training, stages));
  ASSIGN_OR_RETURN(StepProgram step,
                   BuildStepProgram(training, stages, epilogue, Detail::kSlots, options.stop));
  ASSIGN_OR_RETURN(StepResults results, RunStep(step, options.executor, options.stop));
  std::optional<RankStudy> ranks;
  if (workloads::SimulatesEveryRank(training.ranks)) {
    ASSIGN_OR_RETURN(ranks, StudyRanks(scenario, stages, epilogue, results, options.stop));
    results = ranks->results;
  }
  if (options.chakra != nullptr) {
    ASSIGN_OR_RETURN(*options.chakra, WriteStepChakra(training, stages, epilogue, options.stop));
  }
  if (options.trace != nullptr) {
    RETURN_IF_ERROR(
        WriteStepTrace(training, stages, epilogue, memory, options.stop, *options.trace));
  }
  sim::Report report = WriteReport(scenario, time, stages, memory, results);
  report.operations = RooflinePositions(scenario, stages);
  AddCommunication(report, training, stages, epilogue, results);
  AddMemoryAdvice(report, scenario, time, options.stop);
  if (ranks) {
    AddRanks(report, training, *ranks);
  }
  reliance.WriteInto(report, time);
  RETURN_IF_ERROR(AddRun(report, scenario, stages, results));
  return report;
}

}  // namespace ridgeline::training
