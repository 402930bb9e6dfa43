#include "sim/training/roofline_position.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

namespace ridgeline::training {
namespace {

struct Sum {
  double seconds = 0.0;
  double flops = 0.0;
  double bytes = 0.0;
  double at_peak = 0.0;       // seconds that its FLOPs take at the vendor's peak
  double at_bandwidth = 0.0;  // and its bytes
  double at_floor = 0.0;      // and its launches
  bool is_collective = false;
};

sim::OperationPosition Position(std::string name, const Sum& sum) {
  sim::OperationPosition position{.name = std::move(name)};
  position.seconds = sum.seconds;
  if (sum.is_collective) {
    position.bound = "network";
    return position;
  }
  const double least = std::max({sum.at_peak, sum.at_bandwidth, sum.at_floor});
  position.bound = least == sum.at_floor ? "latency" : least == sum.at_peak ? "compute" : "memory";
  position.intensity = sum.bytes > 0.0 ? sum.flops / sum.bytes : 0.0;
  position.of_bound = sum.seconds > 0.0 ? least / sum.seconds : 0.0;
  return position;
}

}  // namespace

std::vector<sim::OperationPosition> RooflinePositions(const sim::Scenario& scenario,
                                                      const StageCosts& stages) {
  const hardware::Gpu& gpu = scenario.cluster.gpu;
  std::vector<double> times(stages.layers.size(), 0.0);
  for (const ChunkCosts& chunk : stages.chunks) {
    for (const size_t layer : chunk.layers) {
      times[layer] += static_cast<double>(MicroBatchesOfChunk(*scenario.training)) /
                      static_cast<double>(scenario.training->layout.pp);
    }
  }
  std::map<std::string, Sum> sums;
  double all = 0.0;
  for (size_t i = 0; i < stages.layers.size(); ++i) {
    const CostedLayer& layer = stages.layers[i];
    std::vector<std::pair<const CostedPass*, const char*>> passes = {{&layer.forward, "forward"}};
    if (workloads::SplitsBackward(scenario.training->schedule)) {
      passes.emplace_back(&layer.input_gradient, "backward");
      passes.emplace_back(&layer.weight_gradient, "weight gradients");
    } else {
      passes.emplace_back(&layer.backward, "backward");
    }
    for (const auto& [pass, word] : passes) {
      for (const CostedStep& step : pass->steps) {
        Sum& sum = sums[layer.name + " " + word + ": " + step.name];
        const double seconds = times[i] * engine::ToSeconds(step.duration[Bound::kMean]).base();
        all += seconds;
        sum.seconds += seconds;
        sum.is_collective = step.is_collective;
        if (!step.is_collective) {
          sum.flops += times[i] * step.flops.base();
          sum.bytes += times[i] * step.bytes.base();
          const auto peak = hardware::PeakOf(gpu, step.dtype);
          sum.at_peak += peak ? times[i] * (step.flops / *peak).base() : 0.0;
          sum.at_bandwidth += times[i] * (step.bytes / gpu.memory.bandwidth).base();
          sum.at_floor += times[i] * gpu.kernel_floor.base();
        }
      }
    }
  }
  std::vector<sim::OperationPosition> positions;
  for (const auto& [name, sum] : sums) {
    if (sum.seconds > 0.0) {
      positions.push_back(Position(name, sum));
      positions.back().share = sum.seconds / all;
    }
  }
  std::ranges::stable_sort(positions,
                           [](const auto& a, const auto& b) { return a.seconds > b.seconds; });
  return positions;
}

}  // namespace ridgeline::training
