/// Programs to measure the executors with: 10 M tasks, each with two dependencies on other streams.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>

#include "sim/engine/program.h"

namespace ridgeline::engine {

/// Where a task's two dependencies lie.
enum class Locality {
  kPipeline,  // among the tasks added last: the neighbours in a pipeline or a collective
  kRandom,    // anywhere before: no cache holds them
};

/// Tasks go round the streams in turn; durations are 1 to 1,000 ns. The same arguments give the
/// same program everywhere: only mt19937_64's raw output is used.
inline Program MakeBenchProgram(uint32_t num_tasks, uint32_t num_streams, Locality locality) {
  std::mt19937_64 random(20261122);
  Program program;
  program.Reserve(num_tasks, 2 * size_t{num_tasks});
  for (uint32_t s = 0; s < num_streams; ++s) {
    program.AddStream(s / 4, "stream");
  }
  const LabelIndex label = program.AddLabel("task", 0);
  for (uint32_t i = 0; i < num_tasks; ++i) {
    TaskIndex dependencies[2];
    uint32_t num_dependencies = 0;
    if (i > num_streams) {
      // Two rounds back at most: what a neighbour did just now or one step ago.
      const uint64_t window = locality == Locality::kRandom ? i : std::min(2 * num_streams, i);
      for (int d = 0; d < 2; ++d) {
        auto dependency = static_cast<TaskIndex>(i - 1 - random() % window);
        if (dependency > 0 && dependency % num_streams == i % num_streams) {
          --dependency;  // the stream beside: the task's own stream is waited for anyway
        }
        dependencies[num_dependencies++] = dependency;
      }
    }
    program.AddTask(i % num_streams, static_cast<Picoseconds>(1000 + random() % 999'001), label,
                    {dependencies, num_dependencies});
  }
  return program;
}

}  // namespace ridgeline::engine
