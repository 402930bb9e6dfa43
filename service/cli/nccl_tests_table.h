/// Answers about collectives in the columns, units and widths that nccl-tests prints, to lay beside
/// a measurement. Bus bandwidth by nccl-tests' factors (NVIDIA/nccl-tests doc/PERFORMANCE.md).
#pragma once

#include <string>

#include "base/operation.h"
#include "base/units.h"

namespace ridgeline::cli {

std::string NcclTestsHeader();
/// size, count, type, redop, root, time in us, algbw and busbw in GB/s, #wrong (N/A: nothing ran).
/// The count is what a rank gives or gets of one peer, as nccl-tests has it.
std::string NcclTestsRow(const Collective& collective, Seconds time);

}  // namespace ridgeline::cli
