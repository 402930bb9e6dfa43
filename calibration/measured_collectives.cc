#include "calibration/measured_collectives.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"

namespace ridgeline::calibration {

MeasuredCollectives::MeasuredCollectives(Profile profile, const hardware::Gpu& gpu, bool links_hold,
                                         const hardware::CollectiveCost* otherwise)
    : otherwise_(otherwise) {
  CHECK(otherwise != nullptr);
  if (!links_hold || profile.gpu != gpu.name) {
    return;
  }
  for (FittedTable& table : profile.tables) {
    if (std::holds_alternative<Collective>(table.pattern)) {
      tables_.emplace_back(std::move(table), gpu, 0.0);
    }
  }
}

std::optional<Cost> MeasuredCollectives::Measured(const Collective& collective,
                                                  const Condition& condition) const {
  for (const CostTable& table : tables_) {
    // Bytes are what a collective costs, of whichever type.
    if (std::get<Collective>(table.fitted().pattern).kind != collective.kind ||
        table.fitted().condition != condition) {
      continue;
    }
    const Cost cost = table.CostOf(collective);
    if (cost.evidence < Evidence::kExtrapolated) {
      return cost;
    }
  }
  return std::nullopt;
}

Cost MeasuredCollectives::CostOf(const Collective& collective) const {
  if (collective.group.ranks <= 1) {
    return {.mean = {}, .low = {}, .high = {}, .evidence = Evidence::kMeasured};
  }
  if (std::optional<Cost> cost = Measured(collective, Condition{})) {
    return *cost;
  }
  return otherwise_->CostOf(collective);
}

std::vector<hardware::RateInUse> MeasuredCollectives::RatesFor(
    const hardware::RunProfile& run) const {
  std::vector<hardware::RateInUse> rates;
  if (run.gpus > 1) {
    for (const CostTable& table : tables_) {
      const FittedTable& fitted = table.fitted();
      if (fitted.condition == Condition{}) {
        rates.push_back(
            {.what = TableTitle(fitted) + " inside a node",
             .value = fmt::format("{} measured sizes, leave-one-out error {:.1f} %",
                                  fitted.shapes.size(), 100 * fitted.leave_one_out.median),
             .of_peak = fitted.settings.physics.memory_share,
             .source = fitted.source});
      }
    }
  }
  for (hardware::RateInUse& rate : otherwise_->RatesFor(run)) {
    rates.push_back(std::move(rate));
  }
  return rates;
}

}  // namespace ridgeline::calibration
