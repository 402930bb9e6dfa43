/// Held-out points of the shipped own measurements: how well the profiles predict shapes that
/// fitting has not seen. Bounds are the targets where they are met, and else at most 1.15 times
/// what is reached: each such bound says so (configs/calibration/README.md says why).
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

// Targets 3 and 8 %: the 90th percentiles of bf16, and of fp8 on H200, miss theirs.
TEST(OwnMeasurementsTest, GemmsAreWithinThreePercentAtTheMedian) {
  ExpectWithin("h100-sxm", "gemm", {{"gemm bf16", 0.03, 0.095}, {"gemm fp8", 0.03, 0.08}});
  ExpectWithin("h200-sxm", "gemm", {{"gemm bf16", 0.03, 0.095}, {"gemm fp8", 0.03, 0.095}});
}

// Targets 3 and 8 %.
TEST(OwnMeasurementsTest, AttentionOfWholePromptsIsWithinThreePercentAtTheMedian) {
  for (const std::string gpu : {"h100-sxm", "h200-sxm"}) {
    ExpectWithin(
        gpu, "attention",
        {{"attention prefill bf16", 0.03, 0.08}, {"attention prefill backward bf16", 0.03, 0.08}});
  }
}

// Target 5 %; of PyTorch's own kernel. What answers is vLLM's (shipped_profiles_test.cc).
TEST(OwnMeasurementsTest, DecodeAttentionIsWithinFivePercentAtTheMedian) {
  for (const std::string gpu : {"h100-sxm", "h200-sxm"}) {
    ExpectWithin(gpu, "attention", {{"attention decode bf16 (flash)", 0.05, 0.12}});
  }
}

// Target 5 % at the median: missed by softmax on H200.
TEST(OwnMeasurementsTest, MemoryBoundKernelsAreWithinFivePercentAtTheMedian) {
  for (const std::string gpu : {"h100-sxm", "h200-sxm"}) {
    const Accuracy accuracy =
        MeasureAccuracy(HeldOut(gpu, "memory_bound"), Shipped(gpu), ShippedGpu(gpu));
    std::vector<double> medians;
    for (const AccuracyRow& row : accuracy.rows) {
      if (row.band != "all" || row.points < 25) {
        continue;
      }
      const bool misses =
          gpu == "h200-sxm" && (row.family == "softmax bf16" || row.family == "layernorm bf16");
      EXPECT_LT(row.median, misses ? 0.065 : 0.05) << gpu << " " << row.family;
      medians.push_back(row.median);
    }
    EXPECT_THAT(medians.size(), Gt(9U)) << gpu;
    EXPECT_LT(ExactQuantile(medians, 0.5), 0.02) << gpu;
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

// Targets: coverage 85 to 97 %, half-width 2.5 times the median error. The latter is missed.
TEST(OwnMeasurementsTest, NineInTenLieInTheirRangesAndRangesAreNotWide) {
  for (const std::string gpu : {"h100-sxm", "h200-sxm"}) {
    const Accuracy accuracy = MeasureAccuracy(HeldOut(gpu, "gemm"), Shipped(gpu), ShippedGpu(gpu));
    for (const std::string family : {"gemm bf16", "gemm fp8"}) {
      const AccuracyRow row = WholeFamily(accuracy, family);
      EXPECT_THAT(row.coverage, Gt(0.85)) << gpu << " " << family;
      EXPECT_THAT(row.coverage, Lt(0.97)) << gpu << " " << family;
      // Ranges that hold nine in ten where they held 83 to 88 % before are wider: 2.6 to 3.2 times.
      EXPECT_LT(row.median_half_width, 3.3 * row.median) << gpu << " " << family;
    }
  }
}

// Attention backward, PyTorch's grouped GEMM and memory-bound kernels with their rows are answered
// from tables: nothing is left to the roofline or to the mixture layer's share.
TEST(OwnMeasurementsTest, TrainingsOperationsAreInterpolatedNotExtrapolated) {
  const MeasuredCostModel model(Shipped("h200-sxm"), ShippedGpu("h200-sxm"));
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
