/// What a training framework does with a model, as data: configs/frameworks/NAME.yaml. No `if
/// framework ==` in code: what fuses, which data types, what overlaps are read from here. Every
/// constant carries its source.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/config_reader.h"
#include "base/dtype.h"
#include "base/operation.h"
#include "workloads/context_parallel.h"
#include "workloads/fp8_recipe.h"
#include "workloads/host_time.h"
#include "workloads/kernel_recipe.h"
#include "workloads/layer_placement.h"
#include "workloads/tensor_overlap.h"

namespace ridgeline::workloads {

/// How many times as long an operation takes as the kernel that its cost is asked of.
struct Slowdown {
  double mean = 1;
  double low = 1;
  double high = 1;
  friend bool operator==(const Slowdown&, const Slowdown&) = default;
};

/// kFlash2: FlashAttention-2, as PyTorch's scaled_dot_product_attention runs it; kFlash: the
/// fastest fused kernel of the GPU, which on Hopper is cuDNN's or FlashAttention-3 (kFlash3), equal
/// within their tables' errors. kFlash1 and kFlashTriton: FlashAttention of 2022, in CUDA and in
/// Triton, priced as kFlash2 made longer (SlowdownOf).
enum class AttentionChoice { kFlash, kNaive, kFlash2, kCudnn, kFlash1, kFlashTriton, kFlash3 };
/// The kernel that is measured.
AttentionKernel KernelOf(AttentionChoice choice);
/// The choice's time over that kernel's. FlashAttention-2 is 1.7 to 3.0 times as fast as
/// FlashAttention and 1.3 to 2.5 times as fast as its Triton version, forward and backward together
/// on an A100 (arXiv:2307.08691, section 4.1): geometric means, and those as ends.
Slowdown SlowdownOf(AttentionChoice choice);
EnumTable<AttentionChoice> EnumNames(Tag<AttentionChoice>);

struct TrainingDtypes {
  DType parameters = DType::kBf16;  // of the copy that computes
  DType gradients = DType::kFp32;   // as accumulated
  DType reduce = DType::kFp32;      // as sent
  DType optimizer = DType::kFp32;   // of each Adam moment
  DType master = DType::kFp32;      // of the master copy; equal to `parameters` means none is kept
  friend bool operator==(const TrainingDtypes&, const TrainingDtypes&) = default;
};

/// Which matrix products are one. What is bound by memory is in the recipes.
struct Fusion {
  bool qkv = true;                    // queries, keys and values by one product
  bool gate_up = true;                // gate and up by one product
  bool gradient_accumulation = true;  // weight gradients accumulated by the GEMM's epilogue
  friend bool operator==(const Fusion&, const Fusion&) = default;
};

/// A product in fp8 whose partial sums are added in fp32 over the fast one that is measured:
/// 36 shapes of Llama and GPT layers on an H100 by torch._scaled_mm with and without
/// use_fast_accum, 10th to 90th percentile 1.03 to 1.085
/// (tests/validation/measure/fp8_accumulation.py).
inline constexpr Slowdown kPreciseAccumulation = {.mean = 1.066, .low = 1.03, .high = 1.085};

/// When a gradient has memory: from the first step on, or from the moment when the backward makes
/// it until the optimizer has used it.
enum class GradientBuffers { kPersistent, kOnDemand };
EnumTable<GradientBuffers> EnumNames(Tag<GradientBuffers>);

/// What a framework holds of a GPU beside the tensors of a step.
struct Allocator {
  double reserved_low = 1.03;   // reserved over allocated
  double reserved_high = 1.07;  // likewise
  Bytes workspace;              // of the matrix libraries, allocated like a tensor
  Bytes context = Bytes::FromBase(1573 * 1048576.0);  // CUDA's and the libraries' own, outside it
  friend bool operator==(const Allocator&, const Allocator&) = default;
};

/// How the kernel that updates parameters compares with one that only moves the bytes.
struct UpdateKernel {
  double factor = 1;
  double tables_factor = 1;
  friend bool operator==(const UpdateKernel&, const UpdateKernel&) = default;
};

/// How gradients come into what is reduced.
struct GradientCopies {
  /// Into buckets of their own, which stay allocated, and back out of them once reduced; otherwise
  /// gradients live in their buckets. Of replicas that share out no gradients.
  bool buckets = false;
  /// Where layers are sharded each copies its gradients into a buffer: the time of that copy over
  /// what its traffic takes.
  double sharded = 1.0;
  friend bool operator==(const GradientCopies&, const GradientCopies&) = default;
};

struct Overlap {
  bool gradient_reduce = true;    // behind the last micro-batch's backward
  bool parameter_gather = false;  // distributed optimizer's all-gather behind the next forward
  bool pipeline_sends = true;     // activations travel while the stage computes
  bool tensor_parallel = false;   // TP collectives behind their GEMMs, in chunks
  bool tensor_parallel_backward = false;  // backward TP collectives beside dgrad and wgrad
  bool expert_parallel = false;  // dispatch and combine of one micro-batch beside another's compute
  friend bool operator==(const Overlap&, const Overlap&) = default;
};

struct Framework {
  std::string name;
  std::string title;
  std::vector<std::string> aliases;
  TrainingDtypes dtypes;
  AttentionChoice attention = AttentionChoice::kFlash;
  AttentionChoice decode_attention = AttentionChoice::kFlash;  // of one query a sequence
  Fusion fusion;
  Recipes recipes;
  GradientBuffers gradients = GradientBuffers::kPersistent;
  bool pipeline_keeps_outputs = false;  // the last stage's, of every micro-batch, to the step's end
  bool clips_gradients = true;          // by their global norm, before the optimizer
  UpdateKernel update;
  Allocator allocator;
  /// Dropout on embeddings, on both branches of a layer and on attention's probabilities; inside a
  /// flash kernel it costs nothing.
  bool dropout = false;
  Overlap overlap;
  TensorOverlap tensor_overlap;  // with overlap.tensor_parallel
  HostTime host;
  GradientCopies gradient_copies;
  Bytes gradient_bucket;  // of gradients in their reduce type, before a reduction starts
  Bytes gradient_bucket_per_replica;  // times the replicas: the bucket, where that is more
  std::string default_sharding = "zero-1";
  ContextExchange context_exchange = ContextExchange::kRing;
  Fp8Recipe fp8;
  Fp8Kernels fp8_kernels;
  PlacementRule placement = PlacementRule::kEven;  // of layers over pipeline stages
  bool counts_embedding_as_layer = false;    // there, embedding and head take a layer's place each
  std::optional<bool> counts_head_as_layer;  // the head; default: as the embedding
  LayerPlacement layer_placement() const {
    return {.rule = placement,
            .counts_embedding = counts_embedding_as_layer,
            .counts_head = counts_head_as_layer.value_or(counts_embedding_as_layer)};
  }
  std::map<std::string, std::string> sources;  // of every constant above
  friend bool operator==(const Framework&, const Framework&) = default;
};
const Schema<Framework>& SchemaOf(Tag<Framework>);
const Schema<TrainingDtypes>& SchemaOf(Tag<TrainingDtypes>);
const Schema<Fusion>& SchemaOf(Tag<Fusion>);
const Schema<UpdateKernel>& SchemaOf(Tag<UpdateKernel>);
const Schema<Overlap>& SchemaOf(Tag<Overlap>);
const Schema<GradientCopies>& SchemaOf(Tag<GradientCopies>);
const Schema<Allocator>& SchemaOf(Tag<Allocator>);

}  // namespace ridgeline::workloads
