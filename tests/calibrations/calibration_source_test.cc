#include "service/calibrations/calibration_source.h"

#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/document.h"
#include "sim/compute/operation_time.h"
#include "sim/reliance.h"
#include "sim/simulate.h"

namespace ridgeline::calibrations {
namespace {

using hardware::Cluster;
using ::testing::HasSubstr;

const std::filesystem::path kConfigs = std::filesystem::path(RIDGELINE_SOURCE_DIR) / "configs";
const Gemm kGemm = {.m = 512, .n = 4096, .k = 5120};

hardware::Catalog CatalogWith(const std::string& choice, bool takes_measured_only = false) {
  hardware::Catalog catalog({kConfigs});
  catalog.set_cost_source(MakeCostSource({kConfigs}, choice).value(), takes_measured_only);
  return catalog;
}

/// The cluster of a document such as "nodes: dgx-h100".
Result<Cluster> ClusterOf(const hardware::Catalog& catalog, const std::string& text) {
  const Node document = ParseDocument("cluster.yaml", text).value();
  Reference<hardware::ClusterDescription> reference;
  reference.inline_map = document;
  return catalog.ResolveCluster(reference);
}

Evidence EvidenceOf(const Cluster& cluster) {
  return compute::OperationTime::Of(cluster).CostOf(Operation(kGemm))->evidence;
}

TEST(CalibrationSourceTest, AGpuTakesTheProfileOfItsOwnName) {
  const Cluster cluster = ClusterOf(CatalogWith("auto"), "nodes: hgx-h200").value();
  ASSERT_NE(cluster.measured, nullptr);
  EXPECT_EQ(cluster.measured->identity().name, "h200-sxm");
  EXPECT_FALSE(cluster.measured->identity().is_transferred);
  EXPECT_EQ(cluster.measured->identity().sha256.size(), 64U);
  EXPECT_LE(EvidenceOf(cluster), Evidence::kInterpolated);
}

TEST(CalibrationSourceTest, AGpuThatWasNotMeasuredTakesTheNearestOfItsArchitecture) {
  const hardware::Catalog catalog = CatalogWith("auto");
  const Cluster pcie = ClusterOf(catalog, "nodes: h100-pcie-x8").value();
  ASSERT_NE(pcie.measured, nullptr);
  EXPECT_EQ(pcie.measured->identity().gpu, "h100-sxm");
  EXPECT_TRUE(pcie.measured->identity().is_transferred);
  EXPECT_EQ(EvidenceOf(pcie), Evidence::kExtrapolated);
  // No profile is of Blackwell.
  EXPECT_EQ(ClusterOf(catalog, "nodes: dgx-b200")->measured, nullptr);
}

TEST(CalibrationSourceTest, FiguresChangedByHandMakeAProfileATransferredOne) {
  const hardware::Catalog catalog = CatalogWith("auto");
  const auto is_transferred = [&](const std::string& gpu) {
    return ClusterOf(catalog, "nodes: {base: dgx-h100, gpu: " + gpu + "}")
        ->measured->identity()
        .is_transferred;
  };
  EXPECT_TRUE(is_transferred("{memory: {bandwidth: 4 TB/s}}"));
  EXPECT_TRUE(is_transferred("{name: h100-sxm, memory: {bandwidth: 4 TB/s}}"));
  EXPECT_TRUE(is_transferred("{power: 500 W}"));
  // No kernel is faster for more room.
  EXPECT_FALSE(is_transferred("{memory: {capacity: 120 GB}}"));
}

TEST(CalibrationSourceTest, NoneIsTheRooflineAndANameIsThatProfile) {
  EXPECT_EQ(ClusterOf(CatalogWith("none"), "nodes: dgx-h100")->measured, nullptr);
  const Cluster cluster = ClusterOf(CatalogWith("h200-sxm"), "nodes: dgx-h100").value();
  EXPECT_EQ(cluster.measured->identity().name, "h200-sxm");
  EXPECT_TRUE(cluster.measured->identity().is_transferred);
  const auto unknown = MakeCostSource({kConfigs}, "h100-sxn");
  ASSERT_FALSE(unknown.has_value());
  EXPECT_THAT(unknown.error().hint, HasSubstr("h100-sxm"));
}

TEST(CalibrationSourceTest, AProfileThatDoesNotReadIsAnErrorThatNamesTheFile) {
  const std::filesystem::path file =
      std::filesystem::path(::testing::TempDir()) / "broken.calibration";
  std::ofstream(file) << "nothing of the kind\n";
  const auto cluster = ClusterOf(CatalogWith(file.string()), "nodes: dgx-h100");
  ASSERT_FALSE(cluster.has_value());
  EXPECT_THAT(cluster.error().message, HasSubstr("broken.calibration"));
  EXPECT_THAT(cluster.error().hint, HasSubstr("--calibration none"));
}

TEST(CalibrationSourceTest, ClustersOfOneGpuShareTheirTables) {
  const hardware::Catalog catalog = CatalogWith("auto");
  EXPECT_EQ(ClusterOf(catalog, "nodes: dgx-h100")->measured,
            ClusterOf(catalog, "{nodes: dgx-h100, count: 4}")->measured);
}

TEST(CalibrationSourceTest, ThreadsGetTheSameAnswers) {
  const hardware::Catalog catalog = CatalogWith("auto");
  std::vector<double> seconds(4);
  std::vector<std::thread> threads;
  for (double& mine : seconds) {
    threads.emplace_back([&catalog, &mine] {
      const Cluster cluster = ClusterOf(catalog, "nodes: dgx-h100").value();
      mine = compute::OperationTime::Of(cluster).CostOf(Operation(kGemm))->mean.base();
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(std::vector<double>(4, seconds.front()), seconds);
}

TEST(CalibrationSourceTest, CollectivesAreMeasuredInsideANodeOnly) {
  const Cluster cluster = ClusterOf(CatalogWith("auto"), "{nodes: dgx-h100, count: 4}").value();
  const compute::OperationTime time = compute::OperationTime::Of(cluster);
  const auto evidence = [&](int64_t ranks, int64_t per_node) {
    return time
        .CostOf(Collective{.kind = CollectiveKind::kAllReduce,
                           .bytes = Bytes::FromBase(16777216),
                           .group = {.ranks = ranks, .ranks_per_node = per_node}})
        .value()
        .evidence;
  };
  EXPECT_LE(evidence(8, 8), Evidence::kInterpolated);
  EXPECT_EQ(evidence(8, 4), Evidence::kExtrapolated);
  EXPECT_EQ(evidence(32, 8), Evidence::kExtrapolated);
}

// A what-if about memory must not be answered by another model of the links.
TEST(CalibrationSourceTest, CollectivesOutliveAChangeThatTheirLinksDoNotFeel) {
  const hardware::Catalog catalog = CatalogWith("auto");
  const auto evidence = [&](const std::string& gpu) {
    const Cluster cluster = ClusterOf(catalog, "nodes: {base: dgx-h100, gpu: " + gpu + "}").value();
    return compute::OperationTime::Of(cluster)
        .CostOf(Collective{.kind = CollectiveKind::kAllReduce,
                           .bytes = Bytes::FromBase(16777216),
                           .group = {.ranks = 8, .ranks_per_node = 8}})
        .value()
        .evidence;
  };
  EXPECT_LE(evidence("{memory: {bandwidth: 4 TB/s}}"), Evidence::kInterpolated);
  EXPECT_EQ(evidence("{nvlink: {bandwidth: 300 GB/s}}"), Evidence::kExtrapolated);
}

constexpr std::string_view kStep =
    "cluster: {nodes: dgx-h100, count: 1}\n"
    "training: {model: llama-3.1-8b, framework: megatron-core, sequence_length: 4096,\n"
    "           global_batch: 16, micro_batch: 1, parallelism: {tp: 8}}\n";

Result<sim::Report> Step(const hardware::Catalog& catalog) {
  const Node document = ParseDocument("step.yaml", std::string(kStep)).value();
  ASSIGN_OR_RETURN(const sim::Scenario scenario, sim::ResolveScenario(document, catalog));
  return sim::Simulate(scenario, {});
}

TEST(CalibrationSourceTest, ATrainingStepSaysWhatItRestsOn) {
  const sim::Report report = Step(CatalogWith("auto")).value();
  ASSERT_TRUE(report.calibration.has_value());
  EXPECT_EQ(report.calibration->name, "h100-sxm");
  double sum = 0;
  for (const double share : report.evidence) {
    sum += share;
  }
  EXPECT_NEAR(sum, 1, 1e-9);
  EXPECT_GT(report.evidence[0] + report.evidence[1], 0.8);
  EXPECT_LE(report.Find("step_time")->evidence, Evidence::kExtrapolated);
  EXPECT_EQ(Step(CatalogWith("none"))->Find("step_time")->evidence, Evidence::kAnalytic);
}

TEST(CalibrationSourceTest, StrictnessRefusesAndNamesWhatWasNotMeasured) {
  const auto refused = Step(CatalogWith("none", true));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().path, sim::kStrictPath);
  EXPECT_THAT(refused.error().message, HasSubstr("no measurement of"));
  EXPECT_THAT(refused.error().message, HasSubstr("gemm"));
}

}  // namespace
}  // namespace ridgeline::calibrations
