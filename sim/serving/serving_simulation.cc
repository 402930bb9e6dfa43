#include "sim/serving/serving_simulation.h"

namespace ridgeline::serving {

Result<sim::Report> SimulateServing(const sim::Scenario&, const sim::RunOptions&) {
  return Unimplemented("not built yet: simulation of serving");
}

}  // namespace ridgeline::serving
