#include "calibration/nccl_tests_log.h"

#include <gmock/gmock.h>

namespace ridgeline::calibration {
namespace {

using testing::HasSubstr;

const std::string kHeader =
    R"(# nThread 1 nGpus 2 minBytes 1048576 maxBytes 2097152 step: 2(factor) warmup iters: 5 iters: 20 agg iters: 1 validation: 1 graph: 0
#  Rank  0 Group  0 Pid   4143 on  node-a device  0 [0000:1b:00] NVIDIA H100 80GB HBM3
#  Rank  1 Group  0 Pid   4143 on  node-a device  1 [0000:43:00] NVIDIA H100 80GB HBM3
#                                                              out-of-place                       in-place
#       size         count      type   redop    root     time   algbw   busbw #wrong     time   algbw   busbw #wrong
#        (B)    (elements)                               (us)  (GB/s)  (GB/s)            (us)  (GB/s)  (GB/s)
)";
const std::string kRows =
    R"(     1048576        262144     float     sum      -1    38.24   27.42   27.42      0    37.95   27.63   27.63      0
     2097152        524288     float     sum      -1    52.10   40.25   40.25      0    51.97   40.35   40.35      0
# Out of bounds values : 0 OK
# Avg bus bandwidth    : 33.9
)";
const std::string kAllReduce = "# Collective test starting: all_reduce_perf\n";

TEST(NcclTestsLogTest, OutOfPlaceTimesRanksAndCollectiveAreRead) {
  const auto read = ReadNcclTestsLog("log", kAllReduce + kHeader + kRows, "h100-sxm");
  ASSERT_TRUE(read.has_value()) << read.error().message;
  ASSERT_EQ(read->points.size(), 2U);
  const auto& collective = std::get<Collective>(read->points[0].operation);
  EXPECT_EQ(collective.kind, CollectiveKind::kAllReduce);
  EXPECT_EQ(collective.bytes, Bytes::FromBase(1048576));
  EXPECT_EQ(collective.group.ranks, 2);
  EXPECT_EQ(collective.group.ranks_per_node, 2);
  EXPECT_EQ(read->points[0].time, Microseconds(38.24));
  EXPECT_EQ(read->points[1].time, Microseconds(52.10));
  EXPECT_EQ(read->points[0].condition.launch, hardware::Launch::kEager);
  EXPECT_EQ(read->points[0].device, "NVIDIA H100 80GB HBM3");
}

TEST(NcclTestsLogTest, ALogThatDoesNotNameItsCollectiveAsksForItWithItsLine) {
  const auto read = ReadNcclTestsLog("log", kHeader + kRows, "h100-sxm");
  EXPECT_THAT(read.error().message, HasSubstr("which collective"));
  EXPECT_THAT(read.error().hint, HasSubstr("--assume op=all_reduce"));
  EXPECT_EQ(read.error().where->line, 7);
  EXPECT_TRUE(
      ReadNcclTestsLog("log", kHeader + kRows, "h100-sxm", CollectiveKind::kAllReduce).has_value());
}

TEST(NcclTestsLogTest, TheFilesNameSaysWhatAnOlderLogLeavesOutAndNoMore) {
  const auto kind_of = [](const std::string& name, const std::string& head,
                          std::optional<CollectiveKind> told = {}) {
    const auto read = ReadNcclTestsLog(name, head + kHeader + kRows, "h100-sxm", told);
    return read ? std::optional(std::get<Collective>(read->points[0].operation).kind)
                : std::nullopt;
  };
  EXPECT_EQ(kind_of("logs/all_gather_perf.8gpus.log", ""), CollectiveKind::kAllGather);
  EXPECT_EQ(kind_of("run3-AllToAll.txt", ""), CollectiveKind::kAllToAll);
  EXPECT_EQ(kind_of("reduce_scatter.log", ""), CollectiveKind::kReduceScatter);
  // What is told outranks the name, and what the log says outranks both.
  EXPECT_EQ(kind_of("sendrecv.log", "", CollectiveKind::kBroadcast), CollectiveKind::kBroadcast);
  EXPECT_EQ(kind_of("sendrecv.log", kAllReduce, CollectiveKind::kBroadcast),
            CollectiveKind::kAllReduce);
  // A folder is no name, and two collectives are none.
  EXPECT_EQ(kind_of("all_reduce/run.log", ""), std::nullopt);
  EXPECT_EQ(kind_of("all_reduce_all_gather.log", ""), std::nullopt);
}

