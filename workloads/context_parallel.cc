#include "workloads/context_parallel.h"

#include <array>
#include <utility>

namespace ridgeline::workloads {

EnumTable<ContextExchange> EnumNames(Tag<ContextExchange>) {
  static constexpr std::array<std::pair<std::string_view, ContextExchange>, 4> kTable = {{
      {"ring", ContextExchange::kRing},
      {"all-to-all", ContextExchange::kAllToAll},
      {"all-gather", ContextExchange::kAllGather},
      {"both", ContextExchange::kBoth},
  }};
  return kTable;
}

const Schema<ContextParallel>& SchemaOf(Tag<ContextParallel>) {
  static const Schema<ContextParallel> schema =
      Schema<ContextParallel>("how ranks that share a sequence attend to all of it")
          .Optional("exchange", &ContextParallel::exchange,
                    "ring, all-to-all (Ulysses), all-gather, or both: all-to-all inside a ring; "
                    "default: the framework's")
          .Optional("inner", &ContextParallel::inner,
                    "with exchange both: ranks of the all-to-all inside",
                    {.at_least = 1, .at_most = int64_t{1} << 20});
  return schema;
}

}  // namespace ridgeline::workloads
