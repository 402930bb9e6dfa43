#include "workloads/rank_steps.h"

#include <utility>

#include <fmt/format.h>

#include "base/check.h"

namespace ridgeline::workloads {
namespace {

double Real(int64_t value) { return static_cast<double>(value); }

}  // namespace

RankShape::RankShape(const LoweringRequest& request)
    : model(*request.model),
      framework(*request.framework),
      compute(request.compute),
      element(BytesPerElement(request.compute).base()),
      sequence(request.sequence_length),
      batch(request.micro_batch),
      tokens(request.sequence_length * request.micro_batch),
      hidden(request.model->hidden),
      tp(request.layout.tp),
      ep(request.layout.ep),
      sequence_parallel(request.layout.sequence_parallel && request.layout.tp > 1) {
  CHECK(tokens > 0, "{} tokens", tokens);
  shard_tokens = sequence_parallel ? Cut(tokens) : tokens;
}

int64_t RankShape::Cut(int64_t size) const {
  CHECK(size % tp == 0, "tp {}, size {}", tp, size);
  return size / tp;
}

void RankSteps::Add(std::string name, Operation operation, StepPart part) {
  steps_->push_back({.name = std::move(name), .work = operation, .part = part});
}

void RankSteps::Linear(std::string_view name, int64_t rows, int64_t in, int64_t out) {
  const DType kept = shape_->framework.dtypes.parameters;
  if (BytesPerElement(kept) > BytesPerElement(shape_->compute)) {
    const double weights = Real(in) * Real(out);
    MemoryBytes(fmt::format("{} weight cast", name), MemoryBoundKind::kCast,
                weights * BytesPerElement(kept).base(), weights * shape_->element);
  }
  Add(std::string(name),
      Gemm{
          .m = rows, .n = out, .k = in, .dtype = shape_->compute, .output_dtype = shape_->compute});
}

void RankSteps::LinearInputGradient(std::string_view name, int64_t rows, int64_t in, int64_t out) {
  Add(fmt::format("{} dgrad", name),
      Gemm{.m = rows, .n = in, .k = out, .dtype = shape_->compute, .output_dtype = shape_->compute},
      StepPart::kInputGradient);
}

void RankSteps::LinearWeightGradient(std::string_view name, int64_t rows, int64_t in, int64_t out) {
  const bool is_fused = shape_->framework.fusion.gradient_accumulation;
  Add(fmt::format("{} wgrad", name),
      Gemm{.m = out,
           .n = in,
           .k = rows,
           .dtype = shape_->compute,
           .output_dtype = is_fused ? shape_->framework.dtypes.gradients : shape_->compute,
           .accumulates = is_fused},
      StepPart::kWeightGradient);
  if (!is_fused) {
    AccumulateGradient(name, in * out);
  }
}

void RankSteps::AccumulateGradient(std::string_view name, int64_t elements) {
  const double kept = BytesPerElement(shape_->framework.dtypes.gradients).base();
  Add(fmt::format("{} gradient accumulation", name),
      MemoryBound{.kind = MemoryBoundKind::kResidualAdd,
                  .read = Bytes::FromBase(Real(elements) * (shape_->element + kept)),
                  .written = Bytes::FromBase(Real(elements) * kept),
                  .flops = Flops::FromBase(Real(elements)),
                  .dtype = shape_->framework.dtypes.gradients},
      StepPart::kWeightGradient);
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
                                   .rows = rows});
}

namespace {

MemoryBoundKind KernelOf(NormKind kind) {
  return kind == NormKind::kRmsNorm ? MemoryBoundKind::kRmsNorm : MemoryBoundKind::kLayerNorm;
}

}  // namespace

void RankSteps::Norm(std::string name, NormKind kind, int64_t rows) {
  // Fused: reads the stream and the branch, writes their sum and its norm.
  const double streams = shape_->framework.fusion.residual_norm ? 2 : 1;
  const double size = Real(rows) * Real(shape_->hidden);
  Memory(std::move(name), KernelOf(kind), streams * size, streams * size, rows);
}

