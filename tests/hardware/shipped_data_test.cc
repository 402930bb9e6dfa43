// What configs/ holds of hardware: every file decodes, every figure has a source, and the figures
// agree with each other.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/diagnostic.h"
#include "hardware/description.h"
#include "tests/hardware/shipped_catalog.h"

namespace ridgeline::hardware {
namespace {

void ExpectSources(const std::string& what, const std::vector<DescribedFigure>& figures) {
  EXPECT_FALSE(figures.empty()) << what;
  for (const DescribedFigure& figure : figures) {
    EXPECT_NE(figure.source, "") << what << ": " << figure.key << " = " << figure.value;
  }
}

TEST(ShippedDataTest, EveryGpuDecodesAndEveryFigureHasASource) {
  const Catalog catalog = ShippedCatalog();
  EXPECT_THAT(catalog.Names("gpus"),
              testing::IsSupersetOf({"a100-sxm-40g", "a100-sxm-80g", "a100-pcie-40g",
                                     "a100-pcie-80g", "h100-sxm", "h100-pcie", "h100-nvl",
                                     "h100-96gb-hbm2e", "h200-sxm", "h800-sxm", "h20-sxm",
                                     "b200-sxm", "l40s", "rtx-4090", "rtx-pro-6000"}));
  for (const std::string& name : catalog.Names("gpus")) {
    const Result<Gpu> gpu = catalog.ResolveGpu(Named<Gpu>(name));
    ASSERT_TRUE(gpu) << RenderError(gpu.error());
    EXPECT_EQ(gpu->name, name);
    ExpectSources(name, Describe(*gpu));
  }
}

TEST(ShippedDataTest, EveryNodeDecodesWithItsGpuAndEveryFigureHasASource) {
  const Catalog catalog = ShippedCatalog();
  for (const std::string& name : catalog.Names("nodes")) {
    const Result<Node> node = catalog.ResolveNode(Named<Node>(name));
    ASSERT_TRUE(node) << RenderError(node.error());
    ExpectSources(name, Describe(*node));
    const Result<Gpu> gpu = catalog.ResolveGpu(node->gpu);
    ASSERT_TRUE(gpu) << RenderError(gpu.error());
    // What NVLink joins has NVLink; the cards named for PCIe alone may have none.
    EXPECT_TRUE(node->intra == IntraNodeLink::kPcie || gpu->nvlink.links > 0) << name;
  }
}

TEST(ShippedDataTest, EveryFabricDecodesAndEveryFigureHasASource) {
  const Catalog catalog = ShippedCatalog();
  for (const std::string& name : catalog.Names("fabrics")) {
    const Result<Fabric> fabric = catalog.ResolveFabric(Named<Fabric>(name));
    ASSERT_TRUE(fabric) << RenderError(fabric.error());
    ExpectSources(name, Describe(*fabric));
  }
}

TEST(ShippedDataTest, EveryClusterResolvesAndIsAsLargeAsItsNameSays) {
  const Catalog catalog = ShippedCatalog();
  for (const std::string& name : catalog.Names("clusters")) {
    const auto cluster = catalog.ResolveCluster(Named<ClusterDescription>(name));
    ASSERT_TRUE(cluster) << RenderError(cluster.error());
    EXPECT_EQ(std::to_string(cluster->gpus()), name.substr(name.rfind('-') + 1)) << name;
    const auto document = ReadDocument(catalog.Find("clusters", name).value());
    ExpectSources(name, Describe(Decode<ClusterDescription>(*document).value()));
  }
}

TEST(ShippedDataTest, SustainedRatesLieBetweenTheirBoundsAndBelowThePeak) {
  for (const std::string& name : ShippedCatalog().Names("gpus")) {
    const Gpu gpu = ShippedGpu(name);
    for (const auto& [dtype, rate] : gpu.sustained) {
      EXPECT_LE(rate.low, rate.rate) << name << dtype;
      EXPECT_LE(rate.rate, rate.high) << name << dtype;
      EXPECT_LE(rate.high, gpu.peak.at(dtype)) << name << dtype;
    }
    // Training and serving compute in 16 bit and stream from memory: no GPU may be at its peak.
    ASSERT_TRUE(gpu.sustained.contains("bf16") && gpu.sustained.contains("fp16")) << name;
    EXPECT_LT(gpu.sustained.at("bf16").rate, gpu.peak.at("bf16")) << name;
    ASSERT_TRUE(gpu.memory.sustained && gpu.sustained_attention) << name;
    EXPECT_LT(gpu.memory.sustained->rate, gpu.memory.bandwidth) << name;
  }
}

// Matrix peak = clock x multiply-adds per clock and SM x 2 x SMs. H100 SXM: 1830 MHz x 2048 x 2 x
// 132 = 989.4 TFLOP/s; A100: 1410 MHz x 1024 x 2 x 108 = 311.9 TFLOP/s.
TEST(ShippedDataTest, SixteenBitPeaksFollowFromClockAndWidth) {
  const std::map<std::string, double> multiply_adds = {
      {"a100-sxm-40g", 1024}, {"a100-sxm-80g", 1024}, {"a100-pcie-80g", 1024}, {"h100-sxm", 2048},
      {"h100-pcie", 2048},    {"h100-nvl", 2048},     {"h200-sxm", 2048},      {"h800-sxm", 2048},
      {"b200-sxm", 4096},     {"rtx-4090", 256},      {"rtx-pro-6000", 512}};
  for (const auto& [name, per_clock] : multiply_adds) {
    const Gpu gpu = ShippedGpu(name);
    const double by_clock = gpu.clock.base() * per_clock * 2 * gpu.streaming_multiprocessors;
    EXPECT_NEAR(by_clock / gpu.peak.at("bf16").base(), 1.0, 0.001) << name;
  }
}

// 989.4 TFLOP/s over 3.352 TB/s = 295.2 FLOP/byte: left of it memory rules, right of it arithmetic.
TEST(ShippedDataTest, RidgePointOfH100IsAbout295FlopsAByte) {
  const Gpu gpu = ShippedGpu("h100-sxm");
  const FlopsPerByte ridge = gpu.peak.at("bf16") / gpu.memory.bandwidth;
  EXPECT_NEAR(ridge.base(), 295.2, 0.1);
}

TEST(ShippedDataTest, EveryAliasLeadsToOneEntryAndHidesNoName) {
  const Catalog catalog = ShippedCatalog();
  for (const char* kind : {"gpus", "nodes", "fabrics", "clusters"}) {
    std::map<std::string, std::string> owner;
    for (const std::string& name : catalog.Names(kind)) {
      owner[name] = name;
    }
    for (const std::string& name : catalog.Names(kind)) {
      const auto document = ReadDocument(catalog.Find(kind, name).value());
      ASSERT_TRUE(document);
      const auto* aliases = document->Find("aliases");
      for (const auto& alias : aliases ? aliases->items : std::vector<::ridgeline::Node>{}) {
        EXPECT_TRUE(owner.emplace(alias.scalar, name).second)
            << alias.scalar << " is both " << owner[alias.scalar] << " and " << name;
        EXPECT_EQ(catalog.Find(kind, alias.scalar).value().stem(), name);
      }
    }
  }
}

}  // namespace
}  // namespace ridgeline::hardware
