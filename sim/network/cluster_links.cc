#include "sim/network/cluster_links.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"

namespace ridgeline::network {
namespace {

constexpr double kBridgedGpus = 2;

PortRate MakePort(std::string what, BytesPerSecond peak,
                  const std::optional<hardware::Sustained<BytesPerSecond>>& sustained) {
  PortRate port{.peak = peak,
                .mean = peak,
                .low = peak,
                .what = std::move(what),
                .source = "no sustained rate is cited: the vendor's peak"};
  if (sustained) {
    port.mean = sustained->rate;
    port.low = sustained->low;
    port.source = sustained->source;
  }
  return port;
}

void Scale(PortRate& port, double factor) {
  port.peak = port.peak * factor;
  port.mean = port.mean * factor;
  port.low = port.low * factor;
}

}  // namespace

PortRate InsidePort(const hardware::Cluster& cluster, double per_node) {
  const hardware::Gpu& gpu = cluster.gpu;
  const bool reaches =
      cluster.node.intra == hardware::IntraNodeLink::kNvSwitch ||
      (cluster.node.intra == hardware::IntraNodeLink::kNvLinkBridge && per_node <= kBridgedGpus);
  if (reaches && gpu.nvlink.links > 0 && BytesPerSecond{} < gpu.nvlink.bandwidth) {
    PortRate port =
        MakePort(fmt::format("NVLink of {}", gpu.name), gpu.nvlink.bandwidth, gpu.nvlink.sustained);
    port.is_nvlink = true;
    return port;
  }
  PortRate port =
      MakePort(fmt::format("PCIe of {}", gpu.name), gpu.host_link, gpu.host_link_sustained);
  if (cluster.node.intra == hardware::IntraNodeLink::kNvLinkBridge) {
    // A bridge to one neighbour carries some of what a rank must send: the bound may not forget it.
    port.peak += gpu.nvlink.bandwidth;
  }
  return port;
}

PortRate AcrossPort(const hardware::Cluster& cluster) {
  const hardware::Nics& nics = cluster.node.nics;
  const hardware::Fabric& fabric = cluster.fabric;
  CHECK(cluster.nodes > 1 && nics.count > 0, "a group over nodes on {}", cluster.name);
  PortRate port =
      MakePort(fmt::format("port of {}", fabric.name), fabric.bandwidth, fabric.sustained);
  // A card slower than the fabric's port sets the pace of both.
  Scale(port, std::min(1.0, nics.bandwidth / fabric.bandwidth));
  Scale(port, static_cast<double>(nics.count) / static_cast<double>(cluster.node.gpus));
  return port;
}

}  // namespace ridgeline::network
