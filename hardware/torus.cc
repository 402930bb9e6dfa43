// A torus: a router in every node, joined with the next one up and down each dimension, round at
// the ends. The node's ports are the torus' cables, dealt evenly over its directions; a dimension
// of one has none, and in one of two both directions lead to the same neighbour.
#include <algorithm>

#include <fmt/format.h>

#include "hardware/fabric_builders.h"
#include "hardware/tree_wiring.h"

namespace ridgeline::hardware {

Status WireTorus(FabricGraphBuilder& builder) {
  const Cluster& cluster = builder.cluster();
  const std::vector<int64_t>& sizes = cluster.fabric.dimensions;
  constexpr int64_t kMostRouters = int64_t{1} << 20;
  int64_t places = 1;
  int64_t directions = 0;
  for (const int64_t size : sizes) {
    places = std::min(places * size, kMostRouters + 1);
    directions += size > 1 ? 2 : 0;
  }
  if (places > kMostRouters) {
    return Fail(FabricError(cluster.fabric,
                            fmt::format("a torus of too many nodes: {}", fmt::join(sizes, " x ")),
                            fmt::format("{} are the most", kMostRouters)));
  }
  if (places < cluster.nodes) {
    return Fail(FabricError(cluster.fabric,
                            fmt::format("more nodes than a torus of {} has places: {}, {} at most",
                                        fmt::join(sizes, " x "), cluster.nodes, places),
                            "enlarge dimensions, or ask for fewer nodes"));
  }
  std::vector<int32_t> routers;
  for (int64_t place = 0; place < places; ++place) {
    std::string name = "router";
    int64_t rest = place;
    for (size_t d = 0; d < sizes.size(); ++d) {
      name += fmt::format("{}{}", d == 0 ? "" : ".", rest % sizes[d]);
      rest /= sizes[d];
    }
    routers.push_back(builder.AddSwitch(VertexKind::kLeaf, std::move(name)));
  }
  for (int64_t node = 0; node < cluster.nodes; ++node) {
    for (size_t nic = 0; nic < builder.interior().nics.size(); ++nic) {
      HangPort(node, static_cast<int64_t>(nic), routers[static_cast<size_t>(node)], builder);
    }
  }
  const PortCapacity port = PortOf(cluster);
  const double ports_each_way = static_cast<double>(cluster.node.nics.count) /
                                static_cast<double>(std::max<int64_t>(1, directions));
  for (int64_t place = 0; place < places; ++place) {
    int64_t stride = 1;
    for (size_t d = 0; d < sizes.size(); ++d) {
      const int64_t size = sizes[d];
      const int64_t at = place / stride % size;
      if (size > 1 && !(size == 2 && at == 1)) {
        const double ports = size == 2 ? 2 * ports_each_way : ports_each_way;
        builder.Join({.a = routers[static_cast<size_t>(place)],
                      .b = routers[static_cast<size_t>(place + ((at + 1) % size - at) * stride)],
                      .peak = port.peak * ports,
                      .sustained = port.sustained * ports,
                      .latency = cluster.fabric.hop_latency,
                      .cables = std::max<int64_t>(1, static_cast<int64_t>(ports)),
                      .dimension = static_cast<int32_t>(d)});
      }
      stride *= size;
    }
  }
  return {};
}

}  // namespace ridgeline::hardware
