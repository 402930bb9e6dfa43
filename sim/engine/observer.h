/// What traces and metrics listen to while a program runs. Calls come in the order of simulated
/// time; within an instant, in the order in which the engine handles events.
#pragma once

#include "sim/engine/program.h"
#include "sim/engine/sim_time.h"

namespace ridgeline::engine {

class Observer {
 public:
  virtual ~Observer() = default;
  virtual void OnBegin(TaskIndex task, Picoseconds at) = 0;
  virtual void OnEnd(TaskIndex task, Picoseconds at) = 0;
  /// A value that belongs to a stream and changes in steps. The engine reports the rate of the
  /// stream's running task, each time that a RateModel changes it.
  virtual void OnCounter(StreamIndex stream, Picoseconds at, double value) = 0;
};

}  // namespace ridgeline::engine
