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
#include "workloads/host_time.h"

namespace ridgeline::workloads {

/// kFlash2: FlashAttention-2, as PyTorch's scaled_dot_product_attention runs it; kFlash: the
/// fastest fused kernel of the GPU.
enum class AttentionChoice { kFlash, kNaive, kFlash2 };
AttentionKernel KernelOf(AttentionChoice choice);
EnumTable<AttentionChoice> EnumNames(Tag<AttentionChoice>);

struct TrainingDtypes {
  DType parameters = DType::kBf16;  // of the copy that computes
  DType gradients = DType::kFp32;   // as accumulated
  DType reduce = DType::kFp32;      // as sent
  DType optimizer = DType::kFp32;   // of each Adam moment
  DType master = DType::kFp32;      // of the master copy; equal to `parameters` means none is kept
  friend bool operator==(const TrainingDtypes&, const TrainingDtypes&) = default;
};

struct Fusion {
  bool residual_norm = false;  // residual addition inside the normalisation kernel
  bool swiglu = true;          // gate, activation and product in one kernel
  bool rotary = true;          // queries and keys in one kernel
  bool cross_entropy = true;   // softmax, loss and its gradient without extra copies of the logits
  bool gradient_accumulation = true;  // weight gradients accumulated by the GEMM's epilogue
  friend bool operator==(const Fusion&, const Fusion&) = default;
};

struct Overlap {
  bool gradient_reduce = true;    // behind the last micro-batch's backward
  bool parameter_gather = false;  // distributed optimizer's all-gather behind the next forward
  bool pipeline_sends = true;     // activations travel while the stage computes
  bool tensor_parallel = false;   // TP collectives behind their GEMMs, in chunks
  bool tensor_parallel_backward = false;  // backward TP collectives beside dgrad and wgrad
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
  /// Dropout on embeddings, on both branches of a layer and on attention's probabilities; inside a
  /// flash kernel it costs nothing.
  bool dropout = false;
  Overlap overlap;
  HostTime host;
  Bytes gradient_bucket;  // of gradients in their reduce type, before a reduction starts
  Bytes gradient_bucket_per_replica;  // times the replicas: the bucket, where that is more
  std::string default_sharding = "zero-1";
  bool counts_embedding_as_layer =
      false;  // pipeline placement: embedding and head take a layer's place each
  std::map<std::string, std::string> sources;  // of every constant above
  friend bool operator==(const Framework&, const Framework&) = default;
};
const Schema<Framework>& SchemaOf(Tag<Framework>);
const Schema<TrainingDtypes>& SchemaOf(Tag<TrainingDtypes>);
const Schema<Fusion>& SchemaOf(Tag<Fusion>);
const Schema<Overlap>& SchemaOf(Tag<Overlap>);

}  // namespace ridgeline::workloads
