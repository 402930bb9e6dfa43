// Pictures: every part once with its number, what cables carry, the same bytes every time.
#include "hardware/fabric_drawing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hardware/fabric_classes.h"
#include "tests/hardware/built_fabrics.h"

namespace ridgeline::hardware {
namespace {

using testing::HasSubstr;

std::string DotOf(const std::string& text) {
  const Cluster cluster = ClusterOf(text).value();
  return DrawDot(cluster, FabricGraph::Of(cluster).value());
}

TEST(FabricDrawingTest, TwentyFourThousandGpusFitAPage) {
  const std::string dot = DotOf("{nodes: hgx-h100, count: 3072, fabric: meta-24k-roce}");
  EXPECT_THAT(dot, HasSubstr("24,576 GPUs"));
  EXPECT_THAT(dot, HasSubstr("8 x pod"));
  EXPECT_THAT(dot, HasSubstr("28 x core"));
  EXPECT_THAT(dot, HasSubstr("16 x spine"));
  EXPECT_THAT(dot, HasSubstr("192 x leaf"));
  EXPECT_THAT(dot, HasSubstr("384 x hgx-h100"));
  EXPECT_THAT(dot, HasSubstr("oversubscribed 7 : 1"));
  EXPECT_THAT(dot, HasSubstr("8 x 400 Gb/s a node"));
  EXPECT_LT(dot.size(), 4096U);
  EXPECT_EQ(dot, DotOf("{nodes: hgx-h100, count: 3072, fabric: meta-24k-roce}"));
}

TEST(FabricDrawingTest, WhatIsBrokenStandsApart) {
  const std::string dot = DotOf(
      "{nodes: dgx-h100, count: 64, fabric: {base: rail-optimized-400g, faults: [{link: "
      "leaf3-spine1, bandwidth: 100 Gb/s}]}}");
  EXPECT_THAT(dot, HasSubstr("leaf3-spine1 has 100 Gb/s left"));
  EXPECT_THAT(dot, HasSubstr("15 x leaf"));
  EXPECT_THAT(dot, HasSubstr("\"leaf3\\n"));
  EXPECT_THAT(dot, HasSubstr("7 x spine"));
}

TEST(FabricDrawingTest, ANodeAloneIsDrawnGpuByGpu) {
  const std::string dot = DotOf("{nodes: h100-nvl-x8, count: 1}");
  EXPECT_THAT(dot, HasSubstr("gpu7\\nh100-nvl"));
  EXPECT_THAT(dot, HasSubstr("300 GB/s"));  // a bridge
}

TEST(FabricClassesTest, MembersOfAllClassesAreAllSwitchesAndNodes) {
  for (const char* text :
       {"{nodes: dgx-h100, count: 300, fabric: superpod-b200}",
        "{nodes: dgx-h100, count: 128, fabric: dragonfly-plus-400g}",
        "{nodes: dgx-h100, count: 16, fabric: dual-plane-400g}", "gb200-nvl72-576"}) {
    const FabricGraph graph = GraphOf(text);
    const FabricClasses classes = ClassesOf(graph, false);
    size_t switches = 0;
    size_t nodes = 0;
    for (const SwitchClass& of : classes.switches) {
      switches += of.members.size();
    }
    for (const NodeClass& of : classes.nodes) {
      nodes += of.members.size();
    }
    EXPECT_EQ(switches, graph.vertices().size() - static_cast<size_t>(graph.first_switch()));
    EXPECT_EQ(nodes, static_cast<size_t>(graph.nodes()));
    EXPECT_LT(classes.switches.size(), 24U) << text;
  }
}

}  // namespace
}  // namespace ridgeline::hardware
