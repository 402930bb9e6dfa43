/// The referee as this build has it.
#pragma once

#include <gtest/gtest.h>

#include "sim/network/simgrid_reference.h"

namespace ridgeline::network {

#ifdef RIDGELINE_SIMGRID_PROGRAM
inline const SimgridReference kSimgrid{SimgridSettings{.program = RIDGELINE_SIMGRID_PROGRAM}};
#define NEED_SIMGRID() static_cast<void>(0)
#else
inline const SimgridReference kSimgrid;
#define NEED_SIMGRID() GTEST_SKIP() << "this build has no SimGrid"
#endif

}  // namespace ridgeline::network
