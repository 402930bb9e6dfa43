#include "workloads/expert_routing.h"

#include <array>
#include <cmath>
#include <utility>

namespace ridgeline::workloads {

EnumTable<ExpertDispatch> EnumNames(Tag<ExpertDispatch>) {
  static constexpr std::array<std::pair<std::string_view, ExpertDispatch>, 2> kTable = {{
      {"all-to-all", ExpertDispatch::kAllToAll},
      {"deduplicated", ExpertDispatch::kDeduplicated},
  }};
  return kTable;
}

double DistinctPlaces(int64_t places, int64_t experts_per_token) {
  const auto count = static_cast<double>(places);
  return count * (1 - std::pow(1 - 1 / count, static_cast<double>(experts_per_token)));
}

const Schema<ExpertRouting>& SchemaOf(Tag<ExpertRouting>) {
  static const Schema<ExpertRouting> schema =
      Schema<ExpertRouting>("how tokens spread over experts")
          .Optional("capacity_factor", &ExpertRouting::capacity_factor,
                    "tokens that an expert takes at most, over an even share; others are dropped. "
                    "Default: dropless",
                    {.at_least = 0.01, .at_most = 1000.0})
          .Optional("imbalance", &ExpertRouting::imbalance,
                    "dropless: tokens of the most loaded rank over an even share",
                    {.at_least = 1.0, .at_most = 10'000.0})
          .Optional("imbalance_spread", &ExpertRouting::imbalance_spread,
                    "standard deviation of that factor over layers and micro-batches",
                    {.at_least = 0.0, .at_most = 10'000.0})
          .Optional("dispatch", &ExpertRouting::dispatch,
                    "a copy of a token for each expert, or deduplicated: for each node that holds "
                    "any of them (DeepEP)");
  return schema;
}

}  // namespace ridgeline::workloads
