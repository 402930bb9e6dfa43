#include "base/nearest_name.h"

#include <vector>

#include <gtest/gtest.h>

namespace ridgeline {
namespace {

const std::vector<std::string> kNames = {"bandwidth", "gpus_per_node", "tp", "pp"};

TEST(NearestNameTest, FindsSlipsOfThePen) {
  EXPECT_EQ(NearestName("bandwith", kNames), "bandwidth");
  EXPECT_EQ(NearestName("bandwidht", kNames), "bandwidth");  // a swap is one edit
  EXPECT_EQ(NearestName("gpu_per_node", kNames), "gpus_per_node");
  EXPECT_EQ(NearestName("GPUs-per-node", kNames), "gpus_per_node");
}

TEST(NearestNameTest, NothingNearIsNothing) {
  EXPECT_EQ(NearestName("latency", kNames), std::nullopt);
  EXPECT_EQ(NearestName("", kNames), std::nullopt);
  EXPECT_EQ(NearestName("x", kNames), std::nullopt);
  EXPECT_EQ(NearestName(std::string(10'000, 'x'), kNames), std::nullopt);
}

TEST(NearestNameTest, TiesGoToTheFirst) { EXPECT_EQ(NearestName("xp", kNames), "tp"); }

TEST(SuggestNameTest, ListsWhatIsKnownWhenNothingIsNear) {
  EXPECT_EQ(SuggestName("latency", kNames), "known: bandwidth, gpus_per_node, tp, pp");
  EXPECT_EQ(SuggestName("tpp", kNames), "did you mean tp?");
  EXPECT_EQ(SuggestName("x", {}), "");
}

}  // namespace
}  // namespace ridgeline
