#include "sim/simulate.h"

#include "sim/forward/forward_simulation.h"
#include "sim/serving/serving_simulation.h"
#include "sim/traffic/traffic_simulation.h"
#include "sim/training/training_simulation.h"

namespace ridgeline::sim {

namespace {

Result<Report> SimulateKind(const Scenario& scenario, const RunOptions& options) {
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

}  // namespace

Result<Report> Simulate(const Scenario& scenario, const RunOptions& options) {
  RETURN_IF_ERROR(options.stop.Check());
  Result<Report> report = SimulateKind(scenario, options);
  if (report && !scenario.cluster.fabric.faults.empty() &&
      scenario.cluster.network.fidelity == hardware::NetworkFidelity::kAnalytic) {
    report->warnings.push_back(
        {.code = ErrorCode::kFailedPrecondition,
         .message = "closed forms know no faults: the fabric is priced as if it were whole",
         .hint = "use network.fidelity: flow",
         .path = "cluster.fabric.faults"});
  }
  return report;
}

}  // namespace ridgeline::sim
