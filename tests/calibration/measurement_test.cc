#include "calibration/measurement.h"

#include <fstream>

#include <gmock/gmock.h>

#include "calibration/shape_features.h"
#include "tests/calibration/synthetic_points.h"

namespace ridgeline::calibration {
namespace {

using testing::HasSubstr;

TEST(OperationLineTest, TextReadsBackToTheSameOperation) {
  for (
      const char* const line :
      {R"({"op":"gemm","dtype":"fp8","m":512,"n":4096,"k":5120})",
       R"({"op":"grouped_gemm","groups":8,"m":512,"n":4096,"k":5120,"weight_gradient":true})",
       R"({"op":"attention","phase":"decode","batch":2,"kv_len":4096,"heads":32,"kv_heads":8,"head_dim":128})",
       R"({"op":"rmsnorm","dtype":"bf16","tokens":4096,"hidden":8192})",
       R"({"op":"copy","bytes":1048576})",
       R"({"op":"moe","tokens":1024,"hidden":2048,"ffn":768,"experts":128,"top_k":8,"skew":1.2})",
       R"({"op":"all_reduce","bytes":16777216,"ranks":8})"}) {
    const Result<OperationLine> read = ParseOperationLine(line);
    ASSERT_TRUE(read.has_value()) << line << ": " << read.error().message;
    const std::string text = OperationText(read->operation);
    const Result<OperationLine> again = ParseOperationLine(text);
    ASSERT_TRUE(again.has_value()) << text;
    EXPECT_EQ(again->operation, read->operation) << text;
    EXPECT_EQ(WithShape(PatternOf(read->operation), ShapeOf(read->operation)).index(),
              read->operation.index());
  }
}

TEST(OperationLineTest, RmsNormOverTokensReadsAndWritesEachValueOnce) {
  const Result<OperationLine> read =
      ParseOperationLine(R"({"op":"rmsnorm","dtype":"bf16","tokens":100,"hidden":50})");
  const auto& work = std::get<MemoryBound>(read->operation);
  EXPECT_EQ(work.read, Bytes::FromBase(10000));  // 100 x 50 values of 2 bytes
  EXPECT_EQ(work.written, Bytes::FromBase(10000));
}

TEST(OperationLineTest, SizesOfEachKernelBecomeItsTraffic) {
  const auto bytes = [](const char* line) {
    const auto work = std::get<MemoryBound>(ParseOperationLine(line).value().operation);
    return std::pair(work.read.base(), work.written.base());
  };
  // A norm with the residual: two arrays of 10 x 8 values in, two out.
  EXPECT_EQ(bytes(R"({"op":"rmsnorm","tokens":10,"hidden":8,"residual":true})"),
            std::pair(320.0, 320.0));
  EXPECT_EQ(bytes(R"({"op":"swiglu","tokens":10,"ffn":8})"), std::pair(320.0, 160.0));
  // 10 tokens of 4 + 2 heads of 16 values.
  EXPECT_EQ(bytes(R"({"op":"rotary","tokens":10,"heads":4,"kv_heads":2,"head_dim":16})"),
            std::pair(1920.0, 1920.0));
  EXPECT_EQ(bytes(R"({"op":"cast","dtype":"bf16","output_dtype":"fp8","elements":100})"),
            std::pair(200.0, 100.0));
  // 12 bytes of states and 4 of gradient in; 12 and a 16-bit copy out.
  EXPECT_EQ(bytes(R"({"op":"adam","dtype":"bf16","gradient_dtype":"fp32","parameters":10})"),
            std::pair(160.0, 140.0));
}

TEST(OperationLineTest, MistakesNameTheField) {
  const auto message = [](const char* line) { return ParseOperationLine(line).error().message; };
  EXPECT_THAT(message(R"({"op":"gemm","m":1,"n":1})"), HasSubstr("missing field: k"));
  EXPECT_THAT(message(R"({"op":"gemm","m":0,"n":1,"k":1})"), HasSubstr("m must be"));
  EXPECT_THAT(message(R"({"op":"gemm","m":1.5,"n":1,"k":1})"), HasSubstr("1.5"));
  EXPECT_THAT(message(R"({"op":"gemm","m":1,"n":1,"k":1,"dtype":"bf17"})"), HasSubstr("bf17"));
  EXPECT_THAT(message(R"({"m":1})"), HasSubstr("missing field: op"));
  EXPECT_THAT(message("gemm"), HasSubstr("not a JSON object"));
}

TEST(MeasurementTest, LineReadsBackAndKeepsItsId) {
  Measurement point = KnownGemms(1, 0).front();
  point.spread = 0.004;
  point.sm_clock = Hertz::FromBase(1.98e9);
  const Result<Measurement> read = ParseMeasurement(MeasurementLine(point));
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(read->operation, point.operation);
  EXPECT_EQ(read->time, point.time);
  EXPECT_EQ(read->sm_clock, point.sm_clock);
  EXPECT_EQ(IdOf(*read), IdOf(point));
  EXPECT_EQ(IdOf(point).size(), 16U);
}

TEST(MeasurementTest, IdDependsOnConditionAndNotOnGpuOrSpelling) {
  const auto id = [](const char* line) { return IdOf(ParseMeasurement(line).value()); };
  const std::string plain =
      id(R"({"op":{"op":"gemm","m":8,"n":8,"k":8},"gpu":"h100-sxm","time_s":1e-6})");
  EXPECT_EQ(plain, id(R"({"op":{"k":8,"m":8,"n":8,"op":"gemm","dtype":"bf16","batch":1},
                          "gpu":"h200-sxm","condition":{"layout":"TN"},"time_s":2e-6})"));
  EXPECT_NE(plain, id(R"({"op":{"op":"gemm","m":8,"n":8,"k":8},"gpu":"h100-sxm",
                          "condition":{"clock":"sustained"},"time_s":1e-6})"));
}

TEST(MeasurementTest, AboutHalfOfAllShapesAreHeldOut) {
  const SplitPoints split = SplitHeldOut(KnownGemms(2000, 0));
  EXPECT_NEAR(static_cast<double>(split.held_out.size()), 1000, 100);  // 4.5 deviations
  for (const Measurement& point : split.held_out) {
    EXPECT_THAT(std::string("13579bdf"), HasSubstr(IdOf(point).substr(15)));
  }
}

TEST(MeasurementTest, ALineThatWasCutOffIsLeftOutAndAnyOtherIsAnError) {
  const std::filesystem::path path = std::filesystem::path(testing::TempDir()) / "cut_points.jsonl";
  const std::string line = MeasurementLine(KnownGemms(1, 0).front());
  std::ofstream(path) << line << "\n" << line.substr(0, 40);
  EXPECT_EQ(ReadMeasurements(path)->size(), 1U);
  std::ofstream(path) << line.substr(0, 40) << "\n" << line << "\n";
  const Error error = ReadMeasurements(path).error();
  EXPECT_EQ(error.where->source->name, path.string());
  EXPECT_EQ(error.where->line, 1);
}

}  // namespace
}  // namespace ridgeline::calibration
