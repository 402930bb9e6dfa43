/// Operations: the vocabulary that models and hardware share. A model lowers to operations; a GPU
/// says how long one takes. An operation knows shapes, FLOPs and bytes, and nothing of GPUs.
///
/// FLOPs count a multiply and an add as two. Bytes are the compulsory traffic to device memory:
/// each operand read once, each result written once. Both are lower bounds that a kernel may exceed
/// and never beat (INV-6).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/dtype.h"
#include "base/units.h"

namespace ridgeline {

/// C[m,n] += A[m,k] B[k,n], `batch` independent times. FLOPs 2·m·n·k·batch.
struct Gemm {
  int64_t m = 0;
  int64_t n = 0;
  int64_t k = 0;
  int64_t batch = 1;
  DType dtype = DType::kBf16;         // of A and B, which selects the tensor-core rate
  DType output_dtype = DType::kBf16;  // of C
  bool accumulates =
      false;  // C is read as well as written (weight gradients accumulated over micro-batches)
  friend bool operator==(const Gemm&, const Gemm&) = default;
};

/// `groups` GEMMs that share n and k and whose rows sum to m: the experts of a mixture. FLOPs
/// 2·m·n·k; weights of all groups are read.
struct GroupedGemm {
  int64_t groups = 1;
  int64_t m = 0;  // rows over all groups
  int64_t n = 0;
  int64_t k = 0;
  DType dtype = DType::kBf16;
  DType output_dtype = DType::kBf16;
  /// Weight gradient: C is [groups, n, k] and m is reduced over.
  bool weight_gradient = false;
  bool accumulates = false;
  friend bool operator==(const GroupedGemm&, const GroupedGemm&) = default;
};

enum class AttentionPhase { kPrefill, kDecode };
enum class AttentionPass { kForward, kBackward };
enum class AttentionKernel {
  kFlash,   // fused, O(q_len) extra memory: Dao et al., arXiv:2205.14135; the fastest that there is
  kNaive,   // scores written to memory: two batched GEMMs and a softmax, as before 2022
  kFlash2,  // FlashAttention-2 (arXiv:2307.08691), as PyTorch's scaled_dot_product_attention runs
            // it
  kCudnn    // cuDNN's, which PyTorch prefers on Hopper: it decodes from a contiguous cache
};
/// Whether scores stay on chip: all but the naive kernels, which move the same bytes.
constexpr bool IsFused(AttentionKernel kernel) { return kernel != AttentionKernel::kNaive; }
/// "flash", "naive", "flash-2", "cudnn": in files and in `cost` lines.
std::string_view AttentionKernelName(AttentionKernel kernel);

/// Scaled dot-product attention over `heads` query heads that share `kv_heads` key and value heads.
struct Attention {
  AttentionPhase phase = AttentionPhase::kPrefill;
  AttentionPass pass = AttentionPass::kForward;
  AttentionKernel kernel = AttentionKernel::kFlash;
  DType dtype = DType::kBf16;
  bool causal = true;
  int64_t batch = 1;
  int64_t q_len = 0;
  int64_t kv_len = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;    // of queries and keys
  int64_t v_head_dim = 0;  // of values; 0 means head_dim
  int64_t window = 0;      // tokens a query sees at most; 0 means all
  friend bool operator==(const Attention&, const Attention&) = default;
};

/// Kernels bound by memory bandwidth: what they read and write is what they cost.
enum class MemoryBoundKind {
  kRmsNorm,
  kLayerNorm,
  kRotary,
  kSwiGlu,
  kGelu,
  kResidualAdd,
  kDropout,
  kSoftmax,
  kCrossEntropy,
  kEmbedding,
  kOptimizer,
  kGradientNorm,
  kCast,
  kCopy,
  kRouting,
  kPermute,
  kScan
};
struct MemoryBound {
  MemoryBoundKind kind = MemoryBoundKind::kCopy;
  Bytes read = {};
  Bytes written = {};
  Flops flops = {};  // vector FLOPs in fp32, small beside the traffic
  DType dtype = DType::kBf16;
  int64_t rows = 0;  // tokens that the bytes belong to, where known: few rows leave a GPU idle
  /// No such kernel is shorter, whatever it moves: its launch in a graph and its start and end.
  Seconds least = {};
  /// What its threads move in accesses too narrow for the memory's rate, in bytes that would take
  /// as long at the rate of wide ones on an H100 (sim/compute/operation_time.h); 0: not what binds
  /// it.
  Bytes issued = {};
  friend bool operator==(const MemoryBound&, const MemoryBound&) = default;
};

using Operation = std::variant<Gemm, GroupedGemm, Attention, MemoryBound>;

enum class CollectiveKind { kAllReduce, kAllGather, kReduceScatter, kAllToAll, kBroadcast, kSend };

/// How a collective is done, in NCCL's words; kOneShot and kTwoShot are the all-reduces that
/// serving engines write themselves (every rank reads all peers at once; or reduce-scatter and
/// all-gather by direct reads). kHierarchical: reduce-scatter in the node, all-reduce over nodes,
/// all-gather. kPairwise: sends and receives, as all-to-all and send are done.
enum class CollectiveAlgorithm {
  kChosen,  // whichever the library takes at that size
  kRing,
  kTree,
  kNvls,
  kNvlsTree,
  kCollNetDirect,
  kCollNetChain,
  kPat,
  kHierarchical,
  kPairwise,
  kOneShot,
  kTwoShot
};
/// NCCL's three ways to move bytes: words with flags, 128-byte lines with flags, chunks behind a
/// fence.
enum class CollectiveProtocol { kChosen, kLl, kLl128, kSimple };
/// "ring", "nvls-tree", "one-shot" ...; "ll", "ll128", "simple"; "chosen".
std::string_view AlgorithmName(CollectiveAlgorithm algorithm);
std::string_view ProtocolName(CollectiveProtocol protocol);

/// Which ranks take part, as far as timing goes: `ranks` of them, `ranks_per_node` on each node
/// (the last may hold fewer), every `node_stride`-th node. Parallel jobs run as many equal groups
/// side by side as fill the cluster, so each rank is given one GPU's share of the NICs.
struct RankGroup {
  int64_t ranks = 1;
  int64_t ranks_per_node = 1;
  int64_t node_stride = 1;  // from a node of the group to its next one; 1: they are neighbours
  friend bool operator==(const RankGroup&, const RankGroup&) = default;
};

/// A collective in nccl-tests' convention: `bytes` is the full buffer (all-gather: the gathered
/// array; reduce-scatter: the array before; all-to-all: each rank's send buffer; send: the
/// message).
struct Collective {
  CollectiveKind kind = CollectiveKind::kAllReduce;
  Bytes bytes;
  RankGroup group;
  DType dtype = DType::kBf16;
  CollectiveAlgorithm algorithm = CollectiveAlgorithm::kChosen;
  CollectiveProtocol protocol = CollectiveProtocol::kChosen;
  friend bool operator==(const Collective&, const Collective&) = default;
};

/// FLOPs that the operation must do. Causal attention counts the lower triangle only.
Flops FlopsOf(const Operation& operation);
/// Bytes that must cross the device-memory interface at least once.
Bytes BytesOf(const Operation& operation);
/// "gemm", "grouped_gemm", "attention", "rmsnorm" ...: the names of DESIGN's `cost` lines.
std::string_view OperationName(const Operation& operation);
std::string_view CollectiveName(CollectiveKind kind);
/// One line for traces and messages: "gemm 8192x4096x5120 bf16".
std::string Describe(const Operation& operation);
std::string Describe(const Collective& collective);

}  // namespace ridgeline