TEST(NcclTestsLogTest, WithoutTheRanksNothingIsGuessed) {
  const auto read = ReadNcclTestsLog("log", kAllReduce + kRows, "h100-sxm");
  EXPECT_THAT(read.error().message, HasSubstr("no Rank lines"));
  EXPECT_FALSE(ReadNcclTestsLog("log", kAllReduce + kHeader, "h100-sxm").has_value());  // no row
}

// -c 0 checks nothing and prints N/A; an alltoall has no operation and no root, printed as none,
// -1.
TEST(NcclTestsLogTest, UncheckedAnswersAreTimesAndWrongOnesAreNot) {
  const auto read = ReadNcclTestsLog(
      "log",
      "$ ./alltoall_perf -b 8 -c 0 -g 2\n" + kHeader +
          "  1024   128  bfloat16  none  -1  9.50  0.11  0.05  N/A  9.40  0.11  0.05  N/A\n"
          "  2048   256  bfloat16  none  -1  9.60  0.21  0.11    3  9.50  0.21  0.11    0\n"
          "     0     0  bfloat16  none  -1  0.10  0.00  0.00    0  0.10  0.00  0.00    0\n"
          "  4096   512      word  none  -1  9.70  0.42  0.21    0  9.60  0.42  0.21    0\n"
          "  8192  1024  bfloat16  none  -1   nan   nan   nan    0  9.60  0.42  0.21    0\n",
      "h100-sxm");
  ASSERT_TRUE(read.has_value()) << read.error().message;
  ASSERT_EQ(read->points.size(), 1U);
  EXPECT_EQ(std::get<Collective>(read->points[0].operation).kind, CollectiveKind::kAllToAll);
  EXPECT_EQ(std::get<Collective>(read->points[0].operation).dtype, DType::kBf16);
  EXPECT_EQ(read->points[0].time, Microseconds(9.5));
  EXPECT_EQ(read->left_out, 4);
  EXPECT_EQ(read->reasons.size(), 4U);
}

TEST(NcclTestsLogTest, SeveralRunsInOneTextEachHaveTheirOwnHeader) {
  std::string second = kHeader;
  second.insert(second.find("#  Rank  1"),
                "#  Rank  2 Group  0 Pid   9 on  node-b device  0 [0x1b] NVIDIA H100 80GB HBM3\n"
                "#  Rank  3 Group  0 Pid   9 on  node-b device  1 [0x43] NVIDIA H100 80GB HBM3\n");
  second.replace(second.find("graph: 0"), 8, "graph: 1");
  const auto read = ReadNcclTestsLog("log",
                                     kAllReduce + kHeader + kRows +
                                         "# Collective test concluded: all_reduce_perf\n"
                                         "# Collective test starting: all_gather_perf\n" +
                                         second + kRows,
                                     "h100-sxm");
  ASSERT_TRUE(read.has_value()) << read.error().message;
  ASSERT_EQ(read->points.size(), 4U);
  const auto& last = std::get<Collective>(read->points[3].operation);
  EXPECT_EQ(std::get<Collective>(read->points[1].operation).kind, CollectiveKind::kAllReduce);
  EXPECT_EQ(std::get<Collective>(read->points[1].operation).group.ranks, 2);
  EXPECT_EQ(last.kind, CollectiveKind::kAllGather);
  EXPECT_EQ(last.group.ranks, 4);
  EXPECT_EQ(last.group.ranks_per_node, 2);
  EXPECT_EQ(read->points[3].condition.launch, hardware::Launch::kGraph);
}

}  // namespace
}  // namespace ridgeline::calibration
