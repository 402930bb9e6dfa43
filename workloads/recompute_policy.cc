#include "workloads/recompute_policy.h"

#include <array>
#include <utility>

namespace ridgeline::workloads {

EnumTable<Recompute> EnumNames(Tag<Recompute>) {
  static constexpr std::array<std::pair<std::string_view, Recompute>, 6> kNames{
      {{"none", Recompute::kNone},
       {"selective", Recompute::kSelective},
       {"full", Recompute::kFull},
       {"modules", Recompute::kModules},
       {"operations", Recompute::kOperations},
       {"optimal", Recompute::kOptimal}}};
  return kNames;
}

EnumTable<RecomputeModule> EnumNames(Tag<RecomputeModule>) {
  static constexpr std::array<std::pair<std::string_view, RecomputeModule>, 7> kNames{
      {{"core-attention", RecomputeModule::kCoreAttention},
       {"norm", RecomputeModule::kNorm},
       {"activation", RecomputeModule::kActivation},
       {"feed-forward", RecomputeModule::kFeedForward},
       {"mixture", RecomputeModule::kMixture},
       {"experts", RecomputeModule::kExperts},
       {"up-projection", RecomputeModule::kUpProjection}}};
  return kNames;
}

const Schema<RecomputePolicy>& SchemaOf(Tag<RecomputePolicy>) {
  static const Schema<RecomputePolicy> schema =
      Schema<RecomputePolicy>("what exactly is computed again")
          .Optional("layers", &RecomputePolicy::layers,
                    "with recompute full: only the first n layers of each chunk",
                    {.at_least = 0, .at_most = 100'000})
          .Optional("modules", &RecomputePolicy::modules,
                    "with recompute modules: which parts of a layer")
          .Optional("budget", &RecomputePolicy::budget,
                    "with recompute optimal: memory a GPU may take; default: all of it");
  return schema;
}

const Schema<Offload>& SchemaOf(Tag<Offload>) {
  static const Schema<Offload> schema =
      Schema<Offload>("what waits in the host's memory")
          .Optional("activations", &Offload::activations, "share of the kept activations, 0 to 1",
                    {.at_least = 0.0, .at_most = 1.0})
          .Optional("optimizer", &Offload::optimizer,
                    "optimizer states, which the host's processors update");
  return schema;
}

}  // namespace ridgeline::workloads
