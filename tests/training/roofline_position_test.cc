#include "sim/training/roofline_position.h"

#include <gtest/gtest.h>

#include "tests/training/scenarios.h"

namespace ridgeline::training {
namespace {

CostedStep Arithmetic(std::string name, double flops, double bytes, double microseconds,
                      DType dtype) {
  CostedStep step{.name = std::move(name)};
  const auto time = static_cast<engine::Picoseconds>(microseconds * 1e6);
  step.duration = {{time, time, time}};
  step.flops = Flops::FromBase(flops);
  step.bytes = Bytes::FromBase(bytes);
  step.dtype = dtype;
  return step;
}

/// One layer, one micro-batch, on an H100: 989.4 TFLOP/s in bf16, 3,352 GB/s, kernels 1 us apart.
std::vector<sim::OperationPosition> PositionsOf(std::vector<CostedStep> steps) {
  const sim::Scenario scenario = MustResolve(SmallJob(1, 1, 1, 1, 1));
  StageCosts stages;
  CostedLayer layer;
  layer.name = "layer";
  layer.forward.steps = std::move(steps);
  stages.layers = {layer};
  stages.chunks = {{.layers = {0}}};
  return RooflinePositions(scenario, stages);
}

TEST(RooflinePositionTest, EachOperationHasTheBoundThatTakesLongest) {
  CostedStep collective{.name = "all-gather"};
  collective.is_collective = true;
  collective.duration = {{100'000'000, 0, 0}};  // 100 us
  const auto positions = PositionsOf({
      // 494.7 GFLOP are 500 us at peak, 335.2 MB 100 us: half as fast as compute would be.
      Arithmetic("gemm", 494.7e9, 335.2e6, 1000, DType::kBf16),
      // 335.2 MB: 100 us of 125.
      Arithmetic("norm", 0, 335.2e6, 125, DType::kFp32),
      // 1 MB is 0.3 us: less than a launch.
      Arithmetic("small", 0, 1e6, 2, DType::kFp32),
      collective,
  });
  ASSERT_EQ(positions.size(), 4U);
  EXPECT_EQ(positions[0].name, "layer forward: gemm");
  EXPECT_EQ(positions[0].bound, "compute");
  EXPECT_NEAR(positions[0].intensity, 494.7e9 / 335.2e6, 1e-9);
  EXPECT_NEAR(positions[0].of_bound, 0.5, 1e-9);
  EXPECT_EQ(positions[1].bound, "memory");
  EXPECT_NEAR(positions[1].of_bound, 0.8, 1e-9);
  EXPECT_EQ(positions[2].bound, "network");
  EXPECT_EQ(positions[3].bound, "latency");
  EXPECT_NEAR(positions[3].of_bound, 0.5, 1e-9);
  double share = 0.0;
  for (const sim::OperationPosition& position : positions) {
    share += position.share;
  }
  EXPECT_NEAR(share, 1.0, 1e-12);
}

}  // namespace
}  // namespace ridgeline::training
