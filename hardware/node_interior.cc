#include "hardware/node_interior.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "hardware/fabric_graph_builder.h"

namespace ridgeline::hardware {
namespace {

PortCapacity RateOf(BytesPerSecond peak,
                    const std::optional<Sustained<BytesPerSecond>>& sustained) {
  return {.peak = peak, .sustained = sustained ? sustained->rate : peak};
}

PortCapacity Times(PortCapacity port, double factor) {
  return {.peak = port.peak * factor, .sustained = port.sustained * factor};
}

PortCapacity AtLeast(PortCapacity a, PortCapacity b) {
  return {.peak = std::max(a.peak, b.peak), .sustained = std::max(a.sustained, b.sustained)};
}

/// Adds one node after another; the first one's links are remembered, all others repeat them.
class NodeBuilder {
 public:
  NodeBuilder(const Cluster& cluster, FabricGraphBuilder& builder)
      : cluster_(cluster),
        builder_(builder),
        has_nvlink_(cluster.gpu.nvlink.links > 0 &&
                    BytesPerSecond{} < cluster.gpu.nvlink.bandwidth),
        nvlink_(RateOf(cluster.gpu.nvlink.bandwidth, cluster.gpu.nvlink.sustained)),
        pcie_(RateOf(cluster.gpu.host_link, cluster.gpu.host_link_sustained)) {
    interior_.has_switch = has_nvlink_ && cluster.node.intra == IntraNodeLink::kNvSwitch;
    has_bridges_ = has_nvlink_ && cluster.node.intra == IntraNodeLink::kNvLinkBridge;
    if (cluster.node.nics.count > 0) {
      num_nics_ = std::gcd(cluster.node.gpus, cluster.node.nics.count);
      interior_.ports_per_nic = cluster.node.nics.count / num_nics_;
      // Without a fabric the card sets the pace.
      port_ = cluster.fabric.kind == FabricKind::kNone
                  ? PortCapacity{cluster.node.nics.bandwidth, cluster.node.nics.bandwidth}
                  : PortOf(cluster);
      port_ = Times(port_, interior_.ports_per_nic);
    }
  }

  NodeInterior Build() {
    for (int64_t node = 0; node < cluster_.nodes; ++node) {
      node_ = static_cast<int32_t>(node);
      AddOne();
    }
    return std::move(interior_);
  }

 private:
  int32_t Add(VertexKind kind, int32_t index) {
    return builder_.AddVertex({.kind = kind, .node = node_, .index = index});
  }

  int32_t Link(int32_t from, int32_t to, PortCapacity rate, int32_t resource, int32_t cables = 1) {
    return builder_.AddLink({.from = from,
                             .to = to,
                             .peak = rate.peak,
                             .sustained = rate.sustained,
                             .latency = {},
                             .cables = cables,
                             .resource = resource}) -
           first_link_;
  }
  int32_t Link(int32_t from, int32_t to, PortCapacity rate) {
    return Link(from, to, rate, builder_.AddResource(rate.peak, rate.sustained));
  }

  void AddOne() {
    const int32_t gpus = cluster_.node.gpus;
    const int32_t first = builder_.num_vertices();
    first_link_ = node_ * interior_.num_links;
    interior_.gpus.assign(static_cast<size_t>(gpus), {});
    interior_.nics.assign(static_cast<size_t>(num_nics_), {});
    for (int32_t gpu = 0; gpu < gpus; ++gpu) {
      Add(VertexKind::kGpu, gpu);
    }
    if (interior_.has_switch) {
      AddSwitched(first);
    } else {
      AddHosted(first);
    }
    interior_.num_vertices = builder_.num_vertices() - first;
    if (node_ == 0) {
      interior_.num_links = builder_.num_links();
    }
  }

  NodeInterior::GpuLinks& gpu_links(int32_t gpu) {
    return interior_.gpus[static_cast<size_t>(gpu)];
  }

