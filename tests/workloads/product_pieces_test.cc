// Passes cut where tensor-parallel collectives meet products, by hand.
#include "workloads/product_pieces.h"

#include <gtest/gtest.h>

namespace ridgeline::workloads {
namespace {

constexpr int64_t kRanks = 4;

Layout OverRanks() {
  Layout layout;
  layout.tp = kRanks;
  layout.sequence_parallel = true;
  return layout;
}

Step Product(int64_t m, int64_t n, int64_t k, StepPart part = StepPart::kForward) {
  return {.name = "product", .work = Operation{Gemm{.m = m, .n = n, .k = k}}, .part = part};
}

Step Collects(CollectiveKind kind, double bytes, StepPart part = StepPart::kForward) {
  return {.name = "collective",
          .work = AxisCollective{.kind = kind, .bytes = Bytes::FromBase(bytes)},
          .part = part};
}

Step Kernel(MemoryBoundKind kind) {
  return {.name = "kernel", .work = Operation{MemoryBound{.kind = kind}}};
}

/// "send 50 |" beside what follows, "product 2x6x4", "kernel".
std::string Written(const std::vector<Step>& steps) {
  std::string text;
  for (const Step& step : steps) {
    if (const auto* collective = std::get_if<AxisCollective>(&step.work)) {
      text += fmt::format("{} {}", CollectiveName(collective->kind), collective->bytes.base());
    } else if (const auto* gemm = std::get_if<Gemm>(&std::get<Operation>(step.work))) {
      text += fmt::format("{}x{}x{}", gemm->m, gemm->n, gemm->k);
    } else {
      const auto& memory = std::get<MemoryBound>(std::get<Operation>(step.work));
      text += fmt::format("kernel {}>{}", memory.read.base(), memory.written.base());
    }
    text += step.runs_beside_next ? " | " : "; ";
  }
  return text;
}

// 800 B over 4 ranks are 200 a piece, of which products of widths 6 and 2 take 150 and 50; the
// rank's own rows need no way.
TEST(ProductPiecesTest, GatheredRowsAreMultipliedAsTheyArrive) {
  const std::vector<Step> pass = {Collects(CollectiveKind::kAllGather, 800), Product(8, 6, 4),
                                  Product(8, 2, 4)};
  const std::string piece = "send 150 | 2x6x4; send 50 | 2x2x4; ";
  EXPECT_EQ(Written(InPieces(pass, OverRanks(), {})), piece + piece + piece + "2x6x4; 2x2x4; ");
}

// Weights are cast before; what comes between the products follows them.
TEST(ProductPiecesTest, KernelsAroundTheProductsStayWhole) {
  const std::vector<Step> pass = {Collects(CollectiveKind::kAllGather, 4),
                                  Kernel(MemoryBoundKind::kCast), Product(4, 1, 1),
                                  Kernel(MemoryBoundKind::kResidualAdd), Product(4, 1, 1)};
  const std::vector<Step> cut = InPieces(pass, OverRanks(), {});
  EXPECT_EQ(cut.size(), 2 + 3 * 4 + 2);
  EXPECT_EQ(std::get<MemoryBound>(std::get<Operation>(cut.front().work)).kind,
            MemoryBoundKind::kCast);
  EXPECT_EQ(std::get<MemoryBound>(std::get<Operation>(cut.back().work)).kind,
            MemoryBoundKind::kResidualAdd);
}

// Each piece of 100 leaves beside the next product; four partial results are added at the end.
TEST(ProductPiecesTest, PartialSumsAreExchangedBehindProducts) {
  const std::vector<Step> pass = {Product(8, 6, 4), Collects(CollectiveKind::kReduceScatter, 400)};
  EXPECT_EQ(Written(InPieces(pass, OverRanks(), {})),
            "2x6x4; send 100 | 2x6x4; send 100 | 2x6x4; send 100 | 2x6x4; kernel 400>100; ");
}

// Two halves, the last reduced and scattered alone, on 16 multiprocessors.
TEST(ProductPiecesTest, ThePipelineReducesPieceByPiece) {
  const std::vector<Step> pass = {Product(8, 6, 4), Collects(CollectiveKind::kReduceScatter, 400)};
  const std::vector<Step> cut = InPieces(pass, OverRanks(),
                                         {.scatter = ScatterMethod::kPipeline,
                                          .pipeline_pieces = 2,
                                          .exchange_multiprocessors = {},
                                          .pipeline_multiprocessors = 16});
  EXPECT_EQ(Written(cut), "4x6x4; reduce_scatter 200 | 4x6x4; reduce_scatter 200; ");
  EXPECT_EQ(std::get<AxisCollective>(cut.back().work).multiprocessors, 16);
}

TEST(ProductPiecesTest, AllElseIsLeftAlone) {
  Step beside = Collects(CollectiveKind::kAllGather, 8);
  beside.runs_beside_next = true;
  const std::vector<Step> pass = {
      beside,
      Product(8, 6, 4),                            // bulk overlap
      Collects(CollectiveKind::kAllReduce, 8),     // no sequence parallelism
      Collects(CollectiveKind::kAllGather, 8),     // rows do not divide
      Product(6, 6, 4),                            //
      Product(8, 6, 4, StepPart::kInputGradient),  // a sum of gradients between
      Kernel(MemoryBoundKind::kResidualAdd),       //
      Collects(CollectiveKind::kReduceScatter, 8, StepPart::kInputGradient)};
  EXPECT_EQ(Written(InPieces(pass, OverRanks(), {})), Written(pass));
}

}  // namespace
}  // namespace ridgeline::workloads
