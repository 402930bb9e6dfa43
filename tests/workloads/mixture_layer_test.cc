// Rows and messages of a mixture on one rank, by hand: 64 tokens, h 256, 8 experts of width 128, 2
// a token: 128 copies, 16 an expert.
#include <algorithm>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "tests/workloads/small_models.h"

namespace ridgeline::workloads {
namespace {

const Model& SmallMixture() {
  static const Model model = Mixture(256, 8, 4, 128, 8, 2, 0);
  return model;
}

LoweringRequest Spread(const Framework& framework, int64_t ep, int64_t tp = 1, int64_t etp = 0) {
  LoweringRequest request = Request(SmallMixture(), framework, 64, tp, tp > 1);
  request.layout.ep = ep;
  request.layout.dp = ep;
  request.layout.etp = etp;
  return request;
}

LoweredLayer Lower(const LoweringRequest& request) {
  return LowerLayer(request, request.model->kinds[0]).value();
}

GroupedGemm DownProjection(const LoweredLayer& layer) {
  const auto step = std::ranges::find(layer.forward, "experts down projection", &Step::name);
  return std::get<GroupedGemm>(std::get<Operation>(step->work));
}

std::optional<AxisCollective> Message(const std::vector<Step>& steps, const std::string& name) {
  const auto step = std::ranges::find(steps, name, &Step::name);
  return step == steps.end() ? std::nullopt : std::optional(std::get<AxisCollective>(step->work));
}

// 1.5 x 16 = 24 places an expert, all of them sent and computed; no expert gets a token twice.
TEST(ExpertCapacityTest, RowsArePaddedToTheCapacity) {
  const Framework framework;
  LoweringRequest request = Spread(framework, 4);
  request.experts.capacity_factor = 1.5;
  const LoweredLayer layer = Lower(request);
  EXPECT_EQ(DownProjection(layer).m, 24 * 8);
  EXPECT_DOUBLE_EQ(Message(layer.forward, "dispatch all-to-all")->bytes.base(), 24.0 * 8 * 256 * 2);
  request.experts.capacity_factor = 0.5;
  EXPECT_EQ(DownProjection(Lower(request)).m, 8 * 8);
  request.experts.capacity_factor = 100;
  EXPECT_EQ(DownProjection(Lower(request)).m, 64 * 8);
}

// 1.25 x 128 = 160 rows, in products, messages and what is kept: 32 more rows of input, gate, up
// and activation.
TEST(ExpertImbalanceTest, TheMostLoadedRankSetsThePace) {
  const Framework framework;
  LoweringRequest request = Spread(framework, 4);
  const LoweredLayer even = Lower(request);
  request.experts.imbalance = 1.25;
  const LoweredLayer uneven = Lower(request);
  EXPECT_EQ(DownProjection(uneven).m, 160);
  for (const char* name : {"dispatch all-to-all", "combine all-to-all"}) {
    EXPECT_DOUBLE_EQ(Message(uneven.forward, name)->bytes.base(), 160.0 * 256 * 2);
  }
  EXPECT_DOUBLE_EQ((uneven.saved_activations - even.saved_activations).base(),
                   32.0 * (256 + 3 * 128) * 2);
  EXPECT_EQ(uneven.model_flops, even.model_flops);
}

TEST(ExpertImbalanceTest, WithoutExpertParallelismAllRanksAreAlike) {
  const Framework framework;
  LoweringRequest request = Spread(framework, 1);
  request.experts.imbalance = 2;
  EXPECT_EQ(DownProjection(Lower(request)).m, 128);
}

// tp 4: a rank's own 16 tokens make 32 copies. Experts cut by tp: gathered over it, 128 rows of
// width 32. etp 2: 64 rows of width 64, gathered over two. etp 1: 32 rows of whole experts, and
// nothing is gathered.
TEST(ExpertTensorTest, CopiesAreGatheredOverTheExpertsOwnRanks) {
  const Framework framework;
  const auto check = [&](int64_t etp, int64_t rows, int64_t width, bool gathers, Axis axis) {
    const LoweredLayer layer = Lower(Spread(framework, 4, 4, etp));
    EXPECT_EQ(DownProjection(layer).m, rows);
    EXPECT_EQ(DownProjection(layer).k, width);
    const auto gather = Message(layer.forward, "experts all-gather");
    ASSERT_EQ(gather.has_value(), gathers);
    if (gathers) {
      EXPECT_DOUBLE_EQ(gather->bytes.base(), static_cast<double>(rows) * 256 * 2);
      EXPECT_EQ(gather->axis, axis);
    }
    EXPECT_DOUBLE_EQ(Message(layer.forward, "dispatch all-to-all")->bytes.base(), 32.0 * 256 * 2);
  };
  check(0, 128, 32, true, Axis::kTensor);
  check(2, 64, 64, true, Axis::kExpertTensor);
  check(1, 32, 128, false, Axis::kTensor);
}

// 3 x 256 x 128 x 8 parameters over etp x ep.
TEST(ExpertTensorTest, ParametersAreCutByTheExpertsOwnRanks) {
  Layout layout{.tp = 4, .ep = 4, .dp = 4};
  const auto experts = [&](int64_t etp) {
    layout.etp = etp;
    return ParametersOnRank(SmallMixture(), SmallMixture().kinds[0], layout).experts;
  };
  EXPECT_DOUBLE_EQ(experts(0), 786'432.0 / 16);
  EXPECT_DOUBLE_EQ(experts(2), 786'432.0 / 8);
  EXPECT_DOUBLE_EQ(experts(1), 786'432.0 / 4);
}

// To the experts a byte an element and four for 128 of them; back two bytes.
TEST(ExpertDispatchTest, TokensTravelInEightBitsAndComeBackInSixteen) {
  const Framework framework;
  LoweringRequest request = Spread(framework, 4);
  request.compute = DType::kFp8;
  request.fp8 = {.scaling = Fp8Scaling::kBlockwise, .dispatches = true};
  const LoweredLayer layer = Lower(request);
  const double quantized = 128.0 * 256 * (1 + 4.0 / 128);
  EXPECT_DOUBLE_EQ(Message(layer.forward, "dispatch all-to-all")->bytes.base(), quantized);
  EXPECT_DOUBLE_EQ(Message(layer.backward, "combine gradient all-to-all")->bytes.base(), quantized);
  EXPECT_DOUBLE_EQ(Message(layer.forward, "combine all-to-all")->bytes.base(), 128.0 * 256 * 2);
  EXPECT_DOUBLE_EQ(Message(layer.backward, "dispatch gradient all-to-all")->bytes.base(),
                   128.0 * 256 * 2);
  // Two experts of the rank, each a product of its own over its half of 128 copies.
  const auto down = std::ranges::find(layer.forward, "experts down projection", &Step::name);
  ASSERT_NE(down, layer.forward.end());
  EXPECT_EQ(std::get<Operation>(down->work),
            Operation(Gemm{.m = 64, .n = 256, .k = 128, .batch = 2, .dtype = DType::kFp8}));
}

}  // namespace
}  // namespace ridgeline::workloads
