#include "calibration/fit.h"

#include <cmath>

#include <gmock/gmock.h>

#include "base/percentile.h"
#include "calibration/accuracy.h"
#include "calibration/measured_collectives.h"
#include "calibration/measured_cost_model.h"
#include "tests/calibration/synthetic_points.h"

namespace ridgeline::calibration {
namespace {

using testing::HasSubstr;

const hardware::Gpu kH100 = ShippedGpu("h100-sxm");

Profile FitKnown(int count, double noise) {
  return Fit(SplitHeldOut(KnownGemms(count, noise)).to_fit, kH100, Stop())->profile;
}

TEST(NeighbourIndexTest, FindsWhatASearchThroughAllRowsFinds) {
  RandomStream random(3, "places");
  std::vector<NeighbourIndex::Place> places(700);
  for (NeighbourIndex::Place& place : places) {
    for (int d = 0; d < 5; ++d) {
      place[d] = static_cast<float>(random.UniformInteger(0, 6));  // a grid: many ties
    }
  }
  const NeighbourIndex index(places, 5);
  for (int32_t query = 0; query < 100; ++query) {
    const NeighbourIndex::Place& place = places[static_cast<size_t>(query)];
    std::vector<std::pair<float, int32_t>> all;
    for (int32_t row = 0; row < 700; ++row) {
      float distance2 = 0;
      for (int d = 0; d < 5; ++d) {
        const float step = places[static_cast<size_t>(row)][d] - place[d];
        distance2 += step * step;
      }
      if (row != query) {
        all.emplace_back(distance2, row);
      }
    }
    std::sort(all.begin(), all.end());
    std::array<Neighbour, 9> found;
    ASSERT_EQ(index.Find(place, query, found), 9U);
    for (size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i].distance2, all[i].first);
      EXPECT_EQ(found[i].row, all[i].second);
    }
  }
}

// Without noise the law is the model's own: what it returns on fresh shapes is the law.
TEST(FitTest, RecoversAKnownLaw) {
  const MeasuredCostModel model(FitKnown(3000, 0), kH100);
  std::vector<double> errors;
  for (const Measurement& point : SplitHeldOut(KnownGemms(3000, 0)).held_out) {
    const Cost cost = model.CostOf(point.operation, point.condition).value();
    errors.push_back(std::abs(cost.mean / point.time - 1));
  }
  EXPECT_LT(ExactQuantile(errors, 0.5), 0.005);
  EXPECT_LT(ExactQuantile(errors, 0.9), 0.02);
}

TEST(FitTest, RefusesHeldOutPoints) {
  const SplitPoints split = SplitHeldOut(KnownGemms(100, 0));
  const Result<Fitted> fitted = Fit(split.held_out, kH100, Stop());
  ASSERT_FALSE(fitted.has_value());
  EXPECT_EQ(fitted.error().code, ErrorCode::kFailedPrecondition);
  EXPECT_THAT(fitted.error().message, HasSubstr("held-out"));
  // One among many is one too many.
  std::vector<Measurement> mixed = split.to_fit;
  mixed.push_back(split.held_out.front());
  EXPECT_FALSE(Fit(mixed, kH100, Stop()).has_value());
}

TEST(FitTest, CountsWhatItLeavesAside) {
  std::vector<Measurement> points = SplitHeldOut(KnownGemms(200, 0)).to_fit;
  const auto used = static_cast<int64_t>(points.size()) - 3;
  points[0].skipped = "out of memory";
  points[1].busy = true;
  points[2].gpu = "h200-sxm";
  points.push_back(points.back());
  const Fitted fitted = Fit(points, kH100, Stop()).value();
  EXPECT_EQ(fitted.counts.used, used + 1);
  EXPECT_EQ(fitted.counts.repeated, 1);
  EXPECT_EQ(fitted.counts.skipped, 1);
  EXPECT_EQ(fitted.counts.busy, 1);
  EXPECT_EQ(fitted.counts.other, 1);
}

// Noise of 5 %: a normal error's 90 % range is 1.645 deviations each way, its median 0.674.
TEST(FitTest, RangesHoldAboutNineInTenFreshPointsAndAreNoWiderThanTheyMust) {
  const MeasuredCostModel model(FitKnown(6000, 0.05), kH100);
  const Accuracy accuracy = MeasureAccuracy(
      SplitHeldOut(KnownGemms(6000, 0.05)).held_out,
      [&](const TimedOperation& op, const Condition& how) { return model.CostOf(op, how); });
  const AccuracyRow& all = accuracy.rows.back();
  EXPECT_EQ(all.band, "all");
  EXPECT_GT(all.points, 2500);
  EXPECT_GT(all.coverage, 0.85);
  EXPECT_LT(all.coverage, 0.97);
  EXPECT_LT(all.median, 0.045);  // 0.034 is the noise itself
  EXPECT_LT(all.median_half_width, 2.5 * all.median);
  EXPECT_LT(std::abs(all.bias), 0.01);
}

