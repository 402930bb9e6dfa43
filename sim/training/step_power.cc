#include "sim/training/step_power.h"

#include <algorithm>

namespace ridgeline::training {
namespace {

// Shares of the board's limit: step_power.h.
struct ShareOfLimit {
  double mean, low;
};
constexpr ShareOfLimit kComputing = {1.0, 0.98};
constexpr ShareOfLimit kMemoryBound = {0.79, 0.68};
constexpr ShareOfLimit kCommunicating = {0.32, 0.30};
constexpr ShareOfLimit kWaiting = {0.174, 0.173};
// Of what a node is rated for beside its GPUs.
constexpr double kHost = 0.61;
constexpr double kHostLow = 0.22;

ShareOfLimit ShareOf(Cause cause) {
  switch (cause) {
    case Cause::kMatmul:
    case Cause::kAttention:
      return kComputing;
    case Cause::kElementwise:
    case Cause::kOptimizer:
      return kMemoryBound;
    case Cause::kRecompute:  // of all kinds: as a layer's forward is
      return {0.5 * (kComputing.mean + kMemoryBound.mean), kMemoryBound.low};
    case Cause::kTensorParallel:
    case Cause::kContextParallel:
    case Cause::kExpertParallel:
    case Cause::kDataParallel:
    case Cause::kOffload:
      return kCommunicating;
    case Cause::kPipelineParallel:
    case Cause::kHost:
    case Cause::kStraggler:
    case Cause::kBubble:
      return kWaiting;
  }
  return kComputing;
}

}  // namespace

PowerRange GpuPowerOf(const hardware::Gpu& gpu, const std::vector<CauseTimes>& by_rank) {
  double whole = 0.0;
  ShareOfLimit share = {0.0, 0.0};
  for (const CauseTimes& times : by_rank) {
    for (size_t i = 0; i < kNumCauses; ++i) {
      const auto time = static_cast<double>(times.spans[i]);
      const ShareOfLimit of_cause = ShareOf(static_cast<Cause>(i));
      whole += time;
      share.mean += time * of_cause.mean;
      share.low += time * of_cause.low;
    }
  }
  if (!(whole > 0.0)) {
    return WaitingGpuPower(gpu);
  }
  return {gpu.power * (share.mean / whole), gpu.power * (share.low / whole), gpu.power};
}

PowerRange WaitingGpuPower(const hardware::Gpu& gpu) {
  return {gpu.power * kWaiting.mean, gpu.power * kWaiting.low, gpu.power * kCommunicating.mean};
}

PowerRange HostPowerPerGpu(const hardware::Node& node, const hardware::Gpu& gpu) {
  const Watts rest = std::max(Watts{}, node.power - gpu.power * static_cast<double>(node.gpus)) /
                     static_cast<double>(node.gpus);
  return {rest * kHost, rest * kHostLow, rest};
}

}  // namespace ridgeline::training
