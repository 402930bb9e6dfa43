#include "workloads/kernel_recipe.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/document.h"
#include "tests/workloads/small_models.h"
#include "workloads/lowering.h"

namespace ridgeline::workloads {
namespace {

// Ten rows of 100 elements in bf16, gradients in fp32: x 2,000, f 4,000, h 1,000, m 1,000, g 4,000,
// r 40, i 80; 50 elements a token copy: t 100.
TEST(KernelRecipeTest, LettersAreTensorsOfThePart) {
  const RecipeExtent extent{.elements = 1000, .rows = 10, .token_elements = 50};
  const std::vector<std::pair<std::string, double>> cases = {
      {"", 0},     {"x", 2000}, {"f", 4000}, {"h", 1000}, {"m", 1000},
      {"g", 4000}, {"r", 40},   {"i", 80},   {"t", 100},  {"xxr", 4040}};
  for (const auto& [text, bytes] : cases) {
    EXPECT_EQ(RecipeTensors::Parse(text)->BytesOf(extent).base(), bytes) << text;
  }
}

TEST(KernelRecipeTest, AKernelReadsAsItIsWritten) {
  for (const char* const text : {"xx>xxr", ">f", "x>", "f>x*1.5", "x>x~2.2", ">x*0.6~0.6",
                                 "x>xr@2.5us", "x>xr~3@1.9us+1ns"}) {
    EXPECT_EQ(RecipeKernel::Parse(text)->Text(), text);
  }
  EXPECT_EQ(RecipeKernel::Parse("f>x*1.5")->factor, 1.5);
}

TEST(KernelRecipeTest, AFactorScalesWhatItMoves) {
  const RecipeExtent extent{.elements = 1000, .rows = 10};
  const auto work = OperationOf(*RecipeKernel::Parse("xx>x*2"), extent, MemoryBoundKind::kRmsNorm,
                                /*is_alone=*/true);
  EXPECT_EQ(work.read.base(), 8000);
  EXPECT_EQ(work.written.base(), 4000);
  EXPECT_EQ(work.kind, MemoryBoundKind::kRmsNorm);
  EXPECT_EQ(work.rows, 10);
}

// Bound by issue, a kernel moves its own bytes and is at least as long as a multiple of them; with
// a least time, no shorter than 1.9 us and 1 ns for each of the 100 elements of a row.
TEST(KernelRecipeTest, IssueAndLeastTimesStandBesideTheBytes) {
  const RecipeExtent extent{.elements = 1000, .rows = 10};
  const auto work = OperationOf(*RecipeKernel::Parse("x>x~2@1.9us+1ns"), extent,
                                MemoryBoundKind::kRotary, /*is_alone=*/true);
  EXPECT_EQ(work.read.base(), 2000);
  EXPECT_EQ(work.issued.base(), 8000);
  EXPECT_NEAR(work.least.base(), 2.0e-6, 1e-15);
}

// One of several kernels is pointwise: an addition where it reads more, a cast where it writes
// more.
TEST(KernelRecipeTest, OneOfSeveralIsPricedByWhatItMoves) {
  const RecipeExtent extent{.elements = 1000, .rows = 10};
  const auto kind = [&](const char* text) {
    return OperationOf(*RecipeKernel::Parse(text), extent, MemoryBoundKind::kRmsNorm, false).kind;
  };
  EXPECT_EQ(kind("xx>x"), MemoryBoundKind::kResidualAdd);
  EXPECT_EQ(kind("x>x"), MemoryBoundKind::kCopy);
  EXPECT_EQ(kind("x>f"), MemoryBoundKind::kCast);
}

TEST(KernelRecipeTest, MistakesAreShownWhereTheyStand) {
  const auto document = ParseDocument(
      "framework.yaml",
      "norm: {forward: [\"x>y\"]}\nresidual: {forward: [xx]}\nloss: {backward: [\"f>x*0\"]}\n"
      "bias: {forward: [\"x>x@2ms\"]}\nfork: {backward: [\"x>x@2us+1us\"]}\n");
  ASSERT_TRUE(document.has_value());
  const auto recipes = Decode<Recipes>(*document);
  ASSERT_FALSE(recipes.has_value());
  const std::string text = RenderError(recipes.error());
  for (const char* const expected :
       {"framework.yaml:1:18", "no tensor of a recipe: y", "framework.yaml:2:22",
        "a kernel reads and writes: xx", "no factor of a kernel's time: 0",
        "no least time of a kernel: 2ms", "no least time of a kernel: 2us+1us"}) {
    EXPECT_THAT(text, testing::HasSubstr(expected));
  }
}

std::vector<std::string> Names(const std::vector<Step>& steps) {
  std::vector<std::string> names;
  for (const Step& step : steps) {
    names.push_back(step.name);
  }
  return names;
}

// Three products over one input leave two sums of its gradient; gate and up leave one.
TEST(SeparateProjectionsTest, EachFurtherProductAddsASumOfGradients) {
  const Model model = Llama(256, 8, 2, 512);
  Framework framework;
  framework.fusion.qkv = false;
  framework.fusion.gate_up = false;
  const auto lowered = LowerLayer(Request(model, framework, 64), model.kinds[0]).value();
  EXPECT_THAT(Names(lowered.forward),
              testing::IsSupersetOf({"query projection", "key projection", "value projection",
                                     "gate projection", "up projection"}));
  EXPECT_EQ(std::ranges::count_if(
                lowered.backward,
                [](const Step& step) { return step.name.ends_with("input gradient sum"); }),
            3);
}

// Of four micro-batches three add to what the first left; of one none does.
TEST(GradientsOnDemandTest, TheFirstMicroBatchAddsNothing) {
  const Model model = Llama(256, 8, 2, 512);
  Framework framework;
  framework.fusion.gradient_accumulation = false;
  framework.gradients = GradientBuffers::kOnDemand;
  LoweringRequest request = Request(model, framework, 64);
  const auto added = [&](int64_t micro_batches) {
    request.micro_batches = micro_batches;
    double bytes = 0;
    const auto lowered = LowerLayer(request, model.kinds[0]);
    for (const Step& step : lowered->backward) {
      if (step.name.ends_with("gradient accumulation")) {
        bytes += BytesOf(std::get<Operation>(step.work)).base();
      }
    }
    return bytes;
  };
  EXPECT_EQ(added(1), 0);
  EXPECT_DOUBLE_EQ(added(4), 0.75 * added(0));
  EXPECT_GT(added(0), 0);
}

}  // namespace
}  // namespace ridgeline::workloads
