/// Held-out points of the shipped own measurements: how well the profiles predict shapes that
/// fitting has not seen. Bounds are the targets where they are met, and else at most 1.15 times
/// what is reached (configs/calibration/README.md says what is short of its target, and why).
#include <cmath>
#include <tuple>

#include <gmock/gmock.h>

#include "base/percentile.h"
#include "calibration/accuracy.h"
#include "calibration/measured_cost_model.h"
#include "calibration/point_source.h"
#include "tests/calibration/synthetic_points.h"

namespace ridgeline::calibration {
namespace {

using testing::Gt;
using testing::Lt;

Profile Shipped(const std::string& gpu) {
  return ReadProfile(kConfigs / "calibration" / (gpu + std::string(kProfileEnding))).value();
}

std::vector<Measurement> HeldOut(const std::string& gpu, const std::string& family) {
  const std::string name = gpu + "-" + family + ".jsonl.gz";
  return SplitHeldOut(ReadPointSource(kConfigs / "calibration/points" / name, gpu).value().points)
      .held_out;
}

AccuracyRow WholeFamily(const Accuracy& accuracy, const std::string& family) {
  for (const AccuracyRow& row : accuracy.rows) {
    if (row.band == "all" && row.family == family) {
      return row;
    }
  }
  ADD_FAILURE() << "no points of " << family;
  return {};
}

struct Bound {
  std::string family;
  double median;
  double p90;
};

void ExpectWithin(const std::string& gpu, const std::string& points,
                  const std::vector<Bound>& bounds) {
  const Accuracy accuracy = MeasureAccuracy(HeldOut(gpu, points), Shipped(gpu), ShippedGpu(gpu));
  for (const Bound& bound : bounds) {
    const AccuracyRow row = WholeFamily(accuracy, bound.family);
    EXPECT_LT(row.median, bound.median) << gpu << " " << bound.family;
    EXPECT_LT(row.p90, bound.p90) << gpu << " " << bound.family;
  }
}

// Target 3 and 8 %: not met, see the README.
TEST(OwnMeasurementsTest, GemmsAreWithinFiveToSixPercentAtTheMedian) {
  ExpectWithin("h100-sxm", "gemm", {{"gemm bf16", 0.049, 0.157}, {"gemm fp8", 0.048, 0.163}});
  ExpectWithin("h200-sxm", "gemm", {{"gemm bf16", 0.057, 0.166}, {"gemm fp8", 0.063, 0.164}});
}

// Target 3 and 8 %: met by the backward pass on H200, and by its 90th percentile on H100.
TEST(OwnMeasurementsTest, AttentionIsWithinFourPercentAtTheMedian) {
  ExpectWithin("h100-sxm", "attention",
               {{"attention prefill bf16", 0.039, 0.153},
                {"attention prefill backward bf16", 0.040, 0.080}});
  ExpectWithin("h200-sxm", "attention",
               {{"attention prefill bf16", 0.043, 0.178},
                {"attention prefill backward bf16", 0.030, 0.080}});
}

// Target 5 %: met on H100.
TEST(OwnMeasurementsTest, DecodeAttentionIsWithinFiveAndSevenPercentAtTheMedian) {
  ExpectWithin("h100-sxm", "attention", {{"attention decode bf16", 0.05, 0.192}});
  ExpectWithin("h200-sxm", "attention", {{"attention decode bf16", 0.068, 0.241}});
}

// Target 5 % at the median: met by all of them together, and by each but three that reduce rows.
TEST(OwnMeasurementsTest, MemoryBoundKernelsAreWithinFivePercentAtTheMedian) {
  for (const std::string gpu : {"h100-sxm", "h200-sxm"}) {
    const Accuracy accuracy =
        MeasureAccuracy(HeldOut(gpu, "memory_bound"), Shipped(gpu), ShippedGpu(gpu));
    std::vector<double> medians;
    for (const AccuracyRow& row : accuracy.rows) {
      if (row.band != "all" || row.points < 25) {
        continue;
      }
      const bool reduces = row.family == "softmax bf16" || row.family == "layernorm bf16" ||
                           row.family == "rmsnorm bf16";
      EXPECT_LT(row.median, reduces ? 0.073 : 0.05) << gpu << " " << row.family;
      medians.push_back(row.median);
    }
    EXPECT_THAT(medians.size(), Gt(9U)) << gpu;
    EXPECT_LT(ExactQuantile(medians, 0.5), 0.03) << gpu;
  }
}

// Target 8 % above 4 MiB, 20 % below.
TEST(OwnMeasurementsTest, CollectivesOfTwoGpusAreWithin8PercentAbove4MebibytesAnd20Below) {
  const Profile profile = OfSource(Shipped("h200-sxm"), "own");
  std::vector<Measurement> large;
  std::vector<Measurement> small;
  for (Measurement& point : HeldOut("h200-sxm", "collectives")) {
    const auto* const collective = std::get_if<Collective>(&point.operation);
    ASSERT_NE(collective, nullptr);
    (collective->bytes > Bytes::FromBase(4 << 20) ? large : small).push_back(std::move(point));
  }
  for (const auto& [points, bound] : {std::tuple(&large, 0.08), std::tuple(&small, 0.20)}) {
    const Accuracy accuracy = MeasureAccuracy(*points, profile, ShippedGpu("h200-sxm"));
    int families = 0;
    for (const AccuracyRow& row : accuracy.rows) {
      if (row.band == "all") {
        ++families;
        EXPECT_LT(row.median, bound) << row.family;
      }
    }
    EXPECT_EQ(families, 6);
  }
}

TEST(OwnMeasurementsTest, NineInTenLieInTheirRangesNearlyAndRangesAreNotWide) {
  for (const std::string gpu : {"h100-sxm", "h200-sxm"}) {
    const Accuracy accuracy = MeasureAccuracy(HeldOut(gpu, "gemm"), Shipped(gpu), ShippedGpu(gpu));
    for (const std::string family : {"gemm bf16", "gemm fp8"}) {
      const AccuracyRow row = WholeFamily(accuracy, family);
      EXPECT_THAT(row.coverage, Gt(0.82)) << gpu << " " << family;
      EXPECT_THAT(row.coverage, Lt(0.97)) << gpu << " " << family;
      EXPECT_LT(row.median_half_width, 2.7 * row.median) << gpu << " " << family;
    }
  }
}

// Attention backward, grouped GEMM and memory-bound kernels with their rows are answered from
// tables: nothing is left to the roofline or to the mixture layer's share, which are extrapolated.
TEST(OwnMeasurementsTest, TrainingsOperationsAreInterpolatedNotExtrapolated) {
  const MeasuredCostModel model(Shipped("h100-sxm"), ShippedGpu("h100-sxm"));
  const Attention backward{.pass = AttentionPass::kBackward,
                           .batch = 2,
                           .q_len = 4096,
                           .kv_len = 4096,
                           .heads = 32,
                           .kv_heads = 8,
                           .head_dim = 128};
  const GroupedGemm grouped{.groups = 16, .m = 4096, .n = 4096, .k = 2048};
  const MemoryBound few{.kind = MemoryBoundKind::kSoftmax,
                        .read = Bytes::FromBase(8e6),
                        .written = Bytes::FromBase(8e6),
                        .rows = 32};
  MemoryBound many = few;
  many.rows = 4000;
  for (const Operation& operation : std::vector<Operation>{backward, grouped, few, many}) {
    EXPECT_LE(model.CostOf(operation)->evidence, Evidence::kInterpolated);
  }
  // 32 rows of 125,000 values occupy a quarter of the multiprocessors.
  EXPECT_GT(model.CostOf(Operation(few))->mean, 1.2 * model.CostOf(Operation(many))->mean);
}

}  // namespace
}  // namespace ridgeline::calibration
