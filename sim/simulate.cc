#include "sim/simulate.h"

#include "sim/forward/forward_simulation.h"
#include "sim/serving/serving_simulation.h"
#include "sim/traffic/traffic_simulation.h"
#include "sim/training/training_simulation.h"

namespace ridgeline::sim {

Result<Report> Simulate(const Scenario& scenario, const RunOptions& options) {
  RETURN_IF_ERROR(options.stop.Check());
  if (scenario.serving) {
    return serving::SimulateServing(scenario, options);
  }
  if (scenario.forward) {
    return forward::SimulateForward(scenario, options);
  }
  if (!scenario.traffic.empty()) {
    return traffic::SimulateTraffic(scenario, options);
  }
  return training::SimulateTraining(scenario, options);
}

}  // namespace ridgeline::sim