  void AddSwitched(int32_t first) {
    const int32_t gpus = cluster_.node.gpus;
    const int32_t plane = Add(VertexKind::kNvSwitch, 0);
    const int32_t host = Add(VertexKind::kHost, 0);
    for (int32_t gpu = 0; gpu < gpus; ++gpu) {
      gpu_links(gpu).to_plane = Link(first + gpu, plane, nvlink_);
      gpu_links(gpu).from_plane = Link(plane, first + gpu, nvlink_);
    }
    if (num_nics_ == 0) {
      for (int32_t gpu = 0; gpu < gpus; ++gpu) {
        gpu_links(gpu).to_hub = Link(first + gpu, host, pcie_);
        gpu_links(gpu).from_hub = Link(host, first + gpu, pcie_);
      }
      return;
    }
    const int32_t group = gpus / num_nics_;
    const int32_t first_hub = builder_.num_vertices();
    for (int32_t i = 0; i < num_nics_; ++i) {
      Add(VertexKind::kPcieSwitch, i);
    }
    AddNics();
    for (int32_t i = 0; i < num_nics_; ++i) {
      const int32_t hub = first_hub + i;
      const JoinedPort port = JoinNic(i, hub);
      Link(hub, host, pcie_);
      Link(host, hub, pcie_);
      // Vendors pair a GPU with ports that its PCIe carries, and a port's sustained rate was
      // measured through it: on this way PCIe is never the narrower one.
      const PortCapacity way = AtLeast(pcie_, Times(port_, 1.0 / group));
      for (int32_t gpu = i * group; gpu < (i + 1) * group; ++gpu) {
        gpu_links(gpu).nic = i;
        gpu_links(gpu).to_hub =
            group == 1 ? Link(first + gpu, hub, way, port.out) : Link(first + gpu, hub, way);
        gpu_links(gpu).from_hub =
            group == 1 ? Link(hub, first + gpu, way, port.in) : Link(hub, first + gpu, way);
      }
    }
  }

  void AddHosted(int32_t first) {
    const int32_t gpus = cluster_.node.gpus;
    const int32_t host = Add(VertexKind::kHost, 0);
    AddNics();
    for (int32_t gpu = 0; gpu < gpus; ++gpu) {
      NodeInterior::GpuLinks& links = gpu_links(gpu);
      links.to_plane = Link(first + gpu, host, pcie_);
      links.from_plane = Link(host, first + gpu, pcie_);
      links.to_hub = links.to_plane;
      links.from_hub = links.from_plane;
      const int32_t peer = gpu ^ 1;
      if (has_bridges_ && peer < gpus) {
        links.bridge = Link(first + gpu, first + peer, nvlink_);
      }
      if (num_nics_ > 0) {
        links.nic = gpu / (gpus / num_nics_);
      }
    }
    for (int32_t i = 0; i < num_nics_; ++i) {
      JoinNic(i, host);
    }
  }

  void AddNics() {
    interior_.first_nic = builder_.num_vertices() - node_ * interior_.num_vertices;
    for (int32_t i = 0; i < num_nics_; ++i) {
      Add(VertexKind::kNic, i);
    }
  }

  struct JoinedPort {
    int32_t out = 0;  // resources
    int32_t in = 0;
  };
  JoinedPort JoinNic(int32_t index, int32_t hub) {
    const int32_t nic = node_ * interior_.num_vertices + interior_.first_nic + index;
    const JoinedPort port{.out = builder_.AddResource(port_.peak, port_.sustained),
                          .in = builder_.AddResource(port_.peak, port_.sustained)};
    NodeInterior::NicLinks& links = interior_.nics[static_cast<size_t>(index)];
    links.from_hub = Link(hub, nic, port_, port.out, interior_.ports_per_nic);
    links.to_hub = Link(nic, hub, port_, port.in, interior_.ports_per_nic);
    return port;
  }

  const Cluster& cluster_;
  FabricGraphBuilder& builder_;
  bool has_nvlink_;
  bool has_bridges_ = false;
  PortCapacity nvlink_;
  PortCapacity pcie_;
  PortCapacity port_;
  int32_t num_nics_ = 0;
  int32_t node_ = 0;
  int32_t first_link_ = 0;
  NodeInterior interior_;
};

}  // namespace

PortCapacity CableOf(const Fabric& fabric) { return RateOf(fabric.bandwidth, fabric.sustained); }

PortCapacity PortOf(const Cluster& cluster) {
  return Times(CableOf(cluster.fabric),
               std::min(1.0, cluster.node.nics.bandwidth / cluster.fabric.bandwidth));
}

NodeInterior AddNodes(const Cluster& cluster, FabricGraphBuilder& builder) {
  return NodeBuilder(cluster, builder).Build();
}

}  // namespace ridgeline::hardware
