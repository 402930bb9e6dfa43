#include "workloads/optimizer.h"

#include <array>
#include <utility>

namespace ridgeline::workloads {

EnumTable<OptimizerKind> EnumNames(Tag<OptimizerKind>) {
  static constexpr std::array<std::pair<std::string_view, OptimizerKind>, 6> kTable = {{
      {"adam", OptimizerKind::kAdam},
      {"adamw", OptimizerKind::kAdamW},
      {"adam-8bit", OptimizerKind::kAdam8Bit},
      {"sgd", OptimizerKind::kSgd},
      {"adafactor", OptimizerKind::kAdafactor},
      {"muon", OptimizerKind::kMuon},
  }};
  return kTable;
}

}  // namespace ridgeline::workloads
