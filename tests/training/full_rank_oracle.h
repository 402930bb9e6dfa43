/// A second way to what one slow GPU costs: without ranks. Its tensor-parallel group goes at its
/// pace, all replicas wait for its pipeline where they reduce gradients, and nobody else is slower;
/// so the job takes as long as a job of one rank a stage whose slow stage has longer operations.
#pragma once

#include <map>

#include "sim/engine/static_sweep.h"
#include "sim/training/full_rank_stage.h"
#include "sim/training/step_program.h"

namespace ridgeline::training {

inline void Lengthen(Duration& duration, double factor) {
  for (engine::Picoseconds& at : duration.at) {
    at = ScaledBy(factor, at);
  }
}

/// The mean step of a job with all operations of one stage `factor` times as long, by the program
/// of a step and the sweep. Of a schedule whose stages keep their chunks to themselves.
inline engine::Picoseconds StepWithSlowStage(const sim::TrainingScenario& training,
                                             StageCosts stages, EpilogueCosts epilogue,
                                             size_t stage, double factor) {
  const workloads::PipelineChunks places = ChunksOf(training);
  std::map<size_t, size_t> longer;  // layers of the stage
  for (size_t chunk = 0; chunk < stages.chunks.size(); ++chunk) {
    if (places.RankOf(static_cast<int64_t>(chunk)) != static_cast<int64_t>(stage)) {
      continue;
    }
    for (size_t& layer : stages.chunks[chunk].layers) {
      const auto [known, is_new] = longer.try_emplace(layer, stages.layers.size());
      if (is_new) {
        CostedLayer copy = stages.layers[layer];
        for (CostedPass* pass :
             {&copy.forward, &copy.backward, &copy.input_gradient, &copy.weight_gradient}) {
          for (CostedStep& step : pass->steps) {
            if (!step.is_collective) {
              Lengthen(step.duration, factor);
              Lengthen(step.slowed, factor);
            }
          }
          static_cast<CostedChain&>(*pass) = {};
          SumPass(*pass);
        }
        stages.layers.push_back(std::move(copy));
      }
      layer = known->second;
    }
    if (!epilogue.slows_backward.empty()) {
      for (Duration& slowing : epilogue.slows_backward[chunk]) {
        Lengthen(slowing, factor);
      }
    }
  }
  for (EpilogueCosts::Reduction& reduction : epilogue.reductions) {
    if (reduction.rank == stage) {
      Lengthen(reduction.copy_in.total, factor);
      Lengthen(reduction.copy_out.total, factor);
    }
  }
  Lengthen(epilogue.gradient_norm[stage], factor);
  Lengthen(epilogue.update[stage], factor);
  return engine::StaticSweep(
             BuildStepProgram(training, stages, epilogue, Detail::kSlots, Stop()).value().program)
      .makespan;
}

}  // namespace ridgeline::training
