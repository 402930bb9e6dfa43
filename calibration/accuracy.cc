#include "calibration/accuracy.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

#include "base/percentile.h"
#include "calibration/cost_table.h"
#include "calibration/measured_collectives.h"
#include "calibration/measured_cost_model.h"

namespace ridgeline::calibration {
namespace {

struct Outcome {
  const Measurement* point;
  Cost cost;
  double error;  // predicted / measured - 1
};

AccuracyRow RowOf(std::string family, std::string band, std::span<const Outcome> outcomes) {
  AccuracyRow row{.family = std::move(family),
                  .band = std::move(band),
                  .points = static_cast<int64_t>(outcomes.size())};
  std::vector<double> errors;
  std::vector<double> widths;
  double inside = 0;
  for (const Outcome& outcome : outcomes) {
    const double error = std::abs(outcome.error);
    errors.push_back(error);
    widths.push_back((outcome.cost.high - outcome.cost.low) / outcome.cost.mean / 2);
    row.mape += error;
    row.bias += outcome.error;
    inside +=
        outcome.cost.low <= outcome.point->time && outcome.point->time <= outcome.cost.high ? 1 : 0;
    row.extrapolated += outcome.cost.evidence >= Evidence::kExtrapolated ? 1 : 0;
    if (error >= row.worst) {
      row.worst = error;
      row.worst_case = OperationText(outcome.point->operation);
    }
  }
  const auto count = static_cast<double>(outcomes.size());
  row.mape /= count;
  row.bias /= count;
  row.coverage = inside / count;
  row.median = ExactQuantile(errors, 0.5);
  row.p90 = ExactQuantile(errors, 0.9);
  row.median_half_width = ExactQuantile(widths, 0.5);
  return row;
}

}  // namespace

Accuracy MeasureAccuracy(std::span<const Measurement> points, const Predictor& predict) {
  struct Family {
    std::string title;
    std::vector<Outcome> outcomes;
  };
  std::vector<Family> families;
  Accuracy accuracy;
  for (const Measurement& point : points) {
    if (!point.skipped.empty()) {
      ++accuracy.unpriced;
      continue;
    }
    const Result<Cost> cost = predict(point.operation, point.condition);
    if (!cost) {
      ++accuracy.unpriced;
      continue;
    }
    FittedTable named;
    named.pattern = PatternOf(point.operation);
    named.condition = point.condition;
    std::string title = TableTitle(named);
    if (const auto* const attention = std::get_if<Attention>(&point.operation);
        attention != nullptr && attention->phase == AttentionPhase::kPrefill &&
        attention->q_len != attention->kv_len) {
      title += " behind a context";  // other kernels than a whole prompt's
    }
    auto family = std::find_if(families.begin(), families.end(),
                               [&](const Family& known) { return known.title == title; });
    if (family == families.end()) {
      family = families.insert(families.end(), Family{.title = title, .outcomes = {}});
    }
    family->outcomes.push_back(
        {.point = &point, .cost = *cost, .error = cost->mean / point.time - 1});
  }
  for (const Family& family : families) {
    std::array<std::vector<Outcome>, kNumBands> bands;
    for (const Outcome& outcome : family.outcomes) {
      bands[BandOf(outcome.point->time)].push_back(outcome);
    }
    for (size_t band = 0; band < kNumBands; ++band) {
      if (!bands[band].empty()) {
        accuracy.rows.push_back(RowOf(family.title, std::string(BandName(band)), bands[band]));
      }
    }
    accuracy.rows.push_back(RowOf(family.title, "all", family.outcomes));
  }
  return accuracy;
}

Profile OfSource(const Profile& profile, std::string_view source, std::string_view variant) {
  Profile of_source = profile;
  std::erase_if(of_source.tables, [&](const FittedTable& table) {
    return table.source != source || table.variant != variant;
  });
  for (FittedTable& table : of_source.tables) {
    table.variant.clear();  // asked for by name, it is what answers
  }
  return of_source;
}

Accuracy MeasureAccuracy(std::span<const Measurement> points, const Profile& profile,
                         const hardware::Gpu& gpu) {
  std::vector<std::pair<std::string, std::string>> kinds;  // source and variant
  for (const Measurement& point : points) {
    const std::pair kind(point.source, point.with);
    if (std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) {
      kinds.push_back(kind);
    }
  }
  Accuracy all;
  for (const auto& [source, variant] : kinds) {
    std::vector<Measurement> of_kind;
    std::copy_if(points.begin(), points.end(), std::back_inserter(of_kind),
                 [&source = source, &variant = variant](const Measurement& point) {
                   return point.source == source && point.with == variant;
                 });
    Profile tables = OfSource(profile, source, variant);
    if (tables.tables.empty()) {
      if (!variant.empty()) {
        all.unpriced += static_cast<int64_t>(of_kind.size());
        continue;
      }
      tables = profile;
    }
    const MeasuredCostModel model(tables, gpu);
    const CollectiveTables collectives(tables, gpu);
    Accuracy accuracy = MeasureAccuracy(
        of_kind, [&](const TimedOperation& operation, const Condition& condition) -> Result<Cost> {
          if (const auto* const collective = std::get_if<Collective>(&operation)) {
            const auto cost = collectives.Measured(*collective, condition);
            return cost ? Result<Cost>(*cost) : NotFound("not in the profile");
          }
          return model.CostOf(operation, condition);
        });
    for (AccuracyRow& row : accuracy.rows) {
      row.family += variant.empty() ? "" : " (" + variant + ")";
      row.family += source == "own" ? "" : " (imported)";
      row.source = source;
      all.rows.push_back(std::move(row));
    }
    all.unpriced += accuracy.unpriced;
  }
  return all;
}

}  // namespace ridgeline::calibration
