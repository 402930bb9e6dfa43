/// What to change when a model leaves no room for its KV cache.
#pragma once

#include <string>

#include "sim/scenario.h"

namespace ridgeline::serving {

/// The smallest change that was found to fit, as a sentence: a smaller token budget, a larger
/// fraction of the memory, more tensor parallelism within a node.
std::string MemoryRemedy(const sim::Scenario& scenario);

}  // namespace ridgeline::serving
