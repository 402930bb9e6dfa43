#include "sim/compute/operation_line.h"

#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ridgeline::compute {
namespace {

using ::testing::HasSubstr;

LinePlace Place() {
  return {.source = std::make_shared<SourceText>(SourceText{.name = "stdin", .text = {}}),
          .line = 3};
}

OperationLine Read(std::string_view text) {
  Result<OperationLine> line = ReadOperationLine(text, Place());
  EXPECT_TRUE(line.has_value()) << text << ": " << (line ? "" : line.error().message);
  return line ? *std::move(line) : OperationLine{};
}

Error Refused(std::string_view text) {
  const Result<OperationLine> line = ReadOperationLine(text, Place());
  EXPECT_FALSE(line.has_value()) << text;
  return line ? Error{} : line.error();
}

/// Bytes and FLOPs of all parts.
double BytesIn(const OperationLine& line) {
  double sum = 0;
  for (const auto& part : line.parts) {
    sum += BytesOf(std::get<Operation>(part)).base();
  }
  return sum;
}
double FlopsIn(const OperationLine& line) {
  double sum = 0;
  for (const auto& part : line.parts) {
    sum += FlopsOf(std::get<Operation>(part)).base();
  }
  return sum;
}

TEST(OperationLineTest, AGemmIsReadAsWritten) {
  const OperationLine line = Read(R"({"op":"gemm","dtype":"fp8","m":512,"n":4096,"k":5120})");
  ASSERT_EQ(line.parts.size(), 1U);
  EXPECT_EQ(std::get<Operation>(line.parts[0]), Operation(Gemm{.m = 512,
                                                               .n = 4096,
                                                               .k = 5120,
                                                               .batch = 1,
                                                               .dtype = DType::kFp8,
                                                               .output_dtype = DType::kBf16}));
}

TEST(OperationLineTest, AttentionTakesTheContextForTheQueriesWhenPrefilling) {
  const OperationLine line = Read(
      R"({"op":"attention","phase":"prefill","batch":2,"q_len":4096,"heads":32,"kv_heads":8,"head_dim":128})");
  const auto& attention = std::get<Attention>(std::get<Operation>(line.parts.at(0)));
  EXPECT_EQ(attention.kv_len, 4096);
  EXPECT_EQ(attention.kv_heads, 8);
  EXPECT_TRUE(attention.causal);
  EXPECT_EQ(attention.dtype, DType::kBf16);
}

TEST(OperationLineTest, DecodingComputesOneQueryASequence) {
  const OperationLine line = Read(
      R"({"op":"attention","phase":"decode","kv_len":1000,"heads":32,"kv_heads":8,"head_dim":128})");
  const auto& attention = std::get<Attention>(std::get<Operation>(line.parts.at(0)));
  EXPECT_EQ(attention.q_len, 1);
  // Q and O: 2 x 32 x 128; K and V: 2 x 1000 x 8 x 128; two bytes each.
  EXPECT_DOUBLE_EQ(BytesIn(line), 2.0 * (2 * 32 * 128 + 2 * 1000 * 8 * 128));
}

TEST(OperationLineTest, MemoryBoundOperationsMoveWhatTheyMustMove) {
  // 4096 x 8192 elements of two bytes, once in, once out.
  constexpr double kSize = 4096.0 * 8192 * 2;
  EXPECT_DOUBLE_EQ(BytesIn(Read(R"({"op":"rmsnorm","tokens":4096,"hidden":8192})")), 2 * kSize);
  EXPECT_DOUBLE_EQ(BytesIn(Read(R"({"op":"rmsnorm","tokens":4096,"hidden":8192,"residual":true})")),
                   4 * kSize);
  EXPECT_DOUBLE_EQ(BytesIn(Read(R"({"op":"swiglu","tokens":4096,"ffn":8192})")), 3 * kSize);
  EXPECT_DOUBLE_EQ(BytesIn(Read(R"({"op":"residual_add","tokens":4096,"hidden":8192})")),
                   3 * kSize);
  EXPECT_DOUBLE_EQ(BytesIn(Read(R"({"op":"copy","bytes":1000})")), 1000);
  // Gradient, master, two moments in (16 bytes); master, two moments, weights out (14 bytes).
  EXPECT_DOUBLE_EQ(BytesIn(Read(R"({"op":"adam","parameters":1000})")), 30'000);
  EXPECT_DOUBLE_EQ(BytesIn(Read(R"({"op":"adam","dtype":"fp32","parameters":1000})")), 28'000);
}

TEST(OperationLineTest, AMixtureReadsOnlyTheExpertsThatAreChosen) {
  // One token, 8 of 128 experts: the weights of 8. FLOPs: router 2 x 128 x 2048, experts 8 rows of
  // 2 x 2048 x (2 x 768) and 2 x 768 x 2048.
  const OperationLine one = Read(
      R"({"op":"moe","dtype":"bf16","tokens":1,"hidden":2048,"ffn":768,"experts":128,"top_k":8})");
  const auto groups_of = [](const OperationLine& line) {
    for (const auto& part : line.parts) {
      if (const auto* gemm = std::get_if<GroupedGemm>(&std::get<Operation>(part))) {
        return gemm->groups;
      }
    }
    return int64_t{0};
  };
  EXPECT_EQ(groups_of(one), 8);
  EXPECT_DOUBLE_EQ(FlopsIn(one), 2.0 * 128 * 2048 + 8 * (2.0 * 2048 * 1536 + 2.0 * 768 * 2048));
  // 16 tokens: 128 (1 - (1 - 1/16)^16) = 128 x (1 - 0.3561) = 82.4.
  EXPECT_EQ(groups_of(Read(
                R"({"op":"moe","tokens":16,"hidden":2048,"ffn":768,"experts":128,"top_k":8})")),
            82);
  EXPECT_EQ(groups_of(Read(
                R"({"op":"moe","tokens":4096,"hidden":2048,"ffn":768,"experts":128,"top_k":8})")),
            128);
}

TEST(OperationLineTest, WholeNumbersMayBeWrittenWithAnExponent) {
  const OperationLine line = Read(R"({"op":"all_reduce","bytes":1.6e7,"ranks":8})");
  EXPECT_EQ(std::get<Collective>(line.parts.at(0)).bytes, Bytes::FromBase(1.6e7));
}

TEST(OperationLineTest, ASlipInAKeyIsShownBeforeTheKeyThatIsMissingForIt) {
  const Error error = Refused(R"({"op":"gemm","m":1,"n":2,"kk":3})");
  EXPECT_EQ(error.message, "unknown key: kk");
  EXPECT_EQ(error.hint, "did you mean k?");
  ASSERT_TRUE(error.where.has_value());
  EXPECT_EQ(error.where->line, 3);
  EXPECT_EQ(error.where->column, 26);
  ASSERT_EQ(error.others.size(), 1U);
  EXPECT_EQ(error.others[0].message, "missing key: k");
}

TEST(OperationLineTest, EveryMistakeHasItsColumn) {
  const auto column = [](std::string_view text) { return Refused(text).where->column; };
  EXPECT_EQ(column(R"({"op":"gem"})"), 7);
  EXPECT_EQ(column(R"({"op":"gemm","m":0,"n":1,"k":1})"), 18);
  EXPECT_EQ(column(R"({"op":"gemm","m":1,"m":1,"n":1,"k":1})"), 20);
  EXPECT_EQ(column(R"({"op":"copy","bytes":null})"), 22);
  EXPECT_EQ(column(R"({"op":"copy","bytes":1} x)"), 25);
  EXPECT_EQ(column(R"([1])"), 1);
}

TEST(OperationLineTest, MessagesSayWhatIsWrong) {
  EXPECT_THAT(Refused(R"({"op":"gem"})").hint, HasSubstr("did you mean gemm?"));
  EXPECT_THAT(Refused(R"({"m":1})").message, HasSubstr("missing key: op"));
  EXPECT_THAT(Refused(R"({"op":"gemm","dtype":"bf17","m":1,"n":1,"k":1})").hint, HasSubstr("bf16"));
  EXPECT_THAT(Refused(R"({"op":"gemm","m":1.5,"n":1,"k":1})").message,
              HasSubstr("whole number: 1.5"));
  EXPECT_THAT(Refused(R"({"op":"gemm","m":1e300,"n":1,"k":1})").message, HasSubstr("whole"));
  EXPECT_THAT(Refused(R"({"op":"gemm","m":1e18,"n":1,"k":1})").message, HasSubstr("from 1 to"));
  EXPECT_THAT(Refused(R"({"op":"gemm","m":-4,"n":1,"k":1})").message, HasSubstr("from 1 to"));
  EXPECT_THAT(Refused(R"({"op":"gemm","m":01,"n":1,"k":1})").message, HasSubstr("no number"));
  EXPECT_THAT(Refused(R"({"op":"copy","bytes":[1]})").message, HasSubstr("must be a number"));
  EXPECT_THAT(Refused(R"({"op":"copy","bytes":1)").message, HasSubstr("ends too early"));
  EXPECT_THAT(Refused("{\"op\":\"\xff\"}").message, HasSubstr("UTF-8"));
  EXPECT_THAT(Refused(R"({"op":"send","bytes":1,"ranks":3})").message, HasSubstr("2 ranks"));
  EXPECT_THAT(
      Refused(R"({"op":"attention","phase":"prefill","q_len":8,"kv_len":4,"heads":1,"head_dim":8})")
          .message,
      HasSubstr("last q_len of kv_len"));
  EXPECT_THAT(
      Refused(R"({"op":"moe","tokens":1,"hidden":8,"ffn":8,"experts":4,"top_k":5})").message,
      HasSubstr("top_k must not exceed"));
}

}  // namespace
}  // namespace ridgeline::compute
