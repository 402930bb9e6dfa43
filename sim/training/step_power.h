/// What the machines of a job draw while it steps.
///
/// A GPU, as shares of its board's limit, by what it does (configs/calibration/points, power by
/// NVML of H100 and H200 at 700 W each, kernels back to back for a second): GEMMs and attention
/// 685 to 715 W, so the limit; memory-bound kernels 478 to 646 W, 0.79 of the limit on average;
/// NCCL collectives 213 to 259 W of bursts between rests, 0.32; waiting, with empty kernels, 121 to
/// 123 W, 0.17. Other GPUs are taken to do alike. The rest of a node: its rated power less its
/// GPUs' limits is what the maker plans for; a busy eight-H100 node drew 8.4 kW of 10.2 rated with
/// its GPUs at 5.6 (arXiv:2412.08602), 0.61 of the rest, which has 0.22 to 1 as its range here.
#pragma once

#include <cstdint>
#include <vector>

#include "base/units.h"
#include "hardware/cluster.h"
#include "sim/training/cause.h"

namespace ridgeline::training {

struct PowerRange {
  Watts mean, low, high;
  PowerRange operator*(double k) const { return {mean * k, low * k, high * k}; }
  PowerRange operator+(const PowerRange& other) const {
    return {mean + other.mean, low + other.low, high + other.high};
  }
};

/// Of one GPU, over a step whose ranks spend their time so. High: at its limit throughout.
PowerRange GpuPowerOf(const hardware::Gpu& gpu, const std::vector<CauseTimes>& by_rank);
/// Of one GPU that has nothing to do but keeps its context.
PowerRange WaitingGpuPower(const hardware::Gpu& gpu);
/// Of what a node has beside its GPUs, a GPU's share of it.
PowerRange HostPowerPerGpu(const hardware::Node& node, const hardware::Gpu& gpu);

}  // namespace ridgeline::training