void RankSteps::NormBackward(std::string name, NormKind kind, int64_t rows) {
  // Reads the input and the gradient, writes the input's gradient; fused, it also reads the
  // gradient that came along the residual stream, else that is an addition of its own.
  const double size = Real(rows) * Real(shape_->hidden);
  const bool is_fused = shape_->framework.fusion.residual_norm;
  Memory(name + " backward", KernelOf(kind), (is_fused ? 3 : 2) * size, size, rows);
  if (!is_fused) {
    Memory(name + " residual gradient", MemoryBoundKind::kResidualAdd, 2 * size, size, rows);
  }
}

void RankSteps::ResidualAdd(std::string name, int64_t rows) {
  if (!shape_->framework.fusion.residual_norm) {
    const double size = Real(rows) * Real(shape_->hidden);
    MemoryBytes(std::move(name), MemoryBoundKind::kResidualAdd, 2 * size * shape_->element,
                size * shape_->element + shape_->DropoutMask(rows).base(), rows);
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
  const double size = Real(rows) * Real(width);
  if (!feed_forward.is_gated) {
    Memory("activation", MemoryBoundKind::kGelu, size, size, rows);
  } else if (shape_->framework.fusion.swiglu) {
    Memory("activation", MemoryBoundKind::kSwiGlu, 2 * size, size, rows);
  } else {
    Memory("activation", MemoryBoundKind::kSwiGlu, size, size, rows);
    Memory("gate product", MemoryBoundKind::kSwiGlu, 2 * size, size, rows);
  }
}

void RankSteps::ActivationBackward(const FeedForward& feed_forward, int64_t rows, int64_t width) {
  const double size = Real(rows) * Real(width);
  if (!feed_forward.is_gated) {
    Memory("activation backward", MemoryBoundKind::kGelu, 2 * size, size, rows);
  } else if (shape_->framework.fusion.swiglu) {
    Memory("activation backward", MemoryBoundKind::kSwiGlu, 3 * size, 2 * size, rows);
  } else {
    // Two products, then the activation's own derivative.
    Memory("gate product backward", MemoryBoundKind::kSwiGlu, 4 * size, 2 * size, rows);
    Memory("activation backward", MemoryBoundKind::kSwiGlu, 2 * size, size, rows);
  }
}

void RankSteps::EnterRegion(std::string_view name) {
  if (shape_->sequence_parallel) {
    Collect(fmt::format("{} all-gather", name), CollectiveKind::kAllGather, shape_->Boundary(),
            Axis::kTensor);
  }
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

void RankSteps::LeaveRegionBackward(std::string_view name) {
  if (shape_->sequence_parallel) {
    Collect(fmt::format("{} gradient all-gather", name), CollectiveKind::kAllGather,
            shape_->Boundary(), Axis::kTensor);
  }
}

void RankSteps::GatherSavedInput(std::string_view name) {
  if (shape_->sequence_parallel) {
    Collect(fmt::format("{} saved input all-gather", name), CollectiveKind::kAllGather,
            shape_->Boundary(), Axis::kTensor, shape_->compute, StepPart::kWeightGradient);
    steps_->back().runs_beside_next = shape_->framework.overlap.tensor_parallel_backward;
  }
}

void RankSteps::EnterRegionBackward(std::string_view name, bool before_weight_gradient) {
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
  if (request.layout.cp > 1) {
    return Unimplemented(fmt::format("context parallelism in training: cp {}", request.layout.cp),
                         "use cp 1");
  }
  switch (request.compute) {
    case DType::kFp32:
    case DType::kTf32:
    case DType::kFp16:
    case DType::kBf16:
      return {};
    case DType::kFp8:
      return Unimplemented("fp8 training", "use precision bf16");
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
