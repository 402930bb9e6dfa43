/// When every task of a program begins and ends if each takes exactly its duration: a task begins
/// when its stream is free and its dependencies are done. Program order is a topological order, so
/// this is the longest path, found in one pass without queue or heap.
///
/// O(tasks + dependencies) time; 8 B a task of memory for the makespan alone, 16 B for a timeline.
/// The event-driven engine gives the same times to the picosecond (event_engine.h).
#pragma once

#include <span>
#include <vector>

#include "sim/engine/program.h"
#include "sim/engine/sim_time.h"

namespace ridgeline::engine {

/// One program, once.
Timeline StaticSweep(const Program& program);

/// Many programs, one after the other: buffers are kept, so that a warm run allocates nothing.
class StaticSweeper {
 public:
  void Run(const Program& program, Timeline& timeline);

  /// Only when the last task ends; 0 for an empty program.
  Picoseconds Makespan(const Program& program);
  /// The same with other durations, such as the ends of a range: one a task, none negative.
  Picoseconds Makespan(const Program& program, std::span<const Picoseconds> durations);

 private:
  std::vector<Picoseconds> stream_free_;
  std::vector<Picoseconds> end_;
};

}  // namespace ridgeline::engine
