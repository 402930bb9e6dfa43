#include "hardware/tree_wiring.h"

#include <fmt/format.h>

namespace ridgeline::hardware {
namespace {

PortCapacity Times(PortCapacity port, double factor) {
  return {.peak = port.peak * factor, .sustained = port.sustained * factor};
}

}  // namespace

PortCapacity LeafUplink(const TreePlan& plan, const Fabric& fabric) {
  return Times(CableOf(fabric), static_cast<double>(plan.leaf_ports) / fabric.oversubscription);
}

PortCapacity SpineUplink(const TreePlan& plan, const Fabric& fabric) {
  return Times(LeafUplink(plan, fabric),
               static_cast<double>(plan.leaves_per_pod) /
                   (fabric.pod_oversubscription * static_cast<double>(plan.spines)));
}

void Deal(int32_t from, const std::vector<int32_t>& to, int64_t first, int64_t cables,
          PortCapacity all, FabricGraphBuilder& builder) {
  const auto n = static_cast<int64_t>(to.size());
  // In whole rounds every target gets the same; the rest goes to those that come first.
  const int64_t rounds = cables / n;
  const int64_t rest = cables % n;
  for (int64_t i = 0; i < (rounds > 0 ? n : rest); ++i) {
    const int64_t count = rounds + (i < rest ? 1 : 0);
    const PortCapacity share = Times(all, static_cast<double>(count) / static_cast<double>(cables));
    builder.Join({.a = from,
                  .b = to[static_cast<size_t>((first + i) % n)],
                  .peak = share.peak,
                  .sustained = share.sustained,
                  .latency = builder.cluster().fabric.hop_latency,
                  .cables = count});
  }
}

TreeSwitches AddTree(const TreePlan& plan, FabricGraphBuilder& builder) {
  const Fabric& fabric = builder.cluster().fabric;
  TreeSwitches switches;
  for (int64_t i = 0; i < plan.leaves; ++i) {
    switches.leaves.push_back(builder.AddSwitch(VertexKind::kLeaf, fmt::format("leaf{}", i)));
  }
  for (int64_t i = 0; i < plan.pods * plan.spines; ++i) {
    switches.spines.push_back(builder.AddSwitch(VertexKind::kSpine, fmt::format("spine{}", i)));
  }
  std::vector<int32_t> cores;
  for (int64_t i = 0; i < plan.cores; ++i) {
    cores.push_back(builder.AddSwitch(VertexKind::kCore, fmt::format("core{}", i)));
  }
  if (plan.spines > 0) {
    for (int64_t leaf = 0; leaf < plan.leaves; ++leaf) {
      const int64_t pod = leaf / plan.leaves_per_pod;
      const auto begin = switches.spines.begin() + pod * plan.spines;
      Deal(switches.leaves[static_cast<size_t>(leaf)], {begin, begin + plan.spines},
           leaf % plan.leaves_per_pod * plan.uplinks, plan.uplinks, LeafUplink(plan, fabric),
           builder);
    }
  }
  if (plan.cores > 0) {
    for (size_t spine = 0; spine < switches.spines.size(); ++spine) {
      const int64_t in_pod = static_cast<int64_t>(spine) % plan.spines;
      Deal(switches.spines[spine], cores, in_pod * plan.spine_uplinks, plan.spine_uplinks,
           SpineUplink(plan, fabric), builder);
    }
  }
  return switches;
}

void HangPort(int64_t node, int64_t nic, int32_t leaf, FabricGraphBuilder& builder) {
  const int32_t ports = builder.interior().ports_per_nic;
  const PortCapacity port = Times(PortOf(builder.cluster()), ports);
  builder.Join({.a = builder.nic(node, nic),
                .b = leaf,
                .peak = port.peak,
                .sustained = port.sustained,
                .latency = builder.cluster().fabric.latency / 2,
                .cables = ports});
}

}  // namespace ridgeline::hardware
