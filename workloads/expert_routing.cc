#include "workloads/expert_routing.h"

namespace ridgeline::workloads {

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
                    {.at_least = 0.0, .at_most = 10'000.0});
  return schema;
}

}  // namespace ridgeline::workloads
