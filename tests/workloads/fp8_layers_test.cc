// What fp8 adds around the products of one layer. Numbers worked by hand for a Llama layer of width
// 1024, 16 heads over 8 key heads of 64, a feed-forward of 4096, 2048 tokens on one rank:
// M = 2048 * 1024 = 2,097,152.
#include "workloads/fp8_layers.h"

#include <gtest/gtest.h>

#include "tests/workloads/small_models.h"

namespace ridgeline::workloads {
namespace {

constexpr double kM = 2048.0 * 1024.0;

class Fp8LayerTest : public testing::Test {
 protected:
  LoweredLayer Lower(DType compute, Fp8Recipe fp8 = {}, int64_t tp = 1,
                     bool sequence_parallel = false) {
    LoweringRequest request = Request(model_, framework_, 2048, tp, sequence_parallel);
    request.compute = compute;
    request.fp8 = fp8;
    Result<LoweredLayer> layer = LowerLayer(request, model_.kinds.front());
    EXPECT_TRUE(layer);
    return *std::move(layer);
  }
  static const Operation* OperationOf(const Step& step) {
    return std::get_if<Operation>(&step.work);
  }
  /// Bytes that the passes of quantisation move.
  static double CastBytes(const std::vector<Step>& steps) {
    double bytes = 0;
    for (const Step& step : steps) {
      const Operation* operation = OperationOf(step);
      const auto* memory = operation != nullptr ? std::get_if<MemoryBound>(operation) : nullptr;
      if (memory != nullptr && memory->kind == MemoryBoundKind::kCast) {
        bytes += (memory->read + memory->written).base();
      }
    }
    return bytes;
  }