TEST(FitTest, EvidenceSaysMeasuredInterpolatedOrExtrapolated) {
  const std::vector<Measurement> points = SplitHeldOut(KnownGemms(2000, 0.02)).to_fit;
  const MeasuredCostModel model(Fit(points, kH100, Stop())->profile, kH100);
  const Measurement& known = points.front();
  const Cost exact = model.CostOf(known.operation, known.condition).value();
  EXPECT_EQ(exact.evidence, Evidence::kMeasured);
  EXPECT_NEAR(exact.mean / known.time, 1, 0.0005);
  const Cost inside = model.CostOf(Gemm{.m = 1000, .n = 1000, .k = 1000}).value();
  EXPECT_EQ(inside.evidence, Evidence::kInterpolated);
  const Gemm far{.m = 1 << 18, .n = 1 << 16, .k = 1 << 16};  // 16 and 4 times the largest
  const Cost outside = model.CostOf(far).value();
  EXPECT_EQ(outside.evidence, Evidence::kExtrapolated);
  EXPECT_GT((outside.high - outside.low) / outside.mean, (inside.high - inside.low) / inside.mean);
  // Over into the roofline at the shares of the peaks that were measured.
  EXPECT_NEAR(outside.mean.base() / KnownTime(far), 1, 0.1);
}

TEST(FitTest, NothingIsFasterThanTheRooflineAtTheVendorsPeaks) {
  // Points that claim ten times the possible rate.
  std::vector<Measurement> points = SplitHeldOut(KnownGemms(1000, 0.02)).to_fit;
  for (Measurement& point : points) {
    point.time = point.time / 10;
  }
  const MeasuredCostModel model(Fit(points, kH100, Stop())->profile, kH100);
  for (const Measurement& point : points) {
    const auto& gemm = std::get<Gemm>(point.operation);
    const Cost cost = model.CostOf(gemm).value();
    const Seconds bound = hardware::PeakBound(kH100, gemm).value();
    EXPECT_LE(bound, cost.low);
    EXPECT_LE(cost.low, cost.mean);
    EXPECT_LE(cost.mean, cost.high);
  }
}

TEST(FitTest, OwnMeasurementsComeBeforeImportedOnesWhereTheyReach) {
  std::vector<Measurement> points = SplitHeldOut(KnownGemms(1000, 0)).to_fit;
  for (Measurement& point : points) {
    point.source = "elsewhere";
    point.time = 2 * point.time;
  }
  // Own points of small m only.
  for (const Measurement& point : SplitHeldOut(KnownGemms(1000, 0, 8)).to_fit) {
    if (std::get<Gemm>(point.operation).m <= 512) {
      points.push_back(point);
    }
  }
  const Profile profile = Fit(points, kH100, Stop())->profile;
  ASSERT_EQ(profile.tables.size(), 2U);
  EXPECT_TRUE(profile.tables[0].is_own());
  const MeasuredCostModel model(profile, kH100);
  const Gemm small{.m = 100, .n = 900, .k = 900};
  const Gemm large{.m = 9000, .n = 900, .k = 900};
  EXPECT_NEAR(model.CostOf(small)->mean.base() / KnownTime(small), 1, 0.03);
  EXPECT_NEAR(model.CostOf(large)->mean.base() / KnownTime(large), 2, 0.06);
}

TEST(MeasuredCostModelTest, WhatWasNotMeasuredFallsBackWithHonestEvidence) {
  const MeasuredCostModel model(FitKnown(1000, 0.02), kH100);
  // fp16 runs on the tensor cores at the rate of bf16.
  const Cost half = model.CostOf(Gemm{.m = 512, .n = 512, .k = 512, .dtype = DType::kFp16}).value();
  EXPECT_EQ(half.evidence, Evidence::kInterpolated);
  // No table: the roofline, and it says so.
  const Operation rmsnorm =
      MemoryBound{.kind = MemoryBoundKind::kRmsNorm, .read = Gigabytes(1), .written = Gigabytes(1)};
  EXPECT_EQ(model.CostOf(rmsnorm)->evidence, Evidence::kAnalytic);
  EXPECT_EQ(model.CostOf(rmsnorm)->mean, hardware::Roofline(kH100).CostOf(rmsnorm)->mean);
  // No factor turns the steady condition into another.
  const Result<Cost> warm =
      model.CostOf(TimedOperation(Gemm{.m = 512, .n = 512, .k = 512}), Condition{.cache = hardware::CacheState::kWarm});
  EXPECT_EQ(warm.error().code, ErrorCode::kFailedPrecondition);
  EXPECT_EQ(
      model.CostOf(TimedOperation(OtherOperation{.name = "launch", .text = "{}"}), {}).error().code,
      ErrorCode::kInvalidArgument);
}

