#include "sim/trace/chrome_trace.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "sim/engine/static_sweep.h"

namespace ridgeline::trace {
namespace {

using nlohmann::json;

json EventsOf(const std::string& text, const std::string& phase) {
  json found = json::array();
  const json document = json::parse(text);
  for (const json& event : document.at("traceEvents")) {
    if (event.at("ph") == phase) {
      found.push_back(event);
    }
  }
  return found;
}

TEST(ChromeTraceTest, AnEmptyTraceIsADocument) {
  std::ostringstream out;
  EXPECT_TRUE(ChromeTrace(out).Finish());
  EXPECT_TRUE(json::parse(out.str()).at("traceEvents").empty());
}

TEST(ChromeTraceTest, SlicesKeepThePicosecond) {
  std::ostringstream out;
  ChromeTrace trace(out);
  // 1,234,567,890,123 ps = 1,234,567.890123 us.
  const Argument arguments[] = {{"bytes", int64_t{42}}, {"rate", 0.5}, {"kind", "ring"}};
  trace.Slice(1, 2, "gemm", "matmul", 1'234'567'890'123, 7, arguments);
  trace.Finish();
  EXPECT_NE(out.str().find("\"ts\":1234567.890123,\"dur\":0.000007"), std::string::npos);
  const json slice = EventsOf(out.str(), "X").at(0);
  EXPECT_EQ(slice.at("pid"), 1);
  EXPECT_EQ(slice.at("tid"), 2);
  EXPECT_EQ(slice.at("name"), "gemm");
  EXPECT_EQ(slice.at("cat"), "matmul");
  EXPECT_EQ(slice.at("args"), (json{{"bytes", 42}, {"rate", 0.5}, {"kind", "ring"}}));
}

TEST(ChromeTraceTest, OddNamesStayValidJson) {
  const std::string odd = std::string("a\"b\\c\n\t\x01") + '\0' + "\xff\xc3 d\xc3\xa9";
  std::ostringstream out;
  {
    ChromeTrace trace(out);
    trace.Process(1, odd, 0);
    trace.Thread(1, 1, odd, 0);
    const Argument arguments[] = {{odd, std::string_view(odd)}};
    trace.Slice(1, 1, odd, odd, 0, 1, arguments);
    trace.Counter(1, odd, 0, 1.0);
  }  // the destructor finishes
  const json slice = EventsOf(out.str(), "X").at(0);
  EXPECT_EQ(slice.at("name").get<std::string>(),
            std::string("a\"b\\c\n\t\x01") + '\0' + "\xef\xbf\xbd\xef\xbf\xbd d\xc3\xa9");
}

TEST(ChromeTraceTest, CountersAreFiniteNumbers) {
  std::ostringstream out;
  ChromeTrace trace(out);
  trace.Counter(3, "memory", 2'000'000, 7.5e10);
  trace.Counter(3, "memory", 3'000'000, std::numeric_limits<double>::infinity());
  trace.Finish();
  const json counters = EventsOf(out.str(), "C");
  EXPECT_EQ(counters.at(0).at("ts"), 2.0);
  EXPECT_EQ(counters.at(0).at("args").at("value"), 7.5e10);
  EXPECT_EQ(counters.at(1).at("args").at("value"), 0);
}

TEST(ChromeTraceTest, AFailedStreamIsReported) {
  std::ostringstream out;
  out.setstate(std::ios::badbit);
  ChromeTrace trace(out);
  EXPECT_FALSE(trace.Finish());
  EXPECT_THROW(trace.Process(1, "late", 0), InternalError);
}

// Two ranks; the second waits for the first. 500 rounds, to pass the write buffer's size.
std::pair<engine::Program, engine::Timeline> TwoRanks() {
  engine::Program program;
  const engine::LabelIndex forward = program.AddLabel("forward", 0);
  const engine::LabelIndex other = program.AddLabel("other", 9);
  const engine::StreamIndex streams[] = {program.AddStream(0, "compute"),
                                         program.AddStream(4, "compute"),
                                         program.AddStream(4, "network")};
  for (int i = 0; i < 500; ++i) {
    const engine::TaskIndex first = program.AddTask(streams[0], 1'000'001 + i, forward);
    program.AddTask(streams[1], 333'333, other, {&first, 1});
    program.AddTask(streams[2], i % 2 == 0 ? 0 : 77, other);
  }
  engine::Timeline timeline = engine::StaticSweep(program);
  return {std::move(program), std::move(timeline)};
}

std::string Written(bool with_arrows) {
  const auto [program, timeline] = TwoRanks();
  const std::vector<std::string> causes = {"matmul"};
  const std::vector<std::string> ranks = {"stage 0"};
  std::ostringstream out;
  ChromeTrace trace(out);
  WriteTimeline(program, timeline, causes, ranks, trace, {.with_arrows = with_arrows});
  trace.Counter(ProcessOf(4), "memory", 0, 1e9);
  EXPECT_TRUE(trace.Finish());
  return out.str();
}

TEST(WriteTimelineTest, ProcessesAndTracksAreNamedAndSorted) {
  std::map<std::pair<int, int>, json> names;
  for (const json& event : EventsOf(Written(false), "M")) {
    names[{event.at("pid"), event.at("tid")}].update(event.at("args"));
  }
  EXPECT_EQ(names.size(), 5u);
  EXPECT_EQ((names[{1, 0}]), (json{{"name", "stage 0"}, {"sort_index", 0}}));
  EXPECT_EQ((names[{5, 0}]), (json{{"name", "rank 4"}, {"sort_index", 4}}));
  EXPECT_EQ((names[{1, 1}]), (json{{"name", "compute"}, {"sort_index", 1}}));
  EXPECT_EQ((names[{5, 3}]), (json{{"name", "network"}, {"sort_index", 3}}));
}

TEST(WriteTimelineTest, SlicesOfATrackDoNotOverlap) {
  std::map<std::pair<int, int>, std::vector<std::pair<int64_t, int64_t>>> tracks;
  const json slices = EventsOf(Written(false), "X");
  EXPECT_EQ(slices.size(), 500u + 500u + 250u) << "tasks of no duration are left out";
  const auto picoseconds = [](const json& microseconds) {
    return std::llround(microseconds.get<double>() * 1e6);
  };
  for (const json& slice : slices) {
    const int64_t begin = picoseconds(slice.at("ts"));
    tracks[{slice.at("pid"), slice.at("tid")}].emplace_back(begin,
                                                            begin + picoseconds(slice.at("dur")));
  }
  EXPECT_EQ(tracks.size(), 3u);
  for (auto& [track, spans] : tracks) {
    std::sort(spans.begin(), spans.end());
    for (size_t i = 1; i < spans.size(); ++i) {
      ASSERT_LE(spans[i - 1].second, spans[i].first);
    }
  }
}

TEST(WriteTimelineTest, CategoriesAreCauses) {
  const json slices = EventsOf(Written(false), "X");
  EXPECT_EQ(slices.at(0).at("cat"), "matmul");
  EXPECT_EQ(slices.at(1).at("cat"), "cause 9");
}

TEST(WriteTimelineTest, ArrowsJoinRanksInPairs) {
  EXPECT_TRUE(EventsOf(Written(false), "s").empty());
  const std::string text = Written(true);
  const json tails = EventsOf(text, "s");
  const json heads = EventsOf(text, "f");
  ASSERT_EQ(tails.size(), 500u);
  ASSERT_EQ(heads.size(), 500u);
  for (size_t i = 0; i < tails.size(); ++i) {
    EXPECT_EQ(tails[i].at("id"), heads[i].at("id"));
    EXPECT_EQ(tails[i].at("pid"), 1);
    EXPECT_EQ(heads[i].at("pid"), 5);
    EXPECT_LT(tails[i].at("ts"), heads[i].at("ts"));
  }
}

TEST(WriteTimelineTest, TheSameTimelineIsTheSameBytes) { EXPECT_EQ(Written(true), Written(true)); }

}  // namespace
}  // namespace ridgeline::trace
