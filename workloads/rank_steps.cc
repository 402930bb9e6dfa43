#include "workloads/rank_steps.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "workloads/rank_groups.h"

namespace ridgeline::workloads {
namespace {

double Real(int64_t value) { return static_cast<double>(value); }

/// Experts in 8 bits are as many products, each on its own (NVIDIA/TransformerEngine
/// transformer_engine/pytorch/module/grouped_linear.py: cuBLAS on several streams).
Operation AsRun(const Operation& operation) {
  const auto* grouped = std::get_if<GroupedGemm>(&operation);
  if (grouped == nullptr || grouped->dtype != DType::kFp8) {
    return operation;
  }
  const int64_t rows = std::max<int64_t>(1, (grouped->m + grouped->groups - 1) / grouped->groups);
  const bool is_weight = grouped->weight_gradient;
  return Gemm{.m = is_weight ? grouped->n : rows,
              .n = is_weight ? grouped->k : grouped->n,
              .k = is_weight ? rows : grouped->k,
              .batch = grouped->groups,
              .dtype = grouped->dtype,
              .output_dtype = grouped->output_dtype,
              .accumulates = grouped->accumulates};
}

/// Of what is measured as another kernel, or under another setting.
Slowdown SlowdownIn(const Framework& framework, const Operation& operation, StepPart part) {
  if (std::holds_alternative<Attention>(operation)) {
    return SlowdownOf(framework.attention);
  }
  const auto* gemm = std::get_if<Gemm>(&operation);
  const bool is_gradient = part == StepPart::kInputGradient || part == StepPart::kWeightGradient;
  return gemm != nullptr && gemm->dtype == DType::kFp8 && is_gradient &&
                 !framework.fp8_kernels.fast_gradients
             ? kPreciseAccumulation
             : Slowdown{};
}

}  // namespace

RankShape::RankShape(const LoweringRequest& request)
    : model(*request.model),
      framework(*request.framework),
      compute(ActivationDtype(request.compute)),
      product(request.compute),
      fp8(request.fp8),
      element(BytesPerElement(ActivationDtype(request.compute)).base()),
      sequence(request.sequence_length),
      batch(request.micro_batch),
      micro_batches(request.micro_batches),
      tokens(request.sequence_length * request.micro_batch / request.layout.cp),
      hidden(request.model->hidden),
      tp(request.layout.tp),
      ep(request.layout.ep),
      expert_tp(request.layout.expert_tp()),
      expert_group(GroupOf(request.layout, Axis::kExpert)),
      routing(request.experts),
      cp(request.layout.cp),
      exchange(request.layout.exchange),
      context_inner(request.layout.context_inner),
      sequence_parallel(request.layout.sequence_parallel && request.layout.tp > 1) {
  CHECK(tokens > 0, "{} tokens", tokens);
  CHECK(cp == 1 || sequence % (2 * cp) == 0, "cp {}, sequence {}", cp, sequence);
  shard_tokens = sequence_parallel ? Cut(tokens) : tokens;
}

int64_t RankShape::Cut(int64_t size) const {
  CHECK(size % tp == 0, "tp {}, size {}", tp, size);
  return size / tp;
}

void RankSteps::Add(std::string name, Operation operation, StepPart part) {
  const Operation run = AsRun(operation);
  steps_->push_back({.name = std::move(name),
                     .work = run,
                     .part = part,
                     .slowdown = SlowdownIn(shape_->framework, run, part)});
}

void RankSteps::Linear(std::string_view name, int64_t rows, int64_t in, int64_t out) {
  const DType kept = shape_->framework.dtypes.parameters;
  if (BytesPerElement(kept) > BytesPerElement(shape_->compute)) {
    const double weights = Real(in) * Real(out);
    MemoryBytes(fmt::format("{} weight cast", name), MemoryBoundKind::kCast,
                weights * BytesPerElement(kept).base(), weights * shape_->element);
  }
  QuantizeWeights(name, 1, in, out);
  Add(std::string(name),
      Gemm{
          .m = rows, .n = out, .k = in, .dtype = shape_->product, .output_dtype = shape_->compute});
}

void RankSteps::LinearInputGradient(std::string_view name, int64_t rows, int64_t in, int64_t out) {
  QuantizeWeights(name, 1, in, out);
  Add(fmt::format("{} dgrad", name),
      Gemm{.m = rows, .n = in, .k = out, .dtype = shape_->product, .output_dtype = shape_->compute},
      StepPart::kInputGradient);
}

void RankSteps::LinearWeightGradient(std::string_view name, int64_t rows, int64_t in, int64_t out) {
  const bool is_fused = shape_->framework.fusion.gradient_accumulation;
  Add(fmt::format("{} wgrad", name),
      Gemm{.m = out,
           .n = in,
           .k = rows,
           .dtype = shape_->product,
           .output_dtype = is_fused ? shape_->framework.dtypes.gradients : shape_->compute,
           .accumulates = is_fused},
      StepPart::kWeightGradient);
  if (!is_fused) {
    AccumulateGradient(name, in * out);
  }
}

void RankSteps::AccumulateGradient(std::string_view name, int64_t elements) {
  // The first micro-batch's gradient is kept as it is.
  const double micro_batches = Real(shape_->micro_batches);
  const double share =
      shape_->framework.gradients == GradientBuffers::kOnDemand && shape_->micro_batches > 0
          ? (micro_batches - 1) / micro_batches
          : 1.0;
  if (share > 0) {
    const StepPart part = std::exchange(part_, StepPart::kWeightGradient);
    Run(fmt::format("{} gradient accumulation", name),
        shape_->framework.recipes.accumulation.backward, shape_->Extent(share * Real(elements), 0),
        MemoryBoundKind::kResidualAdd);
    part_ = part;
  }
}

void RankSteps::Run(std::string_view name, const std::vector<RecipeKernel>& kernels,
                    const RecipeExtent& extent, MemoryBoundKind kind) {
  const bool is_alone = kernels.size() == 1;
  for (size_t i = 0; i < kernels.size(); ++i) {
    MemoryBound work = OperationOf(kernels[i], extent, kind, is_alone);
    if (work.least == Seconds{}) {
      work.least = shape_->framework.recipes.least;
    }
    Add(is_alone ? std::string(name) : fmt::format("{} {}/{}", name, i + 1, kernels.size()), work);
  }
}

void RankSteps::OverHeads(std::string_view name, const Recipe& recipe, bool is_backward,
                          HeadWidths widths, MemoryBoundKind kind) {
  const std::vector<RecipeKernel>& kernels = is_backward ? recipe.backward : recipe.forward;
  const double rows = Real(shape_->tokens);
  if (!recipe.apart) {
    Run(name, kernels, shape_->Extent(rows * Real(widths.queries + widths.keys), rows), kind);
    return;
  }
  Run(fmt::format("{} of queries", name), kernels,
      shape_->Extent(rows * Real(widths.queries), rows), kind);
  Run(fmt::format("{} of keys", name), kernels, shape_->Extent(rows * Real(widths.keys), rows),
      kind);
}

Products ProductsOf(bool is_one, std::string name, std::vector<Products::Product> parts) {
  std::erase_if(parts, [](const Products::Product& part) { return part.out == 0; });
  if (!is_one || parts.size() == 1) {
    return {.list = std::move(parts)};
  }
  Products::Product all{.name = std::move(name)};
  for (const Products::Product& part : parts) {
    all.out += part.out;
    all.has_bias = all.has_bias || part.has_bias;
  }
  return {.list = {std::move(all)}};
}

void RankSteps::Linears(const Products& products, int64_t rows, int64_t in) {
  for (const Products::Product& product : products.list) {
    Linear(product.name, rows, in, product.out);
    if (product.has_bias) {
      Bias(product.name, rows, product.out);
    }
  }
}

void RankSteps::LinearsInputGradient(const Products& products, int64_t rows, int64_t in) {
  for (size_t i = 0; i < products.list.size(); ++i) {
    const Products::Product& product = products.list[i];
    LinearInputGradient(product.name, rows, in, product.out);
    if (i > 0) {
      Run(fmt::format("{} input gradient sum", product.name),
          shape_->framework.recipes.fork.backward,
          shape_->Extent(Real(rows) * Real(in), Real(rows)), MemoryBoundKind::kResidualAdd);
    }
  }
}

void RankSteps::LinearsWeightGradient(const Products& products, int64_t rows, int64_t in) {
  for (const Products::Product& product : products.list) {
    LinearWeightGradient(product.name, rows, in, product.out);
    if (product.has_bias) {
      BiasBackward(product.name, rows, product.out);
    }
  }
}

void RankSteps::Bias(std::string_view name, int64_t rows, int64_t out) {
  Run(fmt::format("{} bias", name), shape_->framework.recipes.bias.forward,
      shape_->Extent(Real(rows) * Real(out), Real(rows)), MemoryBoundKind::kResidualAdd);
}

void RankSteps::BiasBackward(std::string_view name, int64_t rows, int64_t out) {
  const StepPart part = std::exchange(part_, StepPart::kWeightGradient);
  Run(fmt::format("{} bias wgrad", name), shape_->framework.recipes.bias.backward,
      shape_->Extent(Real(rows) * Real(out), Real(rows)), MemoryBoundKind::kResidualAdd);
  part_ = part;
}

void RankSteps::Memory(std::string name, MemoryBoundKind kind, double elements_read,
                       double elements_written, int64_t rows) {
  MemoryBytes(std::move(name), kind, elements_read * shape_->element,
              elements_written * shape_->element, rows);
}

void RankSteps::MemoryBytes(std::string name, MemoryBoundKind kind, double bytes_read,
                            double bytes_written, int64_t rows) {
  Add(std::move(name), MemoryBound{.kind = kind,
                                   .read = Bytes::FromBase(bytes_read),
                                   .written = Bytes::FromBase(bytes_written),
                                   .flops = Flops{},
                                   .dtype = shape_->compute,
                                   .rows = rows,
                                   .least = shape_->framework.recipes.least,
                                   .issued = {}});
}

namespace {

MemoryBoundKind KernelOf(NormKind kind) {
  return kind == NormKind::kRmsNorm ? MemoryBoundKind::kRmsNorm : MemoryBoundKind::kLayerNorm;
}

}  // namespace

void RankSteps::Norm(std::string name, NormKind kind, int64_t rows) {
  Run(name, shape_->NormRecipe(kind).forward,
      shape_->Extent(Real(rows) * Real(shape_->hidden), Real(rows)), KernelOf(kind));
}

void RankSteps::NormBackward(std::string name, NormKind kind, int64_t rows, bool is_fork) {
  const RecipeExtent extent = shape_->Extent(Real(rows) * Real(shape_->hidden), Real(rows));
  Run(name + " backward", shape_->NormRecipe(kind).backward, extent, KernelOf(kind));
  if (is_fork) {
    Run(name + " residual gradient", shape_->framework.recipes.residual.backward, extent,
        MemoryBoundKind::kResidualAdd);
  }
}

void RankSteps::ResidualAdd(std::string name, int64_t rows) {
  const size_t before = steps_->size();
  Run(name, shape_->framework.recipes.residual.forward,
      shape_->Extent(Real(rows) * Real(shape_->hidden), Real(rows)), MemoryBoundKind::kResidualAdd);
  if (steps_->size() > before) {
    std::get<MemoryBound>(std::get<Operation>(steps_->back().work)).written +=
        shape_->DropoutMask(rows);
  }
}

void RankSteps::DropoutBackward(std::string name, int64_t rows) {
  if (shape_->framework.dropout) {
    const double size = Real(rows) * Real(shape_->hidden) * shape_->element;
    MemoryBytes(std::move(name), MemoryBoundKind::kDropout, size + shape_->DropoutMask(rows).base(),
                size, rows);
  }
}

void RankSteps::Activation(const FeedForward& feed_forward, int64_t rows, int64_t width) {
  Run("activation", shape_->ActivationRecipe(feed_forward).forward,
      shape_->Extent(Real(rows) * Real(width), Real(rows)),
      feed_forward.is_gated ? MemoryBoundKind::kSwiGlu : MemoryBoundKind::kGelu);
}

void RankSteps::ActivationBackward(const FeedForward& feed_forward, int64_t rows, int64_t width) {
  Run("activation backward", shape_->ActivationRecipe(feed_forward).backward,
      shape_->Extent(Real(rows) * Real(width), Real(rows)),
      feed_forward.is_gated ? MemoryBoundKind::kSwiGlu : MemoryBoundKind::kGelu);
}

void RankSteps::LeaveRegion(std::string_view name) {
  if (shape_->sequence_parallel) {
    Collect(fmt::format("{} reduce-scatter", name), CollectiveKind::kReduceScatter,
            shape_->Boundary(), Axis::kTensor);
  } else if (shape_->tp > 1) {
    Collect(fmt::format("{} all-reduce", name), CollectiveKind::kAllReduce, shape_->Boundary(),
            Axis::kTensor);
  }
}

void RankSteps::EnterRegionBackward(std::string_view name, bool before_weight_gradient) {
  if (before_weight_gradient) {
    TransposeGathered(name);
  }
  if (shape_->sequence_parallel) {
    Collect(fmt::format("{} gradient reduce-scatter", name), CollectiveKind::kReduceScatter,
            shape_->Boundary(), Axis::kTensor);
  } else if (shape_->tp > 1) {
    Collect(fmt::format("{} gradient all-reduce", name), CollectiveKind::kAllReduce,
            shape_->Boundary(), Axis::kTensor);
  }
  if (shape_->tp > 1) {
    steps_->back().runs_beside_next =
        before_weight_gradient && shape_->framework.overlap.tensor_parallel_backward;
  }
}

void RankSteps::Collect(std::string name, CollectiveKind kind, Bytes bytes, Axis axis) {
  Collect(std::move(name), kind, bytes, axis, shape_->compute, part_);
}

void RankSteps::Collect(std::string name, CollectiveKind kind, Bytes bytes, Axis axis, DType dtype,
                        StepPart part) {
  steps_->push_back(
      {.name = std::move(name),
       .work = AxisCollective{.kind = kind, .bytes = bytes, .axis = axis, .dtype = dtype},
       .part = part});
}

Status CheckLowering(const LoweringRequest& request) {
  CHECK(request.model != nullptr && request.framework != nullptr);
  switch (request.compute) {
    case DType::kFp32:
    case DType::kTf32:
    case DType::kFp16:
    case DType::kBf16:
    case DType::kFp8:
      return {};
    case DType::kFp64:
    case DType::kInt8:
    case DType::kFp4:
    case DType::kInt4:
      break;
  }
  return Unimplemented(fmt::format("training in {}", DTypeName(request.compute)),
                       "use precision bf16");
}

}  // namespace ridgeline::workloads
