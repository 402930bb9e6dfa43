#include "hardware/node.h"

#include <array>

namespace ridgeline::hardware {
namespace {
constexpr std::array<std::pair<std::string_view, IntraNodeLink>, 3> kIntraNodeLinks = {
    {{"nvswitch", IntraNodeLink::kNvSwitch},
     {"nvlink-bridge", IntraNodeLink::kNvLinkBridge},
     {"pcie", IntraNodeLink::kPcie}}};
}  // namespace

EnumTable<IntraNodeLink> EnumNames(Tag<IntraNodeLink>) { return kIntraNodeLinks; }

const Schema<Nics>& SchemaOf(Tag<Nics>) {
  static const Schema<Nics> schema =
      Schema<Nics>("network ports for compute traffic")
          .Required("count", &Nics::count, "ports of a node", {.at_least = 0, .at_most = 1024})
          .Required("bandwidth", &Nics::bandwidth, "of one port, each way",
                    {.above = BytesPerSecond{}});
  return schema;
}

const Schema<Storage>& SchemaOf(Tag<Storage>) {
  static const Schema<Storage> schema =
      Schema<Storage>("bandwidth of a node's storage")
          .Required("read", &Storage::read, "all of a node's reads together",
                    {.above = BytesPerSecond{}})
          .Required("write", &Storage::write, "all of a node's writes together",
                    {.above = BytesPerSecond{}});
  return schema;
}

const Schema<Node>& SchemaOf(Tag<Node>) {
  static const Schema<Node> schema =
      Schema<Node>("a server: GPUs, what joins them, network ports, host memory and storage")
          .Optional("name", &Node::name, "as in configs/nodes; the file's name by default")
          .Optional("title", &Node::title, "for people")
          .Optional("aliases", &Node::aliases, "other names")
          .Required("gpu", &Node::gpu, "a name under configs/gpus, a path, or the GPU itself")
          .Optional("gpus", &Node::gpus, "GPUs of a node", {.at_least = 1, .at_most = 1024})
          .Optional("intra", &Node::intra, "what joins the GPUs of a node")
          .Optional("in_switch_reduction", &Node::in_switch_reduction,
                    "the switches add (NVLink SHARP, NVSwitch generation 3 and later)")
          .Optional("nics", &Node::nics, "network ports for compute traffic; none by default")
          .Optional("host_memory", &Node::host_memory, "DRAM of the host", {.at_least = Bytes{}})
          .Optional("host_memory_bandwidth", &Node::host_memory_bandwidth,
                    "all channels of all sockets", {.at_least = BytesPerSecond{}})
          .Optional("nvme", &Node::nvme, "local disks together")
          .Optional("shared_storage", &Node::shared_storage,
                    "a node's share of the cluster's file system when all nodes use it")
          .Optional("power", &Node::power, "highest draw of the whole node", {.at_least = Watts{}})
          .Optional("sources", &Node::sources, "key -> where the figure was read");
  return schema;
}

}  // namespace ridgeline::hardware
