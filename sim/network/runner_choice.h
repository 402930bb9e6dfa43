/// Who executes flows for a fidelity.
#pragma once

#include <memory>

#include "hardware/network_model.h"
#include "sim/engine/traffic.h"

namespace ridgeline::network {

struct RunnerChoice {
  std::shared_ptr<const engine::TrafficRunner> runner;
  bool merges_classes = true;  // SimGrid knows no multiplicity: every flow for itself
};

/// Our engine, or SimGrid in a child process for kSimGrid.
RunnerChoice RunnerFor(hardware::NetworkFidelity fidelity);

}  // namespace ridgeline::network
