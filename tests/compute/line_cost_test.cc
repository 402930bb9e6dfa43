#include "sim/compute/line_cost.h"

#include <filesystem>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hardware/catalog.h"

namespace ridgeline::compute {
namespace {

using ::testing::HasSubstr;

class LineCostTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const hardware::Catalog catalog({std::filesystem::path(RIDGELINE_SOURCE_DIR) / "configs"});
    Reference<hardware::ClusterDescription> reference;
    reference.name = "h100-64";
    cluster_ = catalog.ResolveCluster(reference).value();
  }

  Result<Cost> CostOf(std::string_view text) const {
    const LinePlace place{
        .source = std::make_shared<SourceText>(SourceText{.name = "stdin", .text = {}}), .line = 1};
    ASSIGN_OR_RETURN(const OperationLine line, ReadOperationLine(text, place));
    ASSIGN_OR_RETURN(const LineCost cost,
                     CostOfLine(line, cluster_, OperationTime::Analytic(cluster_)));
    return cost.cost;
  }

  hardware::Cluster cluster_;
};

TEST_F(LineCostTest, ACopyTakesItsBytesAtTheSustainedBandwidth) {
  const Cost cost = CostOf(R"({"op":"copy","bytes":2970000000})").value();
  EXPECT_DOUBLE_EQ(cost.mean.base(), 2.97e9 / cluster_.gpu.memory.sustained->rate.base());
  EXPECT_LT(cost.low.base(), cost.mean.base());
  EXPECT_LT(cost.mean.base(), cost.high.base());
  EXPECT_EQ(cost.evidence, Evidence::kAnalytic);
}

TEST_F(LineCostTest, AMixtureCostsTheSumOfItsParts) {
  const std::string_view text =
      R"({"op":"moe","dtype":"bf16","tokens":1024,"hidden":2048,"ffn":768,"experts":128,"top_k":8})";
  const OperationTime time = OperationTime::Analytic(cluster_);
  Cost sum;
  const OperationLine line =
      ReadOperationLine(text, LinePlace{.source = nullptr, .line = 1}).value();
  for (const auto& part : line.parts) {
    sum = sum + time.CostOf(std::get<Operation>(part)).value();
  }
  EXPECT_DOUBLE_EQ(CostOf(text)->mean.base(), sum.mean.base());
}

TEST_F(LineCostTest, RanksFillNodesUnlessTheLineSaysOtherwise) {
  const auto time = [this](std::string_view text) { return CostOf(text).value().mean; };
  EXPECT_EQ(time(R"({"op":"all_reduce","bytes":16777216,"ranks":16})"),
            time(R"({"op":"all_reduce","bytes":16777216,"ranks":16,"ranks_per_node":8})"));
  EXPECT_LT(time(R"({"op":"all_reduce","bytes":16777216,"ranks":8})"),
            time(R"({"op":"all_reduce","bytes":16777216,"ranks":8,"ranks_per_node":1})"));
  EXPECT_EQ(time(R"({"op":"all_reduce","bytes":16777216,"ranks":1})"), Seconds{});
}

TEST_F(LineCostTest, MoreRanksThanTheClusterHasAreRefused) {
  EXPECT_THAT(CostOf(R"({"op":"all_reduce","bytes":8,"ranks":65})").error().message,
              HasSubstr("9 nodes"));
  EXPECT_THAT(
      CostOf(R"({"op":"all_reduce","bytes":8,"ranks":9,"ranks_per_node":9})").error().message,
      HasSubstr("8 GPUs a node"));
}

TEST_F(LineCostTest, OtherConditionsAreNotAnsweredWithTheSteadyOne) {
  const auto code = [this](std::string_view field) {
    return CostOf(R"({"op":"gemm","m":64,"n":64,"k":64,)" + std::string(field) + "}").error().code;
  };
  EXPECT_EQ(code(R"("clock":"burst")"), ErrorCode::kUnimplemented);
  EXPECT_EQ(code(R"("launch":"eager")"), ErrorCode::kUnimplemented);
  EXPECT_EQ(code(R"("cache":"warm")"), ErrorCode::kUnimplemented);
  EXPECT_EQ(code(R"("layout":"NN")"), ErrorCode::kUnimplemented);
  EXPECT_TRUE(
      CostOf(
          R"({"op":"gemm","m":64,"n":64,"k":64,"clock":"sustained","launch":"graph","cache":"cold","layout":"TN"})")
          .has_value());
}

// The answer says how it is done; what the line names is done.
TEST_F(LineCostTest, ACollectiveSaysByWhatItsTimeIs) {
  const auto plan = [this](std::string_view text) {
    const OperationLine line =
        ReadOperationLine(text, LinePlace{.source = nullptr, .line = 1}).value();
    return CostOfLine(line, cluster_, OperationTime::Analytic(cluster_)).value().collective->plan;
  };
  EXPECT_EQ(plan(R"({"op":"all_reduce","bytes":1e9,"ranks":8})").algorithm,
            CollectiveAlgorithm::kNvls);
  const network::CollectivePlan named =
      plan(R"({"op":"all_reduce","bytes":1e9,"ranks":8,"algorithm":"tree","protocol":"ll128"})");
  EXPECT_EQ(named.algorithm, CollectiveAlgorithm::kTree);
  EXPECT_EQ(named.protocol, CollectiveProtocol::kLl128);
}

TEST_F(LineCostTest, AnAlgorithmThatCannotBeHadIsAnErrorWithAHint) {
  const Error error =
      CostOf(R"({"op":"all_reduce","bytes":1e9,"ranks":16,"algorithm":"collnet-chain"})").error();
  EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(error.message, HasSubstr("a fabric whose switches add"));
  EXPECT_THAT(error.hint, HasSubstr("sharp: true"));
  EXPECT_THAT(
      CostOf(R"({"op":"all_reduce","bytes":1e9,"ranks":8,"algorithm":"rings"})").error().hint,
      HasSubstr("ring"));
}

TEST_F(LineCostTest, ADataTypeThatTheGpuLacksIsAnError) {
  EXPECT_EQ(CostOf(R"({"op":"gemm","dtype":"fp4","m":64,"n":64,"k":64})").error().code,
            ErrorCode::kFailedPrecondition);
}

}  // namespace
}  // namespace ridgeline::compute
