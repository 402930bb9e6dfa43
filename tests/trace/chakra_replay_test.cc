#include "sim/trace/chakra_replay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ridgeline::trace {
namespace {

using testing::HasSubstr;

constexpr engine::Picoseconds kMicrosecond = 1'000'000;

ChakraNode Compute(uint64_t id, uint64_t micros, std::vector<uint64_t> dependencies = {}) {
  return {.id = id,
          .name = "compute",
          .type = ChakraNodeType::kCompute,
          .data_dependencies = std::move(dependencies),
          .duration_micros = micros,
          .attributes = {{"is_cpu_op", false}}};
}
ChakraNode Collective(uint64_t id, uint64_t micros, std::vector<uint64_t> dependencies = {}) {
  return {.id = id,
          .name = "all-reduce",
          .type = ChakraNodeType::kCollective,
          .data_dependencies = std::move(dependencies),
          .duration_micros = micros};
}
ChakraNode Message(uint64_t id, ChakraNodeType type, int source, int destination,
                   std::vector<uint64_t> dependencies, uint64_t micros) {
  return {.id = id,
          .name = "message",
          .type = type,
          .data_dependencies = std::move(dependencies),
          .duration_micros = micros,
          .attributes = {{"comm_src", int32_t{source}},
                         {"comm_dst", int32_t{destination}},
                         {"comm_tag", int32_t{7}}}};
}

engine::Picoseconds Makespan(const std::vector<ChakraTrace>& ranks) {
  const Result<ChakraReplay> replay = ReplayChakra(ranks, RecordedDuration);
  EXPECT_TRUE(replay.has_value());
  return replay ? replay->timeline.makespan : 0;
}

// Compute is one at a time (10 + 20), communication runs beside it (25 from 10): 35.
TEST(ChakraReplayTest, CommunicationRunsBesideComputation) {
  const ChakraTrace rank = {"0.0.4", {Compute(0, 10), Compute(1, 20), Collective(2, 25, {0})}};
  EXPECT_EQ(Makespan({rank}), 35 * kMicrosecond);
}

// Rank 0 comes to the collective at 10, rank 1 at 40: both leave at 45, and rank 0 ends at 50.
TEST(ChakraReplayTest, CollectivesWaitForAllRanks) {
  const ChakraTrace first = {"0.0.4", {Compute(0, 10), Collective(1, 5, {0}), Compute(2, 5, {1})}};
  const ChakraTrace second = {"0.0.4", {Compute(0, 40), Collective(1, 5, {0})}};
  EXPECT_EQ(Makespan({first, second}), 50 * kMicrosecond);
}

// The send of 3 after 10; what waits for it on rank 1 takes 4: 17.
TEST(ChakraReplayTest, ReceivesWaitForTheirSends) {
  const ChakraTrace first = {"0.0.4",
                             {Compute(0, 10), Message(1, ChakraNodeType::kSend, 0, 1, {0}, 3)}};
  const ChakraTrace second = {
      "0.0.4", {Message(0, ChakraNodeType::kReceive, 0, 1, {}, 0), Compute(1, 4, {0})}};
  EXPECT_EQ(Makespan({first, second}), 17 * kMicrosecond);
  const Result<ChakraReplay> alone = ReplayChakra(
      {{"0.0.4", {Message(0, ChakraNodeType::kReceive, 0, 1, {}, 0)}}}, RecordedDuration);
  ASSERT_FALSE(alone.has_value());
  EXPECT_THAT(alone.error().message, HasSubstr("nobody sends"));
}

TEST(ChakraReplayTest, TimesMayBeOthers) {
  const Result<ChakraReplay> replay =
      ReplayChakra({{"0.0.4", {Compute(0, 10), Compute(1, 20)}}},
                   [](const ChakraNode& node) { return RecordedDuration(node) / 2; });
  ASSERT_TRUE(replay.has_value());
  EXPECT_EQ(replay->timeline.makespan, 15 * kMicrosecond);
  EXPECT_EQ(replay->compute, 15 * kMicrosecond);
}

TEST(ChakraReplayTest, BrokenGraphsAreRefused) {
  EXPECT_FALSE(ReplayChakra({{"", {Compute(0, 1, {5})}}}, RecordedDuration).has_value());
  EXPECT_FALSE(ReplayChakra({{"", {Compute(0, 1), Compute(0, 1)}}}, RecordedDuration).has_value());
  const Result<ChakraReplay> circle =
      ReplayChakra({{"", {Compute(0, 1, {1}), Compute(1, 1, {0})}}}, RecordedDuration);
  ASSERT_FALSE(circle.has_value());
  EXPECT_THAT(circle.error().message, HasSubstr("circle"));
}

}  // namespace
}  // namespace ridgeline::trace
