#include "sim/training/activation_offload.h"

#include <utility>

namespace ridgeline::training {
namespace {

Duration CopyTime(const hardware::Gpu& gpu, Bytes bytes) {
  const auto at = [&](BytesPerSecond rate) { return bytes / rate; };
  const auto& sustained = gpu.host_link_sustained;
  Cost cost;
  cost.mean = at(sustained ? sustained->rate : gpu.host_link);
  cost.low = at(sustained ? sustained->high : gpu.host_link);
  cost.high = at(sustained ? sustained->low : gpu.host_link);
  return Duration::Of(cost);
}

void WaitFor(const Duration& copy, std::string name, CostedPass& pass) {
  const Duration exposed = OutlastsBy(copy, pass.total);
  if (exposed[Bound::kHigh] <= 0) {
    return;
  }
  CostedPass waiting;
  waiting.steps = std::move(pass.steps);
  waiting.reliance = std::move(pass.reliance);
  waiting.steps.push_back({.name = std::move(name), .cause = Cause::kOffload, .duration = exposed});
  SumPass(waiting);
  pass = std::move(waiting);
}

}  // namespace

void OffloadActivations(const sim::TrainingScenario& training, const hardware::Gpu& gpu,
                        CostedLayer& layer) {
  const double share = training.offload.activations;
  if (share <= 0 || !layer.is_decoder) {
    return;
  }
  const Bytes copied = share * layer.saved_activations;
  const Duration copy = CopyTime(gpu, copied);
  WaitFor(copy, "wait for activations to the host", layer.forward);
  WaitFor(copy, "wait for activations from the host", layer.backward);
  if (!layer.input_gradient.steps.empty()) {
    WaitFor(copy, "wait for activations from the host", layer.input_gradient);
  }
  layer.saved_activations -= copied;
  layer.recompute_buffer += 2.0 * copied;
}

}  // namespace ridgeline::training
