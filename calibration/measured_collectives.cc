#include "calibration/measured_collectives.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"

namespace ridgeline::calibration {
namespace {

/// Tables are of what the library chose by itself.
bool IsNamed(const Collective& collective) {
  return collective.algorithm != CollectiveAlgorithm::kChosen ||
         collective.protocol != CollectiveProtocol::kChosen;
}

}  // namespace

CollectiveTables::CollectiveTables(const Profile& profile, const hardware::Gpu& gpu) {
  for (const FittedTable& table : profile.tables) {
    if (std::holds_alternative<Collective>(table.pattern)) {
      tables_.emplace_back(table, gpu, 0.0);
    }
  }
}

std::optional<Cost> CollectiveTables::Measured(const Collective& collective,
                                               const Condition& condition) const {
  if (collective.group.ranks_per_node < collective.group.ranks || IsNamed(collective)) {
    return std::nullopt;
  }
  std::optional<Cost> other_type;
  for (const CostTable& table : tables_) {
    const auto& pattern = std::get<Collective>(table.fitted().pattern);
    if (pattern.kind != collective.kind || table.fitted().condition != condition) {
      continue;
    }
    Cost cost = table.CostOf(collective);
    if (cost.evidence >= Evidence::kExtrapolated) {
      continue;
    }
    if (pattern.dtype == collective.dtype) {
      return cost;
    }
    if (!other_type) {
      // Bytes are what a collective costs, of whichever type; but this one was not measured.
      cost.evidence = Worse(cost.evidence, Evidence::kInterpolated);
      other_type = cost;
    }
  }
  return other_type;
}

std::optional<Bytes> CollectiveTables::Most(const Collective& collective) const {
  std::optional<Bytes> most;
  for (const CostTable& table : tables_) {
    const FittedTable& fitted = table.fitted();
    if (std::get<Collective>(fitted.pattern).kind != collective.kind ||
        fitted.condition != Condition{}) {
      continue;
    }
    for (const Shape& shape : fitted.shapes) {
      const Bytes bytes = Bytes::FromBase(static_cast<double>(shape.sizes[0]));
      if (shape.sizes[1] == collective.group.ranks && (!most || *most < bytes)) {
        most = bytes;
      }
    }
  }
  return most;
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
  const Cost analytic = otherwise_->CostOf(collective);
  // Beyond the largest measured size the closed form goes on, at the bandwidth that was reached.
  const std::optional<Bytes> most = tables_->Most(collective);
  if (!most || !(*most < collective.bytes) || IsNamed(collective)) {
    return analytic;
  }
  Collective largest = collective;
  largest.bytes = *most;
  const std::optional<Cost> measured = tables_->Measured(largest, Condition{});
  const Cost closed = otherwise_->CostOf(largest);
  if (!measured || !(Seconds() < closed.mean)) {
    return analytic;
  }
  const Seconds mean = analytic.mean * (measured->mean / closed.mean);
  return Cost{.mean = mean,
              .low = std::min(mean * (measured->low / measured->mean), mean),
              .high = std::max(mean * (measured->high / measured->mean), mean),
              .evidence = Evidence::kExtrapolated};
}

std::vector<hardware::RateInUse> MeasuredCollectives::RatesFor(
    const hardware::RunProfile& run) const {
  std::vector<hardware::RateInUse> rates;
  if (run.gpus > 1) {
    for (const CostTable& table : tables_->tables()) {
      const FittedTable& fitted = table.fitted();
      if (fitted.condition == Condition{}) {
        rates.push_back({.what = TableTitle(fitted) + " inside a node",
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
