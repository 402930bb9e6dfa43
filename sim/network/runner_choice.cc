#include "sim/network/runner_choice.h"

#include "sim/engine/flow_engine.h"
#include "sim/network/simgrid_reference.h"

namespace ridgeline::network {

RunnerChoice RunnerFor(hardware::NetworkFidelity fidelity) {
  if (fidelity == hardware::NetworkFidelity::kSimGrid) {
    return {.runner = std::make_shared<const SimgridReference>(), .merges_classes = false};
  }
  return {.runner = std::make_shared<const engine::FlowEngine>(), .merges_classes = true};
}

}  // namespace ridgeline::network
