/// Traffic solved by SimGrid, set so that it is plain max-min sharing and nothing else (README.md
/// says what each setting prevents).
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "sim/engine/traffic_stream.h"

namespace ridgeline::simgrid_program {

/// At most once a process: SimGrid's engine, clock and callbacks are its process's. `options` are
/// SimGrid's own (--cfg=network/optim:Full) and come after ours. Errors: kUnimplemented for flows
/// with a multiplicity or counted crossings. SimGrid's own failures abort the process.
Result<engine::TrafficAnswer> SimulateWithSimgrid(const engine::Traffic& traffic,
                                                  const std::vector<std::string>& options);

}  // namespace ridgeline::simgrid_program
