#include "hardware/fabric_wiring.h"

#include <array>

namespace ridgeline {

std::optional<hardware::WiringName> Codec<hardware::WiringName>::Decode(
    const Node& node, const DecodeContext& context) {
  std::optional<std::string> text = internal::DecodeName(node, context);
  if (!text) {
    return std::nullopt;
  }
  return hardware::WiringName{.text = *std::move(text),
                              .written = {.where = node.where, .path = context.path}};
}

namespace hardware {
namespace {

constexpr std::array<std::pair<std::string_view, PartState>, 2> kPartStates = {
    {{"up", PartState::kUp}, {"down", PartState::kDown}}};

void CheckFault(const FabricFault& fault, const ::ridgeline::Node& node,
                const DecodeContext& context) {
  const bool is_link = !fault.link.text.empty();
  const bool is_switch = !fault.switch_name.text.empty();
  if (is_link == is_switch) {
    context.Fail(node,
                 is_link ? "a fault of a link and of a switch at once" : "a fault without a place",
                 "write {link: leaf3-spine1, state: down} or {switch: spine1, state: down}");
  } else if (is_switch && fault.bandwidth) {
    context.Key("bandwidth")
        .Fail(node, "bandwidth of a switch: " + fault.switch_name.text,
              "only a link has one: name it as link: leaf3-spine1, or write state: down");
  } else if (fault.state == PartState::kUp && !fault.bandwidth) {
    context.Fail(node, "a fault that changes nothing",
                 is_link ? "write state: down, or bandwidth: what is left of the link"
                         : "write state: down");
  } else if (fault.state == PartState::kDown && fault.bandwidth) {
    context.Key("bandwidth")
        .Fail(node, "bandwidth of a link that is down: " + fault.link.text,
              "leave out one of state and bandwidth");
  }
}

}  // namespace

EnumTable<PartState> EnumNames(Tag<PartState>) { return kPartStates; }

const Schema<WiredLink>& SchemaOf(Tag<WiredLink>) {
  static const Schema<WiredLink> schema =
      Schema<WiredLink>("cables between two parts of a custom fabric, both ways")
          .Required("from", &WiredLink::from, "switches or ports: leaf0, node[0-15].nic[0-7]")
          .Required("to", &WiredLink::to, "switches or ports, each joined with each of from")
          .Optional("bandwidth", &WiredLink::bandwidth,
                    "of one cable, each way; the fabric's port by default",
                    {.above = BytesPerSecond{}})
          .Optional("latency", &WiredLink::latency,
                    "of a cable; by default half the fabric's at a port, hop_latency between "
                    "switches; not in times yet, which take the fabric's",
                    {.at_least = Seconds{}})
          .Optional("count", &WiredLink::count, "cables from each to each",
                    {.at_least = 1, .at_most = 65536});
  return schema;
}

const Schema<FabricFault>& SchemaOf(Tag<FabricFault>) {
  static const Schema<FabricFault> schema =
      Schema<FabricFault>("a link or a switch that is not as built")
          .Optional("link", &FabricFault::link, "two names: leaf3-spine1, node5.nic0-leaf0")
          .Optional("switch", &FabricFault::switch_name, "one name: spine1")
          .Optional("state", &FabricFault::state, "down takes the part out")
          .Optional("bandwidth", &FabricFault::bandwidth,
                    "what is left of all cables of a link together, each way",
                    {.above = BytesPerSecond{}})
          .Rule(CheckFault);
  return schema;
}

}  // namespace hardware
}  // namespace ridgeline
