#include "workloads/traffic_item.h"

#include <array>
#include <utility>

namespace ridgeline {

EnumTable<CollectiveKind> EnumNames(Tag<CollectiveKind>) {
  static constexpr std::array<std::pair<std::string_view, CollectiveKind>, 6> kTable = {{
      {"all_reduce", CollectiveKind::kAllReduce},
      {"all_gather", CollectiveKind::kAllGather},
      {"reduce_scatter", CollectiveKind::kReduceScatter},
      {"all_to_all", CollectiveKind::kAllToAll},
      {"broadcast", CollectiveKind::kBroadcast},
      {"send", CollectiveKind::kSend},
  }};
  return kTable;
}

}  // namespace ridgeline

namespace ridgeline::workloads {

EnumTable<TransferPattern> EnumNames(Tag<TransferPattern>) {
  static constexpr std::array<std::pair<std::string_view, TransferPattern>, 2> kTable = {{
      {"paired", TransferPattern::kPaired},
      {"spread", TransferPattern::kSpread},
  }};
  return kTable;
}

const Schema<GpuSet>& SchemaOf(Tag<GpuSet>) {
  static const Schema<GpuSet> schema =
      Schema<GpuSet>("GPUs of a cluster")
          .Optional("first_node", &GpuSet::first_node, "counted from 0", {.at_least = 0})
          .Optional("nodes", &GpuSet::nodes, "how many; default: all from the first",
                    {.at_least = std::optional<int64_t>(1)})
          .Optional("stride", &GpuSet::stride, "from one node to the next", {.at_least = 1})
          .Optional("first_gpu", &GpuSet::first_gpu, "of each node, counted from 0",
                    {.at_least = 0})
          .Optional("gpus_per_node", &GpuSet::gpus_per_node,
                    "so many of each node; default: all from the first",
                    {.at_least = std::optional<int64_t>(1)});
  return schema;
}

const Schema<TrafficItem>& SchemaOf(Tag<TrafficItem>) {
  static const Schema<TrafficItem> schema =
      Schema<TrafficItem>("a collective or a transfer that shares the network with others")
          .Required("name", &TrafficItem::name, "what the answer calls it")
          .Required("collective", &TrafficItem::collective, "what is done; send: a transfer")
          .Required("bytes", &TrafficItem::bytes,
                    "the full buffer, as nccl-tests counts it; of a transfer: what each sender "
                    "sends",
                    {.above = Bytes{}})
          .Optional("on", &TrafficItem::on, "who takes part; of a transfer: the senders")
          .Optional("to", &TrafficItem::to, "of a transfer: the receivers")
          .Optional("pattern", &TrafficItem::pattern,
                    "of a transfer: each sender to one receiver (paired), or a part to each "
                    "(spread)")
          .Optional("start", &TrafficItem::start, "from the start of the simulation",
                    {.at_least = Seconds{}})
          .Optional("repeat", &TrafficItem::repeat, "times, one after the other",
                    {.at_least = 1, .at_most = 100'000})
          .Rule([](const TrafficItem& item, const Node& node, const DecodeContext& context) {
            const bool is_transfer = item.collective == CollectiveKind::kSend;
            if (is_transfer && !item.to) {
              context.Key("to").Fail(node, "a transfer to nobody: " + item.name,
                                     "add to: {first_node: 1, nodes: 1}");
            }
            if (!is_transfer && item.to) {
              context.Key("to").Fail(node, "receivers of a collective: " + item.name,
                                     "only collective: send has them; remove the key");
            }
            if (item.name.empty() ||
                item.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") !=
                    std::string::npos) {
              context.Key("name").Fail(node, "not a name: '" + item.name + "'",
                                       "small letters, digits and _: names of metrics hold it");
            }
          });
  return schema;
}

}  // namespace ridgeline::workloads
