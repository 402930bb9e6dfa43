/// Shapes of one rank and the steps that all parts of a layer are made of: linear layers with their
/// two gradients, kernels bound by memory, and the collectives at the edges of a tensor-parallel
/// region. Used by the lowering of attention, feed-forward, mixture, embedding and head.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "workloads/lowering.h"

namespace ridgeline::workloads {

/// What the parts of a layer need to know of the request, worked out once.
struct RankShape {
  explicit RankShape(const LoweringRequest& request);

  const Model& model;
  const Framework& framework;
  DType compute;
  double element = 2;        // bytes of an activation
  int64_t sequence = 0;      // tokens of one sequence
  int64_t batch = 1;         // sequences of a micro-batch
  int64_t tokens = 0;        // of the micro-batch
  int64_t shard_tokens = 0;  // of those, outside the tensor-parallel regions on this rank
  int64_t hidden = 0;
  int64_t tp = 1;
  int64_t ep = 1;
  bool sequence_parallel = false;

  Bytes Activation(int64_t rows, int64_t width) const {
    return Bytes::FromBase(static_cast<double>(rows) * static_cast<double>(width) * element);
  }
  /// What dropout keeps of `rows` vectors of the hidden width: a byte an element, or nothing.
  Bytes DropoutMask(int64_t rows) const {
    return Bytes::FromBase(
        framework.dropout ? static_cast<double>(rows) * static_cast<double>(hidden) : 0.0);
  }
  /// The activations that enter and leave a tensor-parallel region, whole.
  Bytes Boundary() const { return Activation(tokens, hidden); }
  /// A size that tp cuts; CheckLayout has refused what does not divide.
  int64_t Cut(int64_t size) const;
};

/// One half of a layer: what it does and what it keeps.
struct PartOfLayer {
  std::vector<Step> forward;
  std::vector<Step> backward;
  Bytes saved;
  /// What selective recomputation repeats, and the bytes that it saves.
  std::vector<Step> selective;
  Bytes selective_saved;
};

/// Appends steps to a list; every function names what it models. `part` applies to those that do
/// not say otherwise.
class RankSteps {
 public:
  RankSteps(const RankShape& shape, std::vector<Step>& steps, StepPart part)
      : shape_(&shape), steps_(&steps), part_(part) {}

  void Add(std::string name, Operation operation) { Add(std::move(name), operation, part_); }
  void Add(std::string name, Operation operation, StepPart part);

  /// [rows, in] x [in, out] -> [rows, out]; with a cast of the weights first when they are kept
  /// wider than they compute.
  void Linear(std::string_view name, int64_t rows, int64_t in, int64_t out);
  /// The gradient of its input.
  void LinearInputGradient(std::string_view name, int64_t rows, int64_t in, int64_t out);
  /// The gradient of its weights, added to what earlier micro-batches left: by the GEMM's epilogue,
  /// or by a kernel of its own.
  void LinearWeightGradient(std::string_view name, int64_t rows, int64_t in, int64_t out);
  /// The addition of `elements` gradients in compute precision to the accumulated ones.
  void AccumulateGradient(std::string_view name, int64_t elements);

  /// A kernel that reads and writes so many activations.
  /// `rows`: tokens that the bytes belong to, where that is how the kernel runs; 0: not known.
  void Memory(std::string name, MemoryBoundKind kind, double elements_read, double elements_written,
              int64_t rows = 0);
  void MemoryBytes(std::string name, MemoryBoundKind kind, double bytes_read, double bytes_written,
                   int64_t rows = 0);

  /// A normalisation of `rows` vectors of the hidden width, with the residual addition before it if
  /// the framework fuses them.
  void Norm(std::string name, NormKind kind, int64_t rows);
  void NormBackward(std::string name, NormKind kind, int64_t rows);
  /// The residual addition, unless the next normalisation does it; with dropout of the branch,
  /// which writes its mask.
  void ResidualAdd(std::string name, int64_t rows);
  /// The branch's gradient, masked, where there is dropout.
  void DropoutBackward(std::string name, int64_t rows);
  /// The activation of a feed-forward over `rows` x `width` (gated: twice that read).
  void Activation(const FeedForward& feed_forward, int64_t rows, int64_t width);
  void ActivationBackward(const FeedForward& feed_forward, int64_t rows, int64_t width);

  /// Entering a tensor-parallel region, forward: an all-gather under sequence parallelism.
  void EnterRegion(std::string_view name);
  /// Leaving it: a reduce-scatter, or an all-reduce without sequence parallelism.
  void LeaveRegion(std::string_view name);
  /// Backward through the exit: an all-gather under sequence parallelism.
  void LeaveRegionBackward(std::string_view name);
  /// The input was kept as a shard: gathered again for the weight gradient (arXiv:2205.05198,
  /// section 4.2.2).
  void GatherSavedInput(std::string_view name);
  /// Backward through the entry: a reduce-scatter, or an all-reduce.
  void EnterRegionBackward(std::string_view name, bool before_weight_gradient = true);

  void Collect(std::string name, CollectiveKind kind, Bytes bytes, Axis axis);
  void Collect(std::string name, CollectiveKind kind, Bytes bytes, Axis axis, DType dtype,
               StepPart part);

 private:
  const RankShape* shape_;
  std::vector<Step>* steps_;
  StepPart part_;
};

/// The parts; each brings its normalisation and residual addition. `norm_after` adds one after the
/// part, as Gemma does.
Result<PartOfLayer> LowerAttention(const RankShape& shape, const Layer& layer, bool norm_after);
Result<PartOfLayer> LowerLatentAttention(const RankShape& shape, const Layer& layer);
Result<PartOfLayer> LowerFeedForward(const RankShape& shape, const Layer& layer, bool norm_after);
Result<PartOfLayer> LowerMixture(const RankShape& shape, const Layer& layer, bool norm_after);

/// OK, or what of the request is not modelled.
Status CheckLowering(const LoweringRequest& request);

}  // namespace ridgeline::workloads
