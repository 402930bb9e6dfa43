#include "hardware/roofline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/hardware/shipped_catalog.h"

namespace ridgeline::hardware {
namespace {

using testing::HasSubstr;

// 2 x 8192^3 = 1.0995e12 FLOP at 678 TFLOP/s: 1.6217 ms; at 798 1.3778 ms, at 505 2.1773 ms.
TEST(RooflineTest, ALargeGemmRunsAtTheSustainedRateWithItsRange) {
  const Roofline roofline(ShippedGpu("h100-sxm"));
  const Cost cost = roofline.CostOf(Gemm{.m = 8192, .n = 8192, .k = 8192}).value();
  EXPECT_NEAR(cost.mean.base(), 1.6217e-3, 1e-7);
  EXPECT_NEAR(cost.low.base(), 1.3778e-3, 1e-7);
  EXPECT_NEAR(cost.high.base(), 2.1773e-3, 1e-7);
  EXPECT_EQ(cost.evidence, Evidence::kAnalytic);
}

// 2.97 GB read and written at 2.97 TB/s: 1 ms; at 2.90 1.0241 ms, at 3.18 0.9340 ms.
TEST(RooflineTest, ACopyRunsAtTheSustainedMemoryBandwidth) {
  const Roofline roofline(ShippedGpu("h100-sxm"));
  const Cost cost =
      roofline
          .CostOf(MemoryBound{.read = Gigabytes(1.485), .written = Gigabytes(1.485), .flops = {}})
          .value();
  EXPECT_NEAR(cost.mean.base(), 1e-3, 1e-9);
  EXPECT_NEAR(cost.high.base(), 1.02414e-3, 1e-8);
  EXPECT_NEAR(cost.low.base(), 0.93396e-3, 1e-8);
}

TEST(RooflineTest, ATinyKernelTakesTheFloor) {
  const Roofline roofline(ShippedGpu("h100-sxm"));
  EXPECT_EQ(roofline.CostOf(Gemm{.m = 1, .n = 1, .k = 1})->mean, Microseconds(1));
}

// Only the fused kernel has a rate of its own; the naive one is two batched GEMMs.
TEST(RooflineTest, FusedAttentionRunsAtItsOwnRateAndNaiveAtThatOfGemms) {
  const Roofline roofline(ShippedGpu("h100-sxm"));
  Attention attention{
      .batch = 4, .q_len = 8192, .kv_len = 8192, .heads = 32, .kv_heads = 32, .head_dim = 128};
  const double flops = FlopsOf(attention).base();
  EXPECT_NEAR(roofline.CostOf(attention)->mean.base(), flops / 328e12, 1e-9);
  attention.kernel = AttentionKernel::kNaive;
  EXPECT_GE(roofline.CostOf(attention)->mean.base(), FlopsOf(attention).base() / 678e12 * 0.999);
}

TEST(RooflineTest, ADataTypeThatTheGpuLacksNamesThoseItHas) {
  const Roofline roofline(ShippedGpu("a100-sxm-80g"));
  const auto cost = roofline.CostOf(Gemm{.m = 8, .n = 8, .k = 8, .dtype = DType::kFp8});
  ASSERT_FALSE(cost);
  EXPECT_EQ(cost.error().code, ErrorCode::kFailedPrecondition);
  EXPECT_THAT(cost.error().message, HasSubstr("a100-sxm-80g cannot compute"));
  EXPECT_THAT(cost.error().hint, HasSubstr("bf16, fp16, fp32, fp64, int8, tf32"));
}

TEST(RooflineTest, AGpuWithoutSustainedRatesRunsAtItsPeakAndSaysSo) {
  Gpu gpu = ShippedGpu("h100-sxm");
  gpu.sustained.clear();
  const Roofline roofline(gpu);
  const Gemm gemm{.m = 8192, .n = 8192, .k = 8192};
  EXPECT_EQ(roofline.CostOf(gemm)->mean, PeakBound(gpu, gemm).value());
  EXPECT_THAT(roofline.RatesFor({.dtypes = {DType::kBf16}}).front().source,
              HasSubstr("no sustained rate is cited"));
}

// Asked for bf16 and fused attention: those two, memory and the floor, and nothing of fp8 or fp64.
TEST(RooflineTest, RatesAreThoseOfTheRunEachWithItsSource) {
  const Gpu gpu = ShippedGpu("h100-sxm");
  const auto rates =
      Roofline(gpu).RatesFor({.dtypes = {DType::kBf16}, .has_fused_attention = true});
  ASSERT_EQ(rates.size(), 4u);
  EXPECT_EQ(rates[0].what, "bf16 rate of h100-sxm");
  for (const RateInUse& rate : rates) {
    EXPECT_NE(rate.source, "") << rate.what;
    EXPECT_GT(rate.of_peak, 0) << rate.what;
    EXPECT_LE(rate.of_peak, 1) << rate.what;
  }
}

}  // namespace
}  // namespace ridgeline::hardware
