#include "workloads/fp8_layers.h"

#include <utility>

#include <fmt/format.h>

#include "workloads/rank_steps.h"

namespace ridgeline::workloads {
namespace {

double Real(int64_t value) { return static_cast<double>(value); }

constexpr double kBlock = 128.0;  // values a scale, arXiv:2412.19437, section 3.3
constexpr double kScale = 4.0;    // bytes

}  // namespace

Bytes QuantizedBytes(Fp8Scaling scaling, double elements) {
  const double scales = scaling == Fp8Scaling::kBlockwise ? kScale / kBlock : 0.0;
  return Bytes::FromBase(elements * (1.0 + scales));
}

std::vector<Fp8Pass> QuantizationOf(Fp8Scaling scaling, Fp8Copies copies, double elements,
                                    double element_bytes, bool is_fused) {
  const Bytes copy = QuantizedBytes(scaling, elements);
  if (is_fused) {
    return copies == Fp8Copies::kRows ? std::vector<Fp8Pass>{}
                                      : std::vector<Fp8Pass>{{.read = copy, .written = copy}};
  }
  const Bytes whole = Bytes::FromBase(elements * element_bytes);
  std::vector<Fp8Pass> passes;
  if (scaling == Fp8Scaling::kCurrent) {
    passes.push_back({.is_maximum = true, .read = whole, .written = {}});
  }
  passes.push_back({.read = whole, .written = copies == Fp8Copies::kBoth ? 2.0 * copy : copy});
  return passes;
}

void RankSteps::Quantize(std::string_view name, int64_t rows, int64_t width, Fp8Copies copies,
                         bool is_fused) {
  if (!shape_->quantizes()) {
    return;
  }
  for (const Fp8Pass& pass : QuantizationOf(shape_->fp8.scaling, copies, Real(rows) * Real(width),
                                            shape_->element, is_fused)) {
    const std::string_view what = pass.is_maximum ? "maximum"
                                  : is_fused      ? "transpose"
                                                  : "quantisation";
    MemoryBytes(fmt::format("{} {}", name, what), MemoryBoundKind::kCast, pass.read.base(),
                pass.written.base());
  }
}

void RankSteps::TransposeQuantized(std::string_view name, int64_t rows, int64_t width) {
  Quantize(name, rows, width, Fp8Copies::kColumns, /*is_fused=*/true);
}

void RankSteps::QuantizeInput(std::string_view name, int64_t rows, int64_t width, bool is_fused) {
  Quantize(name, rows, width,
           shape_->framework.fp8_kernels.keeps_inputs ? Fp8Copies::kBoth : Fp8Copies::kRows,
           is_fused);
}

void RankSteps::LeaveQuantized(double elements) {
  std::get<MemoryBound>(std::get<Operation>(steps_->back().work)).written -=
      Bytes::FromBase(elements * shape_->element) - QuantizedBytes(shape_->fp8.scaling, elements);
}

void RankSteps::ActivationOfProduct(const FeedForward& feed_forward, int64_t rows, int64_t width) {
  const bool is_fused = shape_->quantizes() && shape_->framework.fp8_kernels.activation &&
                        shape_->fp8.scaling == Fp8Scaling::kDelayed &&
                        !shape_->ActivationRecipe(feed_forward).forward.empty();
  Activation(feed_forward, rows, width);
  if (is_fused) {
    LeaveQuantized(Real(rows) * Real(width));
  }
  QuantizeInput("activation", rows, width, is_fused);
}

void RankSteps::QuantizeSavedInput(std::string_view name, int64_t rows, int64_t width) {
  if (!shape_->framework.fp8_kernels.keeps_inputs) {
    const StepPart part = std::exchange(part_, StepPart::kWeightGradient);
    Quantize(fmt::format("{} saved input", name), rows, width, Fp8Copies::kColumns);
    part_ = part;
  }
}

void RankSteps::QuantizeGradient(std::string_view name, int64_t rows, int64_t width) {
  Quantize(fmt::format("{} gradient", name), rows, width, Fp8Copies::kBoth);
}

void RankSteps::QuantizeWeights(std::string_view name, int64_t groups, int64_t in, int64_t out) {
  if (!shape_->framework.fp8_kernels.keeps_weight_copies) {
    Quantize(fmt::format("{} weight", name), groups * in, out, Fp8Copies::kRows);
  }
}

bool RankSteps::NormQuantizes() const {
  return shape_->quantizes() && shape_->framework.fp8_kernels.norm &&
         shape_->fp8.scaling == Fp8Scaling::kDelayed &&
         (!shape_->sequence_parallel || shape_->fp8.gathers_activations);
}

void RankSteps::NormOfProducts(std::string name, NormKind kind) {
  const size_t before = steps_->size();
  Norm(std::move(name), kind, shape_->shard_tokens);
  if (NormQuantizes() && steps_->size() > before) {
    LeaveQuantized(Real(shape_->shard_tokens) * Real(shape_->hidden));
  }
}

void RankSteps::EnterRegion(std::string_view name, bool is_quantized) {
  const std::string input = fmt::format("{} input", name);
  if (shape_->GathersQuantized()) {
    Quantize(input, shape_->shard_tokens, shape_->hidden, Fp8Copies::kRows, is_quantized);
    Collect(fmt::format("{} all-gather", name), CollectiveKind::kAllGather,
            QuantizedBytes(shape_->fp8.scaling, Real(shape_->tokens) * Real(shape_->hidden)),
            Axis::kTensor, DType::kFp8, part_);
    return;
  }
  if (shape_->sequence_parallel) {
    Collect(fmt::format("{} all-gather", name), CollectiveKind::kAllGather, shape_->Boundary(),
            Axis::kTensor);
  }
  // The input of a sequence-parallel region is gathered again for the weight gradient: it needs no
  // second copy now.
  const bool needs_both = !shape_->sequence_parallel && shape_->framework.fp8_kernels.keeps_inputs;
  Quantize(input, shape_->tokens, shape_->hidden, needs_both ? Fp8Copies::kBoth : Fp8Copies::kRows,
           is_quantized);
}

void RankSteps::LeaveRegionBackward(std::string_view name) {
  const std::string gradient = fmt::format("{} gradient", name);
  if (shape_->GathersQuantized()) {
    Quantize(gradient, shape_->shard_tokens, shape_->hidden, Fp8Copies::kRows);
    Collect(fmt::format("{} all-gather", gradient), CollectiveKind::kAllGather,
            QuantizedBytes(shape_->fp8.scaling, Real(shape_->tokens) * Real(shape_->hidden)),
            Axis::kTensor, DType::kFp8, part_);
    TransposeQuantized(gradient, shape_->tokens, shape_->hidden);
    return;
  }
  if (shape_->sequence_parallel) {
    Collect(fmt::format("{} all-gather", gradient), CollectiveKind::kAllGather, shape_->Boundary(),
            Axis::kTensor);
  }
  Quantize(gradient, shape_->tokens, shape_->hidden, Fp8Copies::kBoth);
}

void RankSteps::GatherSavedInput(std::string_view name) {
  if (!shape_->sequence_parallel) {
    QuantizeSavedInput(name, shape_->tokens, shape_->hidden);
    return;
  }
  const bool is_quantized = shape_->GathersQuantized();
  Collect(fmt::format("{} saved input all-gather", name), CollectiveKind::kAllGather,
          is_quantized
              ? QuantizedBytes(shape_->fp8.scaling, Real(shape_->tokens) * Real(shape_->hidden))
              : shape_->Boundary(),
          Axis::kTensor, is_quantized ? DType::kFp8 : shape_->compute, StepPart::kWeightGradient);
  steps_->back().runs_beside_next = shape_->framework.overlap.tensor_parallel_backward;
}

void RankSteps::TransposeGathered(std::string_view name) {
  if (!shape_->sequence_parallel) {
    return;
  }
  const StepPart part = std::exchange(part_, StepPart::kWeightGradient);
  Quantize(fmt::format("{} saved input", name), shape_->tokens, shape_->hidden, Fp8Copies::kColumns,
           /*is_fused=*/shape_->GathersQuantized());
  part_ = part;
}

}  // namespace ridgeline::workloads
