#include "workloads/request_trace.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/diagnostic.h"
#include "workloads/trace_description.h"

namespace ridgeline::workloads {
namespace {

const std::filesystem::path kTraces =
    std::filesystem::path(RIDGELINE_SOURCE_DIR) / "configs" / "traces";

/// A log in a file of its own, gone with the test.
class TraceText {
 public:
  explicit TraceText(const std::string& text)
      : file_(std::filesystem::temp_directory_path() /
              ("ridgeline_trace_" + std::to_string(getpid()))) {
    std::ofstream(file_, std::ios::binary) << text;
  }
  ~TraceText() { std::filesystem::remove(file_); }
  Result<RequestLoad> Read(std::optional<int64_t> requests = std::nullopt,
                           bool spread = true) const {
    return ReadRequestTrace({.file = file_, .requests = requests, .spread = spread});
  }
  std::string ErrorOf() const {
    const Result<RequestLoad> load = Read();
    EXPECT_FALSE(load.has_value());
    return load ? "" : RenderError(load.error());
  }

 private:
  std::filesystem::path file_;
};

constexpr char kHeader[] = "TIMESTAMP,ContextTokens,GeneratedTokens\r\n";

std::string Row(int64_t milliseconds, int64_t input, const std::string& ids) {
  return "{\"timestamp\": " + std::to_string(milliseconds) +
         ", \"input_length\": " + std::to_string(input) +
         ", \"output_length\": 5, \"hash_ids\": [" + ids + "]}\n";
}

TEST(RequestTraceTest, AzureStampsCountFromTheFirstRowInTenthsOfAMicrosecond) {
  const TraceText trace(std::string(kHeader) +
                        "2023-11-16 23:59:59.6805900,374,44\r\n"
                        "2023-11-17 00:00:03.9951691,396,109\r\n");
  const Result<RequestLoad> load = trace.Read();
  ASSERT_TRUE(load.has_value()) << RenderError(load.error());
  ASSERT_EQ(load->requests.size(), 2U);
  EXPECT_EQ(load->requests[0].arrival, Seconds{});
  EXPECT_DOUBLE_EQ(load->requests[1].arrival.base(), 4.3145791);
  EXPECT_EQ(load->requests[1].input_tokens, 396);
  EXPECT_EQ(load->requests[1].output_tokens, 109);
}

TEST(RequestTraceTest, BrokenAzureRowsAreErrorsWithLineAndColumn) {
  const std::string good = "2023-11-16 18:15:46.6805900,374,44\r\n";
  EXPECT_NE(TraceText(kHeader + good + "2023-11-16 18:15:47.0,-3,44\r\n").ErrorOf().find(":3:23:"),
            std::string::npos);
  EXPECT_NE(TraceText(kHeader + good + "2023-13-16 18:15:47.0,3,44\r\n").ErrorOf().find(":3:1:"),
            std::string::npos);
  EXPECT_NE(
      TraceText(kHeader + good + "2023-11-16 18:15:47.0,3\r\n").ErrorOf().find("three columns"),
      std::string::npos);
  EXPECT_NE(TraceText(kHeader + good + "2023-11-16 18:15:46.0,3,4\r\n").ErrorOf().find("goes back"),
            std::string::npos);
  EXPECT_NE(TraceText(kHeader).ErrorOf().find("without requests"), std::string::npos);
  EXPECT_NE(TraceText("").ErrorOf().find("an empty trace"), std::string::npos);
  EXPECT_NE(TraceText("hello\n").ErrorOf().find("not a known format"), std::string::npos);
}

TEST(RequestTraceTest, BrokenMooncakeRowsAreErrorsWithLineAndColumn) {
  const std::string good = Row(0, 512, "1");
  // 513 tokens fill two blocks.
  EXPECT_NE(TraceText(good + Row(0, 513, "1")).ErrorOf().find("1 ids for 513 tokens"),
            std::string::npos);
  EXPECT_NE(TraceText(good + Row(0, 512, "-1")).ErrorOf().find(":2:"), std::string::npos);
  EXPECT_NE(TraceText(Row(7, 512, "1") + good).ErrorOf().find("goes back"), std::string::npos);
  EXPECT_NE(TraceText("{\"timestamp\": 0, \"shape\": 3}\n").ErrorOf().find("unknown key: shape"),
            std::string::npos);
  EXPECT_NE(TraceText("{\"timestamp\": 0}\n").ErrorOf().find("missing key: input_length"),
            std::string::npos);
  EXPECT_NE(TraceText(good + "{\"timestamp\": 1.5, \"input_length\": 2.5").ErrorOf().find(":2:36:"),
            std::string::npos);
}

// Stamps 0, 0, 3 s, 3 s, 3 s, 4 s: the first two share 3 s, the next three 1 s; the last has the
// mean distance of stamps, which for one row changes nothing.
TEST(RequestTraceTest, ArrivalsOfOneStampSpreadEvenlyUpToTheNext) {
  const TraceText trace(Row(0, 5, "1") + Row(0, 5, "2") + Row(3000, 5, "3") + Row(3000, 5, "4") +
                        Row(3000, 5, "5") + Row(4000, 5, "6"));
  const auto arrivals = [](const Result<RequestLoad>& load) {
    std::vector<double> seconds;
    for (const Request& request : load.value().requests) {
      seconds.push_back(request.arrival.base());
    }
    return seconds;
  };
  EXPECT_EQ(arrivals(trace.Read()),
            (std::vector<double>{0.0, 1.5, 3.0, 3.0 + 1.0 / 3, 3.0 + 2.0 / 3, 4.0}));
  EXPECT_EQ(arrivals(trace.Read(std::nullopt, false)),
            (std::vector<double>{0.0, 0.0, 3.0, 3.0, 3.0, 4.0}));
  // The first four are those of the whole, and bring their own ids only.
  EXPECT_EQ(arrivals(trace.Read(4)), (std::vector<double>{0.0, 1.5, 3.0, 3.0 + 1.0 / 3}));
  EXPECT_EQ(trace.Read(4)->prefix_ids, (std::vector<int64_t>{1, 2, 3, 4}));
}

TEST(RequestTraceTest, EveryShippedTraceHoldsWhatItsDescriptionSays) {
  for (const auto& entry : std::filesystem::directory_iterator(kTraces)) {
    if (!IsTraceDescription(entry.path())) {
      continue;
    }
    const Result<TraceDescription> description = ReadTraceDescription(entry.path());
    ASSERT_TRUE(description.has_value()) << RenderError(description.error());
    const Result<RequestLoad> load =
        ReadRequestTrace({.file = kTraces / description->file, .requests = {}, .spread = false});
    ASSERT_TRUE(load.has_value()) << RenderError(load.error());
    EXPECT_EQ(static_cast<int64_t>(load->requests.size()), description->requests) << entry.path();
    EXPECT_NEAR(load->requests.back().arrival.base(), description->span.base(), 1e-6)
        << entry.path();
    EXPECT_EQ(!load->prefix_ids.empty(), description->has_prefixes) << entry.path();
  }
}

// 182,790 distinct blocks of 288,500: counted apart, with another reader, on the published file.
TEST(RequestTraceTest, MooncakeConversationHasItsPublishedBlocksAndReadsFast) {
  const auto start = std::chrono::steady_clock::now();
  const Result<RequestLoad> load = ReadMooncakeTrace(
      {.file = kTraces / "mooncake-conversation.jsonl.gz", .requests = {}, .spread = true});
  const auto took = std::chrono::steady_clock::now() - start;
  ASSERT_TRUE(load.has_value()) << RenderError(load.error());
  EXPECT_EQ(load->prefix_ids.size(), 288'500U);
  EXPECT_EQ(std::set<int64_t>(load->prefix_ids.begin(), load->prefix_ids.end()).size(), 182'790U);
  RecordProperty("milliseconds", static_cast<int>(took / std::chrono::milliseconds(1)));
}

TEST(RequestTraceTest, ACutGzipFileIsAnError) {
  std::ifstream in(kTraces / "mooncake-conversation.jsonl.gz", std::ios::binary);
  std::string bytes(10'000, '\0');
  in.read(bytes.data(), 10'000);
  EXPECT_NE(TraceText(bytes).ErrorOf().find("damaged"), std::string::npos);
}

}  // namespace
}  // namespace ridgeline::workloads