TEST(MeasuredCostModelTest, AProfileOfAnotherGpuIsExtrapolated) {
  const MeasuredCostModel model(FitKnown(1000, 0.02), ShippedGpu("a100-sxm-80g"));
  const Cost cost = model.CostOf(Gemm{.m = 4096, .n = 4096, .k = 4096}).value();
  EXPECT_EQ(cost.evidence, Evidence::kExtrapolated);
  // 137.4 GFLOP at the same 60 % of A100's 312 TFLOP/s: 734 us and the floor.
  EXPECT_NEAR(cost.mean.base(), 739e-6, 60e-6);
}

TEST(ProfileTest, ReadsBackWhatWasWritten) {
  const Profile profile = FitKnown(500, 0.05);
  const Profile read = DecodeProfile(EncodeProfile(profile)).value();
  ASSERT_EQ(read.tables.size(), profile.tables.size());
  EXPECT_EQ(read.gpu, profile.gpu);
  const FittedTable& table = profile.tables[0];
  const FittedTable& again = read.tables[0];
  EXPECT_EQ(again.pattern, table.pattern);
  EXPECT_EQ(again.shapes, table.shapes);
  EXPECT_EQ(again.settings.scale, table.settings.scale);
  EXPECT_NEAR(again.error_law.of_reach, table.error_law.of_reach, 1e-5) << "six digits are kept";
  EXPECT_FALSE(table.root_errors.empty());
  EXPECT_EQ(again.residuals.trees(), table.residuals.trees());
  EXPECT_EQ(again.root_errors.trees(), table.root_errors.trees());
  EXPECT_EQ(again.root_errors.borders(), table.root_errors.borders());
  for (size_t i = 0; i < table.log_times.size(); ++i) {
    EXPECT_NEAR(again.log_times[i], table.log_times[i], 0.00013);
  }
}

TEST(ProfileTest, DamageIsAnErrorAndNeverACrash) {
  const std::string bytes = EncodeProfile(FitKnown(200, 0.05));
  EXPECT_THAT(DecodeProfile("something else").error().message, HasSubstr("not a calibration"));
  for (const size_t length : {size_t{10}, size_t{30}, bytes.size() / 2, bytes.size() - 1}) {
    EXPECT_FALSE(DecodeProfile(bytes.substr(0, length)).has_value()) << length;
  }
  for (size_t i = 24; i < bytes.size(); i += 97) {
    std::string broken = bytes;
    broken[i] = static_cast<char>(broken[i] ^ 0x15);
    (void)DecodeProfile(broken);  // an error or other figures, but it returns
  }
}

class Otherwise final : public hardware::CollectiveCost {
 public:
  Cost CostOf(const Collective&) const override {
    return {.mean = Microseconds(1), .low = {}, .high = {}, .evidence = Evidence::kAnalytic};
  }
  std::vector<hardware::RateInUse> RatesFor(const hardware::RunProfile&) const override {
    return {};
  }
};

// 10 us and 300 GB/s of bus bandwidth: 2 (n - 1) / n bytes over the links for each of the buffer.
TEST(MeasuredCollectivesTest, AnswersInsideTheNodeAndAsksElsewhereBeyond) {
  std::vector<Measurement> points;
  for (const int64_t ranks : {2, 4, 8}) {
    for (double bytes = 1024; bytes < 2e9; bytes *= 2) {
      const double share = 2.0 * static_cast<double>(ranks - 1) / static_cast<double>(ranks);
      points.push_back({.operation = Collective{.kind = CollectiveKind::kAllReduce,
                                                .bytes = Bytes::FromBase(bytes),
                                                .group = {.ranks = ranks, .ranks_per_node = ranks}},
                        .condition = {},
                        .gpu = "h100-sxm",
                        .time = Seconds::FromBase(10e-6 + bytes * share / 300e9),
                        .source = "own"});
    }
  }
  const MeasuredCollectives costs(
      std::make_shared<CollectiveTables>(Fit(SplitHeldOut(points).to_fit, kH100, Stop())->profile,
                                         kH100),
      std::make_unique<Otherwise>());
  const auto cost = [&](double bytes, int64_t ranks, int64_t per_node) {
    return costs.CostOf({.kind = CollectiveKind::kAllReduce,
                         .bytes = Bytes::FromBase(bytes),
                         .group = {.ranks = ranks, .ranks_per_node = per_node}});
  };
  EXPECT_NEAR(cost(3e7, 8, 8).mean.base(), 10e-6 + 3e7 * 1.75 / 300e9, 10e-6);
  EXPECT_LE(cost(3e7, 8, 8).evidence, Evidence::kInterpolated);
  EXPECT_EQ(cost(3e7, 16, 8).mean, Microseconds(1));
  EXPECT_EQ(cost(3e7, 1, 1).mean, Seconds());
}

}  // namespace
}  // namespace ridgeline::calibration
