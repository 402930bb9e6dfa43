#include "hardware/fabric.h"

#include <array>

namespace ridgeline::hardware {
namespace {
constexpr std::array<std::pair<std::string_view, FabricKind>, 3> kFabricKinds = {
    {{"none", FabricKind::kNone},
     {"rail-optimized", FabricKind::kRailOptimized},
     {"fat-tree", FabricKind::kFatTree}}};
}  // namespace

EnumTable<FabricKind> EnumNames(Tag<FabricKind>) { return kFabricKinds; }

const Schema<Fabric>& SchemaOf(Tag<Fabric>) {
  static const Schema<Fabric> schema =
      Schema<Fabric>("the network between nodes")
          .Optional("name", &Fabric::name, "as in configs/fabrics; the file's name by default")
          .Optional("title", &Fabric::title, "for people")
          .Optional("aliases", &Fabric::aliases, "other names")
          .Optional("kind", &Fabric::kind,
                    "how leaves and ports are wired; says which fabric is a default, prices come "
                    "from the figures")
          .Required("bandwidth", &Fabric::bandwidth, "of one port, each way",
                    {.above = BytesPerSecond{}})
          .Optional("sustained", &Fabric::sustained, "what NCCL gets through one port")
          .Optional("oversubscription", &Fabric::oversubscription,
                    "downlink over uplink capacity of a leaf", {.at_least = 1.0})
          .Optional("nodes_per_leaf", &Fabric::nodes_per_leaf,
                    "nodes that reach each other below the uplinks", {.at_least = 1})
          .Required("latency", &Fabric::latency, "one way between two nodes, software excluded",
                    {.at_least = Seconds{}})
          .Optional("sources", &Fabric::sources, "key -> where the figure was read")
          .Rule([](const Fabric& fabric, const ::ridgeline::Node& node,
                   const DecodeContext& context) {
            if (fabric.sustained && fabric.bandwidth < fabric.sustained->high) {
              context.Key("sustained")
                  .Fail(node,
                        fmt::format("sustained above the port's bandwidth of {}: {}",
                                    Format(fabric.bandwidth), Format(fabric.sustained->high)),
                        "nothing sustains more than its peak: check both figures");
            }
          });
  return schema;
}

}  // namespace ridgeline::hardware
