#include "sim/engine/traffic_stream.h"

#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ridgeline::engine {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Traffic SomeTraffic() {
  Traffic traffic({50e9, kUncapped, 1.5});
  const std::vector<Traffic::Crossing> path = {{.link = 2, .count = 3}, {.link = 0, .count = 1}};
  traffic.AddFlow({.bytes = 1e6, .cap = 2e9, .start = 5, .delay = 7, .multiplicity = 4}, path);
  const std::vector<FlowIndex> first = {0};
  traffic.AddFlow({.bytes = 0.25}, std::span<const LinkIndex>(), first);
  return traffic;
}

TEST(TrafficStreamTest, TrafficReadsBackAsItWas) {
  const Traffic traffic = SomeTraffic();
  const Result<Traffic> read = ReadTraffic(WriteTraffic(traffic));
  ASSERT_TRUE(read.has_value()) << read.error().message;
  ASSERT_EQ(read->num_flows(), 2);
  EXPECT_THAT(read->capacities(), ElementsAre(50e9, kUncapped, 1.5));
  EXPECT_EQ(read->flow(0).bytes, 1e6);
  EXPECT_EQ(read->flow(0).cap, 2e9);
  EXPECT_EQ(read->flow(0).start, 5);
  EXPECT_EQ(read->flow(0).delay, 7);
  EXPECT_EQ(read->flow(0).multiplicity, 4);
  ASSERT_EQ(read->path(0).size(), 2u);
  EXPECT_EQ(read->path(0)[0].link, 2);
  EXPECT_EQ(read->path(0)[0].count, 3);
  EXPECT_EQ(read->flow(1).bytes, 0.25);
  EXPECT_TRUE(read->path(1).empty());
  EXPECT_THAT(read->predecessors(1), ElementsAre(0));
}

TEST(TrafficStreamTest, AnAnswerReadsBackWithItsMakespan) {
  TrafficAnswer answer;
  answer.times = {.begin = {12, 40}, .end = {40, 40}, .makespan = 0};
  answer.solve_seconds = 0.125;
  const std::string bytes = WriteAnswer(answer);
  EXPECT_LE(bytes.size(), MostAnswerBytes(2));
  const Result<TrafficAnswer> read = ReadAnswer(bytes, SomeTraffic());
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(read->times.begin, answer.times.begin);
  EXPECT_EQ(read->times.end, answer.times.end);
  EXPECT_EQ(read->times.makespan, 40);
  EXPECT_EQ(read->solve_seconds, 0.125);
}

TEST(TrafficStreamTest, ARefusalIsUnimplementedWithItsReason) {
  const std::string bytes = WriteRefusal("no weights");
  EXPECT_LE(bytes.size(), MostAnswerBytes(0));
  const Result<TrafficAnswer> read = ReadAnswer(bytes, SomeTraffic());
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().code, ErrorCode::kUnimplemented);
  EXPECT_EQ(read.error().message, "no weights");
  EXPECT_LE(WriteRefusal(std::string(100'000, 'x')).size(), MostAnswerBytes(0));
}

TEST(TrafficStreamTest, EveryShorteningIsRefused) {
  const std::string traffic = WriteTraffic(SomeTraffic());
  for (size_t length = 0; length < traffic.size(); ++length) {
    EXPECT_FALSE(ReadTraffic(traffic.substr(0, length)).has_value()) << length;
  }
  EXPECT_FALSE(ReadTraffic(traffic + "x").has_value());
  TrafficAnswer times;
  times.times = {.begin = {12, 40}, .end = {40, 40}, .makespan = 0};
  for (const std::string& answer : {WriteAnswer(times), WriteRefusal("no")}) {
    for (size_t length = 0; length < answer.size(); ++length) {
      const Result<TrafficAnswer> read = ReadAnswer(answer.substr(0, length), SomeTraffic());
      ASSERT_FALSE(read.has_value()) << length;
      EXPECT_EQ(read.error().code, ErrorCode::kInvalidArgument);
    }
  }
  EXPECT_FALSE(ReadAnswer(WriteAnswer(times) + "x", SomeTraffic()).has_value());
}

// Any eight bytes may become any of a set of nasty numbers: an error or sound traffic, never more.
TEST(TrafficStreamTest, NoBytesMakeUnsoundTraffic) {
  const std::string sound = WriteTraffic(SomeTraffic());
  for (const uint64_t nasty : {~0ull, 0ull, 1ull << 62, 1ull << 31, 0x7ff8ull << 48, 2ull}) {
    for (size_t at = 0; at + sizeof nasty <= sound.size(); at += 4) {
      std::string bytes = sound;
      std::memcpy(bytes.data() + at, &nasty, sizeof nasty);
      if (const Result<Traffic> read = ReadTraffic(bytes)) {
        EXPECT_LE(read->num_flows(), 2) << at;
      }
    }
  }
}

TEST(TrafficStreamTest, ImpossibleTimesAreGarbage) {
  const Traffic traffic = SomeTraffic();
  for (const FlowTimes& times :
       {FlowTimes{.begin = {11, 40}, .end = {40, 40}, .makespan = 0},  // begins before 5 + 7
        FlowTimes{.begin = {12, 40}, .end = {40, 39}, .makespan = 0},  // ends before it begins
        FlowTimes{.begin = {12}, .end = {40}, .makespan = 0}}) {       // one flow of two
    const Result<TrafficAnswer> read =
        ReadAnswer(WriteAnswer({.times = times, .solve_seconds = 0.0}), traffic);
    ASSERT_FALSE(read.has_value());
    EXPECT_EQ(read.error().code, ErrorCode::kInvalidArgument);
  }
  EXPECT_THAT(ReadAnswer("42 and more than eight bytes", traffic).error().message,
              HasSubstr("not an answer"));
}

}  // namespace
}  // namespace ridgeline::engine
