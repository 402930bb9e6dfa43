#include "sim/network/exchange_traffic.h"

#include <array>
#include <vector>

namespace ridgeline::network {

using engine::FlowIndex;

void AppendExchanges(const GroupGpus& group, double part, int64_t window, TrafficWriter& writer) {
  const auto ranks = static_cast<int64_t>(group.size());
  std::vector<std::vector<FlowIndex>> sent;  // by exchange, then rank; only where it is waited for
  for (int64_t k = 1; k < ranks; ++k) {
    std::vector<FlowIndex> flows;
    for (int64_t rank = 0; rank < ranks; ++rank) {
      std::array<FlowIndex, 2> waits = {};
      const bool has_to_wait = window > 0 && k > window;
      if (has_to_wait) {
        const auto& before = sent[static_cast<size_t>(k - window - 1)];
        const int64_t source = (rank + ranks - (k - window)) % ranks;
        waits = {before[static_cast<size_t>(rank)], before[static_cast<size_t>(source)]};
      }
      const FlowIndex flow = writer.Add(
          group[static_cast<size_t>(rank)], group[static_cast<size_t>((rank + k) % ranks)], part, 0,
          has_to_wait ? std::span<const FlowIndex>(waits) : std::span<const FlowIndex>(),
          RailRule::kAsSet);
      if (window > 0) {
        flows.push_back(flow);
      }
    }
    if (window > 0) {
      sent.push_back(std::move(flows));
    }
  }
}

void AppendTwoShots(const GroupGpus& group, double part, TrafficWriter& writer) {
  std::vector<FlowIndex> gates;
  for (const GpuIndex to : group) {
    std::vector<FlowIndex> arriving;
    for (const GpuIndex from : group) {
      if (from != to) {
        arriving.push_back(writer.Add(from, to, part, 0));
      }
    }
    gates.push_back(writer.AddGate(arriving));
  }
  for (size_t i = 0; i < group.size(); ++i) {
    for (const GpuIndex to : group) {
      if (to != group[i]) {
        writer.Add(group[i], to, part, 0, std::span<const FlowIndex>(&gates[i], 1));
      }
    }
  }
}

}  // namespace ridgeline::network
