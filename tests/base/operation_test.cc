#include "base/operation.h"

#include <gtest/gtest.h>

namespace ridgeline {
namespace {

double FlopCount(const Operation& operation) { return FlopsOf(operation).base(); }
double ByteCount(const Operation& operation) { return BytesOf(operation).base(); }

// 2 x 2 x 3 x 4 = 48 FLOP; A 2x4, B 4x3, C 2x3 of 2 bytes: (8 + 12 + 6) x 2 = 52 bytes.
TEST(GemmTest, CountsByHand) {
  const Gemm gemm = {.m = 2, .n = 3, .k = 4};
  EXPECT_EQ(FlopCount(gemm), 48);
  EXPECT_EQ(ByteCount(gemm), 52);
}

// C in fp32, read and written: (8 + 12) x 2 + 2 x 6 x 4 = 88 bytes; five times over: 440.
TEST(GemmTest, AccumulatingReadsWhatItWrites) {
  const Gemm gemm = {
      .m = 2, .n = 3, .k = 4, .batch = 5, .output_dtype = DType::kFp32, .accumulates = true};
  EXPECT_EQ(ByteCount(gemm), 440);
  EXPECT_EQ(FlopCount(gemm), 240);
}

// Rows 10x4 in, 10x3 out, weights of two groups 2x3x4: (40 + 24 + 30) x 2 = 188 bytes.
TEST(GroupedGemmTest, ReadsTheWeightsOfAllGroups) {
  const GroupedGemm gemm = {.groups = 2, .m = 10, .n = 3, .k = 4};
  EXPECT_EQ(FlopCount(gemm), 240);
  EXPECT_EQ(ByteCount(gemm), 188);
}

// The gradient reads both rows and adds onto fp32 weights: (40 + 30) x 2 + 2 x 24 x 4 = 332 bytes.
TEST(GroupedGemmTest, WeightGradientWritesTheWeights) {
  const GroupedGemm gemm = {.groups = 2,
                            .m = 10,
                            .n = 3,
                            .k = 4,
                            .output_dtype = DType::kFp32,
                            .weight_gradient = true,
                            .accumulates = true};
  EXPECT_EQ(FlopCount(gemm), 240);
  EXPECT_EQ(ByteCount(gemm), 332);
}

Attention Small() { return {.q_len = 4, .kv_len = 4, .heads = 2, .kv_heads = 1, .head_dim = 8}; }

// Four queries see 1 + 2 + 3 + 4 = 10 keys; 2 x 10 x (8 + 8) x 2 heads = 640.
TEST(AttentionTest, CausalCountsTheLowerTriangle) {
  EXPECT_EQ(FlopCount(Small()), 640);
  Attention full = Small();
  full.causal = false;
  EXPECT_EQ(FlopCount(full), 1024);  // 16 pairs
}

// The last 2 of 6 positions see 5 and 6 keys: 11 pairs.
TEST(AttentionTest, QueriesAreTheLastPositions) {
  Attention attention = Small();
  attention.q_len = 2;
  attention.kv_len = 6;
  EXPECT_EQ(FlopCount(attention), 2 * 11 * 16 * 2);
}

// One new token sees its whole context, causal or not.
TEST(AttentionTest, DecodeSeesTheWholeContext) {
  Attention attention = Small();
  attention.phase = AttentionPhase::kDecode;
  attention.q_len = 1;
  attention.kv_len = 1000;
  EXPECT_EQ(FlopCount(attention), 2 * 1000 * 16 * 2);
  // Q and O 2 heads x 8, K and V 1000 x 8, 2 bytes each.
  EXPECT_EQ(ByteCount(attention), (16 + 8000 + 8000 + 16) * 2);
}

// A window of 2: the four queries see 1, 2, 2, 2 keys. A decode of it reads two keys only.
TEST(AttentionTest, AWindowBoundsWhatIsSeenAndRead) {
  Attention attention = Small();
  attention.window = 2;
  EXPECT_EQ(FlopCount(attention), 2 * 7 * 16 * 2);
  attention.q_len = 1;
  attention.kv_len = 1000;
  EXPECT_EQ(FlopCount(attention), 2 * 2 * 16 * 2);
  EXPECT_EQ(ByteCount(attention), (16 + 16 + 16 + 16) * 2);
}

// arXiv:2307.08691, section 4.1: backward is 2.5 times forward, since S is computed again.
TEST(AttentionTest, FlashBackwardIsTwoAndAHalfTimesForward) {
  Attention backward = Small();
  backward.pass = AttentionPass::kBackward;
  EXPECT_EQ(FlopCount(backward), 2.5 * FlopCount(Small()));
  backward.kernel = AttentionKernel::kNaive;
  EXPECT_EQ(FlopCount(backward), 2 * FlopCount(Small()));
}

// MLA: queries and keys of 192, values of 128.
TEST(AttentionTest, ValuesMayBeNarrowerThanKeys) {
  const Attention attention = {
      .q_len = 1, .kv_len = 1, .heads = 1, .kv_heads = 1, .head_dim = 192, .v_head_dim = 128};
  EXPECT_EQ(FlopCount(attention), 2 * (192 + 128));
}

// Q 4x2x8 = 64, K and V 4x8 = 32 each, O 64: 192 elements. Scores 2 heads x 16 = 32 elements move
// four times forward, seven times backward.
TEST(AttentionTest, TheNaiveKernelMovesTheScores) {
  Attention attention = Small();
  EXPECT_EQ(ByteCount(attention), 192 * 2);
  attention.kernel = AttentionKernel::kNaive;
  EXPECT_EQ(ByteCount(attention), (192 + 4 * 32) * 2);
  attention.pass = AttentionPass::kBackward;
  // Q K V dO in, dQ dK dV out: 64 + 32 + 32 + 64 + 64 + 32 + 32 = 320.
  EXPECT_EQ(ByteCount(attention), (320 + 7 * 32) * 2);
  attention.kernel = AttentionKernel::kFlash;
  // O is read too, and 4 queries x 2 heads of log-sum-exp in fp32.
  EXPECT_EQ(ByteCount(attention), (320 + 64) * 2 + 8 * 4);
}

TEST(AttentionTest, BothFusedKernelsDoTheSameWork) {
  Attention attention = Small();
  attention.pass = AttentionPass::kBackward;
  Attention second = attention;
  second.kernel = AttentionKernel::kFlash2;
  EXPECT_EQ(ByteCount(second), ByteCount(attention));
  EXPECT_EQ(FlopCount(second), FlopCount(attention));
  EXPECT_NE(Describe(Operation(second)).find(" flash-2 "), std::string::npos);
  EXPECT_EQ(Describe(Operation(attention)).find("flash"), std::string::npos);
}

TEST(AttentionTest, FlashMemoryGrowsLinearlyAndNaiveQuadratically) {
  Attention attention = Small();
  attention.q_len = attention.kv_len = 4096;
  Attention twice = attention;
  twice.q_len = twice.kv_len = 8192;
  EXPECT_EQ(ByteCount(twice), 2 * ByteCount(attention));
  attention.kernel = twice.kernel = AttentionKernel::kNaive;
  EXPECT_GT(ByteCount(twice), 3.9 * ByteCount(attention));
}

// Shapes whose products pass 2^63 stay finite and positive.
TEST(AttentionTest, LongContextsDoNotOverflow) {
  const Attention attention = {.batch = 4096,
                               .q_len = 10'000'000,
                               .kv_len = 10'000'000,
                               .heads = 128,
                               .kv_heads = 128,
                               .head_dim = 128};
  EXPECT_NEAR(FlopCount(attention) / (4096 * 128.0 * 4 * 128 * 0.5e14), 1.0, 1e-6);
}

TEST(DescribeTest, NamesTheShape) {
  EXPECT_EQ(Describe(Gemm{.m = 8192, .n = 4096, .k = 5120}), "gemm 8192x4096x5120 bf16");
  EXPECT_EQ(OperationName(MemoryBound{.kind = MemoryBoundKind::kScan}), "scan");
  EXPECT_EQ(OperationName(MemoryBound{.kind = MemoryBoundKind::kRmsNorm}), "rmsnorm");
  EXPECT_EQ(Describe(Collective{.kind = CollectiveKind::kAllReduce,
                                .bytes = Bytes::FromBase(16e6),
                                .group = {.ranks = 16, .ranks_per_node = 8}}),
            "all_reduce 16 MB over 16 ranks, 8 a node, bf16");
}

}  // namespace
}  // namespace ridgeline
