#include "calibration/fit.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <set>
#include <string>

#include <fmt/format.h>

#include "base/percentile.h"
#include "calibration/table_fit.h"

namespace ridgeline::calibration {
namespace {

struct Group {
  const Measurement* first = nullptr;
  TimedOperation pattern;
  std::vector<std::pair<Shape, double>> points;  // log of seconds
};

bool IsSameTable(const Group& group, const Measurement& point, const TimedOperation& pattern) {
  return group.pattern == pattern && group.first->condition == point.condition &&
         group.first->source == point.source && group.first->with == point.with;
}

/// Faster than the vendor's peaks allow: no kernel did that work in that time.
bool IsImpossible(const Measurement& point, const hardware::Gpu& gpu) {
  constexpr double kSlack = 0.9;  // clocks above the one that peaks are stated at
  constexpr double kShortest = 1e-8;
  const MachineRates rates = RatesOf(gpu, PatternOf(point.operation));
  const double at_peak = std::holds_alternative<Collective>(point.operation)
                             ? 0
                             : FeaturesOf(point.operation, rates).compute_seconds;
  return point.time.base() < std::max(kSlack * at_peak, kShortest);
}

/// Sorted, one row a shape: the median of what was measured of it.
TableRows RowsOf(Group& group) {
  std::sort(group.points.begin(), group.points.end());
  TableRows rows;
  for (size_t begin = 0; begin < group.points.size();) {
    size_t end = begin;
    while (end < group.points.size() && group.points[end].first == group.points[begin].first) {
      ++end;
    }
    const size_t count = end - begin;
    const double median =
        (group.points[begin + (count - 1) / 2].second + group.points[begin + count / 2].second) / 2;
    rows.shapes.push_back(group.points[begin].first);
    rows.log_times.push_back(static_cast<float>(median));
    begin = end;
  }
  return rows;
}

/// The residual of the table that this group's starts from, of the same source; null: none there.
std::shared_ptr<const Prior> PriorFor(const Group& group, const Profile& profile) {
  const std::optional<Kin> kin = KinOf(group.pattern, group.first->condition);
  if (!kin || !group.first->with.empty()) {
    return nullptr;
  }
  for (const FittedTable& table : profile.tables) {
    if (table.pattern == kin->pattern && table.condition == kin->condition &&
        table.source == group.first->source && table.variant.empty()) {
      return PriorOf(table);
    }
  }
  return nullptr;
}

double SecondsAtPeak(const TimedOperation& operation, const MachineRates& rates) {
  return FeaturesOf(operation, rates).compute_seconds;
}

/// Sustained points against what the tables say of a burst: those of their own source, or where
/// that has none, of any. Those of operations that no such table holds say nothing.
SustainedLaw FitSustained(std::span<const Measurement* const> points, const hardware::Gpu& gpu,
                          const Profile& profile) {
  std::set<std::string> burst_sources;
  for (const FittedTable& fitted : profile.tables) {
    burst_sources.insert(fitted.source);
  }
  std::vector<SustainedPoint> slowdowns;
  for (const FittedTable& fitted : profile.tables) {
    std::optional<CostTable> table;
    for (const Measurement* const sustained : points) {
      const Measurement& point = *sustained;
      Condition burst = point.condition;
      burst.clock = hardware::Clock::kBurst;
      if (burst != fitted.condition || !fitted.variant.empty() ||
          PatternOf(point.operation) != fitted.pattern ||
          (point.source != fitted.source && burst_sources.contains(point.source))) {
        continue;
      }
      if (!table) {
        table.emplace(fitted, gpu, 0);
      }
      const Cost cost = table->CostOf(point.operation);
      if (cost.evidence < Evidence::kExtrapolated) {
        const double seconds = cost.mean.base();
        slowdowns.push_back({.utilisation = SecondsAtPeak(point.operation, fitted.rates) / seconds,
                             .log_slowdown = std::log(point.time.base() / seconds)});
      }
    }
  }
  return FitSustainedLaw(slowdowns);
}

}  // namespace

SplitPoints SplitHeldOut(std::vector<Measurement> points) {
  SplitPoints split;
  for (Measurement& point : points) {
    (IsHeldOut(point) ? split.held_out : split.to_fit).push_back(std::move(point));
  }
  return split;
}

Result<Fitted> Fit(std::span<const Measurement> points, const hardware::Gpu& gpu, const Stop& stop,
                   const FitOptions& options) {
  Fitted result;
  std::vector<Group> groups;
  std::vector<const Measurement*> sustained;
  size_t last = 0;  // points of a table come together
  for (const Measurement& point : points) {
    if (IsHeldOut(point)) {
      return Fail({.code = ErrorCode::kFailedPrecondition,
                   .message = fmt::format("a held-out point is given to fit: {} {}", IdOf(point),
                                          OperationText(point.operation)),
                   .hint = "points whose id ends in an odd digit are for `calibrate check` alone"});
    }
    if (point.gpu != gpu.name || std::holds_alternative<OtherOperation>(point.operation)) {
      ++result.counts.other;
    } else if (!point.skipped.empty()) {
      ++result.counts.skipped;
    } else if (point.busy && !options.takes_busy) {
      ++result.counts.busy;
    } else if (IsImpossible(point, gpu)) {
      ++result.counts.impossible;
    } else if (point.condition.clock == hardware::Clock::kSustained) {
      ++result.counts.used;
      if (point.with.empty()) {
        sustained.push_back(&point);  // the law's, which makes no table of so few
      }
    } else {
      const TimedOperation pattern = PatternOf(point.operation);
      if (last >= groups.size() || !IsSameTable(groups[last], point, pattern)) {
        last = static_cast<size_t>(
            std::find_if(groups.begin(), groups.end(),
                         [&](const Group& group) { return IsSameTable(group, point, pattern); }) -
            groups.begin());
      }
      if (last == groups.size()) {
        groups.push_back({.first = &point, .pattern = pattern, .points = {}});
      }
      groups[last].points.emplace_back(ShapeOf(point.operation), std::log(point.time.base()));
      ++result.counts.used;
      if (result.profile.device.empty()) {
        result.profile.device = point.device;
      }
    }
  }
  // What was measured as frameworks run it precedes its variants.
  std::stable_partition(groups.begin(), groups.end(),
                        [](const Group& group) { return group.first->with.empty(); });
  std::stable_partition(groups.begin(), groups.end(),
                        [](const Group& group) { return group.first->source == "own"; });
  // Whatever others start from comes before them.
  std::stable_sort(groups.begin(), groups.end(), [](const Group& a, const Group& b) {
    return Generation(a.pattern, a.first->condition) < Generation(b.pattern, b.first->condition);
  });
  for (Group& group : groups) {
    RETURN_IF_ERROR(stop.Check());
    TableRows rows = RowsOf(group);
    result.counts.repeated += static_cast<int64_t>(group.points.size() - rows.shapes.size());
    if (rows.shapes.size() < kFewestRows) {
      result.counts.sparse += static_cast<int64_t>(rows.shapes.size());
      continue;
    }
    FittedTable table = FitTable(group.pattern, std::move(rows), RatesOf(gpu, group.pattern),
                                 PriorFor(group, result.profile));
    table.condition = group.first->condition;
    table.source = group.first->source;
    table.library = group.first->library;
    table.variant = group.first->with;
    result.profile.tables.push_back(std::move(table));
  }
  if (result.profile.tables.empty()) {
    return InvalidArgument(
        fmt::format("no table of at least {} points of {} to fit", kFewestRows, gpu.name));
  }
  result.profile.sustained = FitSustained(sustained, gpu, result.profile);
  result.profile.gpu = gpu.name;
  result.profile.architecture = gpu.architecture;
  return result;
}

}  // namespace ridgeline::calibration
