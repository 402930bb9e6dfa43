#include "hardware/catalog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/diagnostic.h"
#include "tests/hardware/shipped_catalog.h"

namespace ridgeline::hardware {
namespace {

using testing::HasSubstr;

Result<Cluster> Resolve(const std::string& text) {
  return ShippedCatalog().ResolveCluster(Written<ClusterDescription>(text, "cluster"));
}

TEST(CatalogTest, AnUnknownNameNamesItsPlaceAndTheNearestName) {
  const Result<Cluster> cluster = Resolve("cluster: {nodes: dgx-h10, count: 2}");
  ASSERT_FALSE(cluster);
  EXPECT_EQ(cluster.error().code, ErrorCode::kNotFound);
  const std::string text = RenderError(cluster.error());
  EXPECT_THAT(text, HasSubstr("scenario.yaml:1:18: error: unknown node: dgx-h10"));
  EXPECT_THAT(text, HasSubstr("dgx-h100"));
  EXPECT_THAT(text, HasSubstr("cluster.nodes"));
}

TEST(CatalogTest, ANodeGivenAsAClusterSaysHowToWriteIt) {
  const Result<Cluster> cluster = Resolve("cluster: dgx-h100");
  ASSERT_FALSE(cluster);
  EXPECT_THAT(cluster.error().hint, HasSubstr("cluster: {nodes: dgx-h100, count: 1}"));
}

TEST(CatalogTest, NamesThatAreNoNamesAreNotFound) {
  const Catalog catalog = ShippedCatalog();
  for (const std::string& name :
       {std::string(""), std::string("."), std::string(".."), std::string("a\0b", 3),
        std::string(5000, 'x'), std::string("aliases"), std::string("..\\x")}) {
    const auto found = catalog.Find("gpus", name);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, ErrorCode::kNotFound);
  }
}

TEST(CatalogTest, MissingDirectoriesHoldNothing) {
  const Catalog catalog({"/no/such/directory"});
  EXPECT_TRUE(catalog.Names("gpus").empty());
  EXPECT_FALSE(catalog.Find("gpus", "h100-sxm"));
}

TEST(CatalogTest, AnAliasResolvesToItsEntry) {
  EXPECT_EQ(ShippedGpu("a100-80gb-sxm").name, "a100-sxm-80g");
  EXPECT_EQ(ShippedGpu("h100").name, "h100-sxm");
  EXPECT_EQ(ShippedGpu("h200").name, "h200-sxm");
}

TEST(CatalogTest, TheFabricFollowsThePortsOfTheNode) {
  const auto hopper = Resolve("cluster: {nodes: dgx-h100, count: 64}");
  ASSERT_TRUE(hopper) << RenderError(hopper.error());
  EXPECT_EQ(hopper->fabric.name, "rail-optimized-400g");
  EXPECT_EQ(hopper->name, "64 x dgx-h100, rail-optimized-400g");
  EXPECT_EQ(Resolve("cluster: {nodes: dgx-a100, count: 2}")->fabric.name, "rail-optimized-200g");
}

TEST(CatalogTest, OneNodeHasNoFabric) {
  const auto cluster = Resolve("cluster: {nodes: hgx-h200}");
  ASSERT_TRUE(cluster) << RenderError(cluster.error());
  EXPECT_EQ(cluster->fabric.kind, FabricKind::kNone);
  EXPECT_EQ(cluster->gpus(), 8);
}

TEST(CatalogTest, PortsThatNoFabricMatchesAskForOne) {
  const auto cluster = Resolve(
      "cluster: {nodes: {base: dgx-h100, nics: {count: 8, bandwidth: 123 Gb/s}}, count: 2}");
  ASSERT_FALSE(cluster);
  EXPECT_THAT(RenderError(cluster.error()), HasSubstr("name one: fabric: NAME"));
}

TEST(CatalogTest, InlineKeysLieOverTheBaseAtAnyDepth) {
  const auto cluster =
      Resolve("cluster: {nodes: {base: dgx-h100, gpu: {memory: {capacity: 96 GB}}}, count: 2}");
  ASSERT_TRUE(cluster) << RenderError(cluster.error());
  EXPECT_EQ(cluster->gpu.memory.capacity, Gigabytes(96));
  EXPECT_EQ(cluster->gpu.memory.bandwidth, GigabytesPerSecond(3352));
  EXPECT_EQ(cluster->gpu.sources.at("memory.capacity"), "given in scenario.yaml:1");
  EXPECT_EQ(cluster->gpu.name, "h100-sxm (changed)");
}

// 48 of 50 GB/s stay 96 of 100: a what-if about ports must not be answered by the old ports.
TEST(CatalogTest, ASustainedRateKeepsItsShareOfAChangedPeak) {
  const auto cluster = Resolve(
      "cluster: {nodes: dgx-h100, count: 2, fabric: {base: rail-optimized-400g, bandwidth: 800 "
      "Gb/s}}");
  ASSERT_TRUE(cluster) << RenderError(cluster.error());
  EXPECT_NEAR(cluster->fabric.sustained->rate.base(), 96e9, 1);
  EXPECT_THAT(cluster->fabric.sustained->source, HasSubstr("x 2"));
  EXPECT_EQ(cluster->node.nics.bandwidth, GigabytesPerSecond(100));
  const auto slower = Resolve(
      "cluster: {nodes: {base: dgx-h100, gpu: {base: h100-sxm, memory: {bandwidth: 1676 GB/s}, "
      "peak: {bf16: 494.7 TFLOP/s}}}}");
  ASSERT_TRUE(slower) << RenderError(slower.error());
  EXPECT_NEAR(slower->gpu.memory.sustained->rate.base(), 1485e9, 1e6);
  EXPECT_NEAR(slower->gpu.sustained.at("bf16").rate.base(), 339e12, 1e9);
  EXPECT_NEAR(slower->gpu.sustained_attention->rate.base(), 164e12, 1e9);
}

TEST(CatalogTest, FiguresThatContradictEachOtherAreRefused) {
  const auto above = Resolve(
      "cluster: {nodes: {base: dgx-h100, gpu: {sustained: {bf16: {rate: 1 PFLOP/s, low: 900 "
      "TFLOP/s, high: 1 PFLOP/s, source: me}}}}}");
  ASSERT_FALSE(above);
  EXPECT_THAT(RenderError(above.error()), HasSubstr("sustained above the vendor's peak"));
  const auto order =
      Resolve("cluster: {nodes: {base: dgx-h100, gpu: {sustained: {bf16: {rate: 100 TFLOP/s}}}}}");
  ASSERT_FALSE(order);
  EXPECT_THAT(RenderError(order.error()), HasSubstr("low <= rate <= high"));
  EXPECT_FALSE(Resolve("cluster: {nodes: {base: dgx-h100, gpu: {peak: {bf17: 1 TFLOP/s}}}}"));
}

TEST(CatalogTest, AMisspeltKeyInsideAnOverrideIsFoundWhereItStands) {
  const auto cluster = Resolve(
      "cluster: {nodes: dgx-h100, count: 2, fabric: {base: rail-optimized-400g, bandwith: 1 "
      "Gb/s}}");
  ASSERT_FALSE(cluster);
  const std::string text = RenderError(cluster.error());
  EXPECT_THAT(text, HasSubstr("scenario.yaml:1:"));
  EXPECT_THAT(text, HasSubstr("bandwith"));
  EXPECT_THAT(text, HasSubstr("did you mean bandwidth?"));
}

}  // namespace
}  // namespace ridgeline::hardware
