// Files that points come in, good and bad: JSON lines, the public tables, gzip.
#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>

#include "base/diagnostic.h"
#include "calibration/gz_text.h"
#include "calibration/imported_ops.h"
#include "calibration/point_source.h"
#include "tests/calibration/synthetic_points.h"

namespace ridgeline::calibration {
namespace {

using testing::HasSubstr;

const std::string kGood =
    R"({"op":{"op":"gemm","m":8,"n":8,"k":8},"gpu":"h100-sxm","time_s":1e-6})";

std::filesystem::path Write(const std::string& name, const std::string& content) {
  const std::filesystem::path path = std::filesystem::path(testing::TempDir()) / name;
  std::ofstream(path, std::ios::binary) << content;
  return path;
}

struct BadLine {
  std::string line;
  int column;
  std::string says;
};

TEST(PointLinesTest, EachMistakeSaysItsLineAndColumn) {
  const std::string before = kGood + "\n\n";  // the bad line is the third
  for (
      const BadLine& bad : {
          BadLine{"gemm", 1, "not JSON"},
          BadLine{R"({"op":{"op":"gemm")", 19, "not JSON"},
          BadLine{R"([1])", 1, "not a measured point"},
          BadLine{R"({"gpu":"h100-sxm","time_s":1})", 1, "not a measured point"},
          BadLine{R"({"op":"gemm","gpu":"h100-sxm","time_s":1})", 1, "not a measured point"},
          BadLine{R"({"op":{"op":"gemm","m":8,"n":8},"gpu":"x","time_s":1})", 7,
                  "missing field: k"},
          BadLine{R"({"op":{"op":"gemm","m":-8,"n":8,"k":1},"gpu":"x","time_s":1})", 7,
                  "m must be"},
          BadLine{
              R"({"op":{"op":"copy","bytes":8},"condition":{"launch":"lazy"},"gpu":"x","time_s":1})",
              7, "unknown launch: lazy"},
          BadLine{R"({"op":{"op":"copy","bytes":8},"time_s":1})", 1, "needs its gpu"},
          BadLine{R"({"op":{"op":"copy","bytes":8},"gpu":"x"})", 1, "needs time_s"},
          BadLine{R"({"op":{"op":"copy","bytes":8},"gpu":"x","time_s":0})", 50, "needs time_s"},
          BadLine{R"({"op":{"op":"copy","bytes":8},"gpu":"x","time_s":-1})", 50,
                  "time_s must be a number"},
          BadLine{R"({"op":{"op":"copy","bytes":8},"gpu":"x","time_s":"1 s"})", 50,
                  "time_s must be a number"},
          BadLine{R"({"op":{"op":"copy","bytes":8},"gpu":"x","time_s":1e300})", 50,
                  "at most a million"},
          BadLine{R"({"op":{"op":"copy","bytes":8},"gpu":"x","time_s":1e999})", 1, "too large"},
          BadLine{R"({"op":{"op":"copy","bytes":8},"gpu":"x","time_s":NaN})", 50, "not JSON"},
          BadLine{R"({"op":{"op":"copy","bytes":8},"gpu":"x","time_s":1,"spread":-2})", 61,
                  "spread must be a number"},
          BadLine{R"({"op":{"op":"x","a":)" + std::string(20000, '['), 1, "a line of 20020 bytes"},
      }) {
    const auto read = ParseMeasurements("mine.jsonl", before + bad.line + "\n");
    ASSERT_FALSE(read.has_value()) << bad.line.substr(0, 80);
    const Error& error = read.error();
    EXPECT_THAT(error.message, HasSubstr(bad.says));
    EXPECT_EQ(error.where->line, 3) << bad.line.substr(0, 80);
    EXPECT_EQ(error.where->column, bad.column) << bad.line.substr(0, 80);
    EXPECT_THAT(RenderError(error),
                HasSubstr("mine.jsonl:3:" + std::to_string(bad.column) + ": error: "));
  }
}

TEST(PointLinesTest, BlankLinesAndCarriageReturnsAreNothingAndDuplicatesStay) {
  const auto read = ParseMeasurements("x", "\r\n" + kGood + "\r\n  \n" + kGood + "\n");
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(read->size(), 2U);
}

TEST(PointLinesTest, AFileThatIsNothingButACutLineIsAnError) {
  EXPECT_FALSE(ParseMeasurements("x", kGood.substr(0, 30)).has_value());
}

TEST(PointSourceTest, FilesThatAreNoneAreToldApart) {
  const std::filesystem::path folder(testing::TempDir());
  EXPECT_EQ(ReadPointSource(folder / "no_such_file", "").error().code, ErrorCode::kNotFound);
  EXPECT_THAT(ReadPointSource(folder, "").error().message, HasSubstr("a folder, not a file"));
  EXPECT_TRUE(ReadPointSource(Write("empty.jsonl", ""), "")->points.empty());
}

TEST(PointSourceTest, ACutGzipStreamIsAnErrorThatSaysSo) {
  // A stored block of "abc": header, final stored block of 3 bytes, crc and size; cut in the
  // trailer.
  const std::string whole(
      "\x1f\x8b\x08\0\0\0\0\0\0\xff\x01\x03\0\xfc\xff"
      "abc"
      "\xc2\x41\x24\x35\x03\0\0\0",
      26);
  EXPECT_EQ(ReadText(Write("whole.gz", whole)).value(), "abc");
  const auto cut = ReadText(Write("cut.gz", whole.substr(0, 20)));
  ASSERT_FALSE(cut.has_value());
  EXPECT_THAT(cut.error().message, HasSubstr("damaged or cut off"));
}

TEST(PointSourceTest, ADeviceOfAnotherChipIsNotTheGpu) {
  EXPECT_TRUE(MayBe("NVIDIA H100 80GB HBM3", "h100-sxm"));
  EXPECT_TRUE(MayBe("NVIDIA A100-SXM4-80GB", "a100-sxm-80g"));
  EXPECT_TRUE(MayBe("NVIDIA L40S", "l40s"));
  EXPECT_TRUE(MayBe("NVIDIA GeForce RTX 4090", "rtx-4090"));  // no chip's letters: tells nothing
  EXPECT_TRUE(MayBe("", "h100-sxm"));
  EXPECT_FALSE(MayBe("NVIDIA A100-SXM4-80GB", "h100-sxm"));
  EXPECT_FALSE(MayBe("NVIDIA H200", "h100-sxm"));
  EXPECT_FALSE(MayBe("NVIDIA H20", "h200-sxm"));
}

TEST(ImportedOpsTest, MillisecondsAndElementsBecomeSecondsAndBytes) {
  const auto gemms = ReadPointSource(Write("h100_sxm__vllm-0.24.0__gemm.csv",
                                           "kernel_source,gemm_dtype,m,n,k,latency\nx,bfloat16,1,"
                                           "32,64,0.5\ny,fp8_block,1,32,64,0.5\n"),
                                     "");
  ASSERT_TRUE(gemms.has_value()) << gemms.error().message;
  ASSERT_EQ(gemms->points.size(), 1U);
  EXPECT_EQ(gemms->left_out, 1);  // block-scaled FP8 is no data type here
  EXPECT_EQ(gemms->points[0].gpu, "h100-sxm");
  EXPECT_EQ(gemms->points[0].time, Seconds::FromBase(0.5e-3));
  EXPECT_EQ(gemms->points[0].operation, TimedOperation(Gemm{.m = 1, .n = 32, .k = 64}));

  const auto collective = std::get<Collective>(
      ReadPointSource(
          Write("h100_sxm__nccl-2.29.2__nccl.csv",
                "op_name,nccl_dtype,num_gpus,message_size,latency\nall_gather,half,8,1024,0.01\n"),
          "")
          ->points[0]
          .operation);
  EXPECT_EQ(collective.bytes, Bytes::FromBase(2048));  // 1,024 halves, the full buffer
  EXPECT_EQ(collective.group.ranks, 8);
}

TEST(ImportedOpsTest, CompoundsAreUnimplementedByName) {
  const Result<ImportedPoints> read = ReadImportedOps("h100_sxm__trtllm-1.3__mamba2.csv.gz");
  EXPECT_EQ(read.error().code, ErrorCode::kUnimplemented);
  EXPECT_THAT(read.error().message, HasSubstr("mamba2"));
}

TEST(ImportedOpsTest, ABadCellSaysItsLineAndColumn) {
  for (const BadLine& bad : {BadLine{"bfloat16,1,x,64,0.5", 12, "n is not a number: x"},
                             BadLine{"bfloat16,0,32,64,0.5", 10, "m must be a whole number"},
                             BadLine{"bfloat16,1.5,32,64,0.5", 10, "m must be a whole number"},
                             BadLine{"bfloat16,1,32,64,inf", 18, "latency is not a number"},
                             BadLine{"bfloat16,1,32,0.5", 1, "4 cells where the header has 5"}}) {
    const auto read = ReadImportedOps(
        Write("h100_sxm__vllm-0.24.0__gemm.csv", "gemm_dtype,m,n,k,latency\n" + bad.line + "\n"));
    ASSERT_FALSE(read.has_value()) << bad.line;
    EXPECT_THAT(read.error().message, HasSubstr(bad.says));
    EXPECT_EQ(read.error().where->line, 2);
    EXPECT_EQ(read.error().where->column, bad.column) << bad.line;
  }
  const auto none = ReadImportedOps(Write("h100_sxm__vllm-0.24.0__gemm.csv", "m,n,k\n1,2,3\n"));
  EXPECT_THAT(none.error().message, HasSubstr("no column latency"));
}

}  // namespace
}  // namespace ridgeline::calibration
