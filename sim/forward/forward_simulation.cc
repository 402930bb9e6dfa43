#include "sim/forward/forward_simulation.h"

namespace ridgeline::forward {

Result<sim::Report> SimulateForward(const sim::Scenario&, const sim::RunOptions&) {
  return Unimplemented("not built yet: simulation of one forward pass");
}

}  // namespace ridgeline::forward
