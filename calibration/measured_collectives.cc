#include "calibration/measured_collectives.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"

namespace ridgeline::calibration {

CollectiveTables::CollectiveTables(const Profile& profile, const hardware::Gpu& gpu) {
  for (const FittedTable& table : profile.tables) {
    if (std::holds_alternative<Collective>(table.pattern)) {
      tables_.emplace_back(table, gpu, 0.0);
    }
  }
}

std::optional<Cost> CollectiveTables::Measured(const Collective& collective,
                                               const Condition& condition) const {
  if (collective.group.ranks_per_node < collective.group.ranks) {
    return std::nullopt;
  }
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

MeasuredCollectives::MeasuredCollectives(std::shared_ptr<const CollectiveTables> tables,
                                         std::unique_ptr<const hardware::CollectiveCost> otherwise)
    : tables_(std::move(tables)), otherwise_(std::move(otherwise)) {
  CHECK(tables_ != nullptr && otherwise_ != nullptr);
}

Cost MeasuredCollectives::CostOf(const Collective& collective) const {
  if (collective.group.ranks <= 1 || !(Bytes() < collective.bytes)) {
    return {.mean = {}, .low = {}, .high = {}, .evidence = Evidence::kMeasured};
  }
  if (std::optional<Cost> cost = tables_->Measured(collective, Condition{})) {
    return *cost;
  }
  return otherwise_->CostOf(collective);
}

std::vector<hardware::RateInUse> MeasuredCollectives::RatesFor(
    const hardware::RunProfile& run) const {
  std::vector<hardware::RateInUse> rates;
  if (run.gpus > 1) {
    for (const CostTable& table : tables_->tables()) {
      const FittedTable& fitted = table.fitted();
      if (fitted.condition == Condition{}) {
        rates.push_back(
            {.what = TableTitle(fitted) + " inside a node",
             .value = fmt::format("{} measured sizes, error of unseen ones {:.1f} %",
                                  fitted.shapes.size(), 100 * fitted.unseen.median),
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
