#include "calibration/prior.h"

#include "calibration/tree_inputs.h"

namespace ridgeline::calibration {

std::optional<Kin> KinOf(const TimedOperation& pattern, const Condition& condition) {
  const Condition steady;
  if (const auto* const gemm = std::get_if<Gemm>(&pattern)) {
    Gemm kin{.dtype = gemm->dtype == DType::kInt8 ? DType::kFp8 : DType::kBf16};
    if (gemm->dtype == DType::kFp8 && condition != steady) {
      kin.dtype = DType::kFp8;
    }
    const Kin root{.pattern = PatternOf(kin), .condition = steady};
    const bool is_root = root.pattern == pattern && condition == steady;
    // The two that have tables of their own start from nothing.
    const bool is_fp8 = gemm->dtype == DType::kFp8 && condition == steady;
    return is_root || is_fp8 ? std::nullopt : std::optional(root);
  }
  if (condition != steady) {
    return Kin{.pattern = pattern, .condition = steady};
  }
  if (const auto* const attention = std::get_if<Attention>(&pattern)) {
    Attention kin = *attention;
    if (attention->phase == AttentionPhase::kPrefill && !attention->causal) {
      kin.causal = true;
      return Kin{.pattern = kin, .condition = steady};
    }
    if (attention->pass == AttentionPass::kBackward) {
      kin.pass = AttentionPass::kForward;
      return Kin{.pattern = kin, .condition = steady};
    }
  }
  if (const auto* const work = std::get_if<MemoryBound>(&pattern);
      work != nullptr &&
      (work->kind == MemoryBoundKind::kLayerNorm || work->kind == MemoryBoundKind::kSoftmax)) {
    MemoryBound kin = *work;  // they reduce rows as it does
    kin.kind = MemoryBoundKind::kRmsNorm;
    return Kin{.pattern = kin, .condition = steady};
  }
  return std::nullopt;
}

int Generation(const TimedOperation& pattern, const Condition& condition) {
  const std::optional<Kin> kin = KinOf(pattern, condition);
  return kin ? 1 + Generation(kin->pattern, kin->condition) : 0;
}

double ResidualOn(const Prior* prior, const BoostedTrees& residuals, Inputs& inputs,
                  size_t num_inputs, const Shape& shape) {
  if (prior == nullptr) {
    return residuals.At(inputs);
  }
  const double from = prior->At(shape);
  inputs.at(num_inputs) = static_cast<float>(from);
  return from + residuals.At(inputs);
}

double Prior::At(const Shape& shape) const {
  const TimedOperation operation = WithShape(pattern, shape);
  Inputs inputs = InputsOf(operation, rates, FeaturesOf(operation, rates));
  return ResidualOn(prior.get(), residuals, inputs, NumInputs(pattern), shape);
}

}  // namespace ridgeline::calibration
