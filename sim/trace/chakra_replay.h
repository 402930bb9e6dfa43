/// Chakra traces executed again: all ranks' graphs as one program, under recorded times or others.
///
/// A receive waits for the send with its source, destination and tag. Nodes of a stream (`stream`,
/// as our own traces have it) keep their order. Traces without it, as ASTRA-sim's users have them:
/// compute nodes of a rank run one at a time, communication on a second stream, CPU nodes on a
/// third, each in the order of their identifiers once they may run; and the n-th collective of a
/// process group (`pg_name`) begins together on all ranks that have an n-th.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "sim/engine/program.h"
#include "sim/trace/chakra_format.h"

namespace ridgeline::trace {

/// What a node takes in the replay.
using ChakraDuration = std::function<engine::Picoseconds(const ChakraNode&)>;

/// As recorded: `duration_ps`, else whole microseconds.
engine::Picoseconds RecordedDuration(const ChakraNode& node);

struct ChakraReplay {
  engine::Program program;
  engine::Timeline timeline;
  /// Sums over all ranks, by ChakraNodeType: compute, send, collective.
  engine::Picoseconds compute = 0;
  engine::Picoseconds communication = 0;
};

/// `ranks`: one trace a rank, in order of rank. Errors: kInvalidArgument for a dependency on a node
/// that is not there, an identifier used twice, a receive without its send, or a cycle.
Result<ChakraReplay> ReplayChakra(const std::vector<ChakraTrace>& ranks,
                                  const ChakraDuration& duration);

}  // namespace ridgeline::trace
