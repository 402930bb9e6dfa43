// Prices from a fitted profile: loading it (30 ms), and one operation at a time over shapes that it
// was not fitted to (100,000 lines of `ridgeline cost` a second leave 10 us for each, reading and
// writing included). The answers are checked against the measured times.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "base/check.h"
#include "base/diagnostic.h"
#include "base/percentile.h"
#include "calibration/fit.h"
#include "calibration/measured_cost_model.h"
#include "calibration/point_source.h"
#include "hardware/catalog.h"

namespace ridgeline::calibration {
namespace {

const std::filesystem::path kCalibration = RIDGELINE_SOURCE_DIR "/configs/calibration";

template <class T>
T Must(Result<T> result) {
  CHECK(result.has_value(), "{}", result ? "" : RenderError(result.error()));
  return *std::move(result);
}

hardware::Gpu H100() {
  const hardware::Catalog catalog({RIDGELINE_SOURCE_DIR "/configs"});
  Reference<hardware::Gpu> reference;
  reference.name = "h100-sxm";
  return Must(catalog.ResolveGpu(reference));
}

void Load(benchmark::State& state) {
  const hardware::Gpu gpu = H100();
  for (auto _ : state) {
    const MeasuredCostModel model(Must(ReadProfile(kCalibration / "h100-sxm.calibration")), gpu);
    benchmark::DoNotOptimize(&model);
  }
}

/// Held-out points of one family, in the steady condition.
std::vector<Measurement> HeldOut(const char* family) {
  const std::string file = std::string("points/h100-sxm-") + family + ".jsonl.gz";
  std::vector<Measurement> points =
      SplitHeldOut(Must(ReadPointSource(kCalibration / file, "h100-sxm")).points).held_out;
  std::erase_if(points, [](const Measurement& point) {
    return !point.skipped.empty() || !point.with.empty() || point.condition != Condition{} ||
           std::holds_alternative<OtherOperation>(point.operation);
  });
  return points;
}

void Price(benchmark::State& state, const char* family) {
  const MeasuredCostModel model(Must(ReadProfile(kCalibration / "h100-sxm.calibration")), H100());
  const std::vector<Measurement> points = HeldOut(family);
  std::vector<double> predicted(points.size());
  for (auto _ : state) {
    for (size_t i = 0; i < points.size(); ++i) {
      predicted[i] = Must(model.CostOf(points[i].operation, Condition{})).mean.base();
    }
  }
  std::vector<double> errors;
  for (size_t i = 0; i < points.size(); ++i) {
    errors.push_back(std::abs(predicted[i] / points[i].time.base() - 1));
  }
  const double median = ExactQuantile(errors, 0.5);
  CHECK(median < 0.03, "{}: a median error of {}", family, median);
  state.counters["median_error"] = median;
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(points.size()));
}

BENCHMARK(Load)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Price, gemm, "gemm")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Price, attention, "attention")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Price, memory_bound, "memory_bound")->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ridgeline::calibration

BENCHMARK_MAIN();
