#include "hardware/network_model.h"

#include <array>
#include <utility>

namespace ridgeline::hardware {

EnumTable<NetworkFidelity> EnumNames(Tag<NetworkFidelity>) {
  static constexpr std::array<std::pair<std::string_view, NetworkFidelity>, 3> kTable = {{
      {"analytic", NetworkFidelity::kAnalytic},
      {"flow", NetworkFidelity::kFlow},
      {"simgrid", NetworkFidelity::kSimGrid},
  }};
  return kTable;
}

const Schema<NetworkModel>& SchemaOf(Tag<NetworkModel>) {
  static const Schema<NetworkModel> schema =
      Schema<NetworkModel>("how the network is priced")
          .Optional("fidelity", &NetworkModel::fidelity,
                    "closed forms (analytic), flows that share links (flow), or SimGrid")
          .Optional("library", &NetworkModel::library,
                    "whose collectives: a name under configs/collectives")
          .Optional("pxn", &NetworkModel::pxn,
                    "all-to-all goes through the GPU that owns the destination's rail")
          .Optional("sharp", &NetworkModel::sharp,
                    "the fabric's switches add: collectives may use CollNet")
          .Optional("seed", &NetworkModel::seed, "of the hash that spreads flows over equal paths",
                    {.at_least = 0});
  return schema;
}

}  // namespace ridgeline::hardware