  Model model_ = Llama(1024, 16, 8, 4096);
  Framework framework_;
};

TEST_F(Fp8LayerTest, ProductsRunInFp8AndAttentionStaysInSixteenBits) {
  const LoweredLayer layer = Lower(DType::kFp8);
  int products = 0;
  for (const auto* steps : {&layer.forward, &layer.backward}) {
    for (const Step& step : *steps) {
      const Operation* operation = OperationOf(step);
      if (const auto* gemm = operation != nullptr ? std::get_if<Gemm>(operation) : nullptr) {
        ++products;
        EXPECT_EQ(gemm->dtype, DType::kFp8) << step.name;
        const bool accumulates = step.part == StepPart::kWeightGradient;
        EXPECT_EQ(gemm->output_dtype, accumulates ? DType::kFp32 : DType::kBf16) << step.name;
      } else if (const auto* core =
                     operation != nullptr ? std::get_if<Attention>(operation) : nullptr) {
        EXPECT_EQ(core->dtype, DType::kBf16);
      }
    }
  }
  EXPECT_EQ(products, 4 * 3);  // qkv, output, gate-up, down: forward and both gradients
}

TEST_F(Fp8LayerTest, DelayedScalingCastsAndTransposesEachOperandOnce) {
  const LoweredLayer layer = Lower(DType::kFp8);
  // Inputs of qkv, output and gate-up, M each, and of down, 4 M: 2 bytes read, 2 copies written.
  EXPECT_DOUBLE_EQ(CastBytes(layer.forward), 4 * 7 * kM);
  // Gradients of down's and output's results, M each, of gate-up's, 8 M, of qkv's, 2 M.
  EXPECT_DOUBLE_EQ(CastBytes(layer.backward), 4 * 12 * kM);
  EXPECT_DOUBLE_EQ(CastBytes(Lower(DType::kBf16).forward), 0);
}

TEST_F(Fp8LayerTest, CurrentScalingReadsAllOnceMore) {
  const LoweredLayer layer = Lower(DType::kFp8, {.scaling = Fp8Scaling::kCurrent});
  EXPECT_DOUBLE_EQ(CastBytes(layer.forward), 6 * 7 * kM);
  EXPECT_DOUBLE_EQ(CastBytes(layer.backward), 6 * 12 * kM);
}

TEST_F(Fp8LayerTest, BlocksOf128HaveAScaleOfFourBytes) {
  const LoweredLayer layer = Lower(DType::kFp8, {.scaling = Fp8Scaling::kBlockwise});
  EXPECT_DOUBLE_EQ(CastBytes(layer.forward), (2 + 2 * (1 + 4.0 / 128)) * 7 * kM);
}

TEST_F(Fp8LayerTest, ANormThatWritesFp8LeavesATransposition) {
  framework_.fp8_kernels.norm = true;
  const LoweredLayer layer = Lower(DType::kFp8);
  // Of the inputs of qkv and gate-up 1 byte read and 1 written; output and down as before, 5 M.
  EXPECT_DOUBLE_EQ(CastBytes(layer.forward), (2 * 2 + 4 * 5) * kM);
  const auto norm_bytes = [&](const LoweredLayer& lowered) {
    return BytesOf(*OperationOf(lowered.forward.front())).base();
  };
  EXPECT_DOUBLE_EQ(norm_bytes(Lower(DType::kBf16)) - norm_bytes(layer), kM);
  // No scale is known beforehand with current scaling.
  EXPECT_DOUBLE_EQ(CastBytes(Lower(DType::kFp8, {.scaling = Fp8Scaling::kCurrent}).forward),
                   6 * 7 * kM);
}

TEST_F(Fp8LayerTest, InputsAreKeptInOneByte) {
  // Inputs of qkv and gate-up M less each, of down 4 M; attention keeps its output in 16 bits for
  // its own backward, the output projection a copy: M more.
  const double less =
      (Lower(DType::kBf16).saved_activations - Lower(DType::kFp8).saved_activations).base();
  EXPECT_DOUBLE_EQ(less, (1 + 1 + 4 - 1) * kM);
  // Kept in 16 bits they are quantised again, once, for the weight gradient: 2 read, 1 written of 7
  // M, and the forward writes one copy.
  framework_.fp8_kernels.keeps_inputs = false;
  const LoweredLayer again = Lower(DType::kFp8);
  EXPECT_DOUBLE_EQ(again.saved_activations.base(), Lower(DType::kBf16).saved_activations.base());
  EXPECT_DOUBLE_EQ(CastBytes(again.forward), 3 * 7 * kM);
  EXPECT_DOUBLE_EQ(CastBytes(again.backward), 4 * 12 * kM + 3 * 7 * kM);
}

TEST_F(Fp8LayerTest, GathersMoveOneByteWhereTheRecipeSaysSo) {
  const auto gathered = [&](Fp8Recipe fp8) {
    double bytes = 0;
    const LoweredLayer layer = Lower(DType::kFp8, fp8, 2, true);
    for (const auto* steps : {&layer.forward, &layer.backward}) {
      for (const Step& step : *steps) {
        const auto* collective = std::get_if<AxisCollective>(&step.work);
        if (collective != nullptr && collective->kind == CollectiveKind::kAllGather) {
          bytes += collective->bytes.base();
        }
      }
    }
    return bytes;
  };
  // Two gathers forward, two of gradients and two of saved inputs, M elements each.
  EXPECT_DOUBLE_EQ(gathered({}), 6 * 2 * kM);
  EXPECT_DOUBLE_EQ(gathered({.gathers_activations = true}), 6 * kM);
}

TEST_F(Fp8LayerTest, WeightsThatAreNotKeptAreQuantisedByEachPass) {
  const double before = CastBytes(Lower(DType::kFp8).forward);
  framework_.fp8_kernels.keeps_weight_copies = false;
  // qkv 2, output 1, gate-up 8, down 4: 15 x 1024 x 1024 weights, 2 bytes read and 1 written.
  EXPECT_DOUBLE_EQ(CastBytes(Lower(DType::kFp8).forward) - before, 3.0 * 15 * 1024 * 1024);
}

TEST_F(Fp8LayerTest, TheHeadStaysInSixteenBits) {
  LoweringRequest request = Request(model_, framework_, 2048);
  request.compute = DType::kFp8;
  const Result<LoweredLayer> fp8 = LowerHead(request);
  request.compute = DType::kBf16;
  const Result<LoweredLayer> bf16 = LowerHead(request);
  ASSERT_TRUE(fp8 && bf16);
  ASSERT_EQ(fp8->forward.size(), bf16->forward.size());
  for (size_t i = 0; i < fp8->forward.size(); ++i) {
    if (const Operation* operation = OperationOf(fp8->forward[i])) {
      EXPECT_EQ(*operation, *OperationOf(bf16->forward[i])) << fp8->forward[i].name;
    }
  }
  EXPECT_EQ(fp8->saved_activations, bf16->saved_activations);
}

}  // namespace
}  // namespace ridgeline::workloads
