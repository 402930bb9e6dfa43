/// What a collective library holds of a GPU beside the allocator: buffers through which channels
/// pass data, for every communicator that a rank is in.
///
/// NCCL gives each connection of a channel a buffer a protocol: 512 KiB for LL, 4.7 MiB for LL128,
/// 4 MiB for Simple (NVIDIA/nccl src/include/device.h: NCCL_LL and NCCL_LL128 sizes, NCCL_STEPS 8;
/// src/init.cc: computeBuffSizes). A channel has three connections that receive on average: one of
/// its ring, two of its trees. Inside a node of NVSwitch it runs 24 channels
/// (configs/collectives), between nodes two for each network port.
#pragma once

#include "base/units.h"
#include "workloads/parallelism.h"

namespace ridgeline::training {

/// Of one rank: tensor, context, expert, data, pipeline groups and the whole job, those of more
/// than one rank.
Bytes CommunicationBuffers(const workloads::Layout& layout);

}  // namespace ridgeline::training
