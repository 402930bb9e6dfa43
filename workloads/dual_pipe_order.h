/// DualPipe's order (arXiv:2412.19437, section 3.2.1; deepseek-ai/DualPipe dualpipe/dualpipe.py):
/// micro-batches enter a pipeline at both ends, through a copy of the model each, so that in the
/// steady state every rank runs a forward of one together with a backward of another, the
/// collectives of either behind the computation of the other.
///
/// Bubble (pp/2 - 1)(F&B + B - 3W), with F&B the time of such a pair, B a whole backward and W its
/// weight gradients; pp + 1 micro-batches in flight on every rank, and parameters twice.
#pragma once

#include <cstdint>
#include <vector>

#include "workloads/pipeline_schedule.h"

namespace ridgeline::workloads {

/// pp even, an even number of micro-batches, 2·pp at least. Micro-batches of each copy count from
/// zero.
std::vector<Slot> DualPipeOrder(int64_t pp, int64_t rank, int64_t micro_batches);

}  // namespace ridgeline::workloads
