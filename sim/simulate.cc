#include "sim/simulate.h"

#include "sim/training/training_simulation.h"

namespace ridgeline::sim {

Result<Report> Simulate(const Scenario& scenario, const RunOptions& options) {
  RETURN_IF_ERROR(options.stop.Check());
  if (!scenario.training) {
    return Unimplemented("not built yet: simulation of anything but training",
                         "add a training: block");
  }
  return training::SimulateTraining(scenario, options);
}

}  // namespace ridgeline::sim
