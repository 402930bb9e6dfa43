#include "base/operation.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include <fmt/format.h>

#include "base/units_text.h"

namespace ridgeline {
namespace {

// Sizes multiply as doubles: products of four dimensions pass 2^63 in real models, and a double is
// exact far beyond what any figure here is known to.
double D(int64_t n) { return static_cast<double>(n); }

/// Pairs (query, key) that one head must score: sum over queries of the keys each sees. Query i
/// sees kv_len - q_len + i + 1 keys when causal (queries are the last q_len of kv_len positions),
/// else all kv_len, and never more than the window.
double ScoredPairs(const Attention& attention) {
  const double q_len = D(attention.q_len);
  const double kv_len = D(attention.kv_len);
  const double most = attention.window > 0 ? std::min(D(attention.window), kv_len) : kv_len;
  if (!attention.causal) {
    return q_len * most;
  }
  // Visible counts rise by one a query from `first` (queries before any key see none) and stay at
  // `most` once they reach it.
  const double before_keys = std::max(0.0, q_len - kv_len);
  const double first = std::max(1.0, kv_len - q_len + 1);
  const double queries = q_len - before_keys;
  if (queries <= 0 || most <= 0) {
    return 0;
  }
  const double rising = std::clamp(most - first + 1, 0.0, queries);
  return rising * (2 * first + rising - 1) / 2 + (queries - rising) * most;
}

/// Keys that at least one query sees: what has to be read of K and V.
double KeysSeen(const Attention& attention) {
  const double kv_len = D(attention.kv_len);
  return attention.window > 0 ? std::min(kv_len, D(attention.q_len) + D(attention.window) - 1)
                              : kv_len;
}

double ValueDim(const Attention& attention) {
  return D(attention.v_head_dim > 0 ? attention.v_head_dim : attention.head_dim);
}

/// Matrix products over the scored pairs; softmax is not counted, as in the papers.
///   forward            S = QK^T (d), O = PV (v)                              2 pairs (d + v)
///   backward, naive    dV = P^T dO, dP = dO V^T (v each), dQ, dK (d each)    2 pairs (2d + 2v)
///   backward, flash    the same and S again, which was not kept              2 pairs (3d + 2v)
/// With d = v flash backward is 2.5 times forward: arXiv:2307.08691, section 4.1 (and Algorithm 4
/// of arXiv:2205.14135 for the five products).
double AttentionFlops(const Attention& attention) {
  const double d = D(attention.head_dim);
  const double v = ValueDim(attention);
  double products = d + v;
  if (attention.pass == AttentionPass::kBackward) {
    products = IsFused(attention.kernel) ? 3 * d + 2 * v : 2 * d + 2 * v;
  }
  return 2 * ScoredPairs(attention) * products * D(attention.heads) * D(attention.batch);
}

/// Flash forward reads Q, K, V and writes O. Flash backward reads Q, K, V, O, dO and the fp32
/// log-sum-exp of each row, and writes dQ, dK, dV. The naive kernel keeps no O for backward but
/// moves matrices of q_len x kv_len scores for each head, masked or not, in the element type:
///   forward    write S; softmax reads S, writes P; PV reads P                           4
///   backward   read P for dV; write dP; softmax reads dP and P, writes dS; dQ, dK read it  7
/// (arXiv:2205.14135, section 3.2 and Algorithm 0.)
double AttentionBytes(const Attention& attention) {
  const double element = BytesPerElement(attention.dtype).base();
  const double queries = D(attention.batch) * D(attention.q_len) * D(attention.heads);
  const double keys = D(attention.batch) * KeysSeen(attention) * D(attention.kv_heads);
  const double q = queries * D(attention.head_dim);
  const double o = queries * ValueDim(attention);
  const double k = keys * D(attention.head_dim);
  const double v = keys * ValueDim(attention);
  const double scores = queries * D(attention.kv_len);
  const bool is_flash = IsFused(attention.kernel);
  if (attention.pass == AttentionPass::kForward) {
    return (q + k + v + o + (is_flash ? 0 : 4 * scores)) * element;
  }
  const double gradients = q + k + v;
  if (is_flash) {
    const double log_sum_exp = queries * BytesPerElement(DType::kFp32).base();
    return (q + k + v + 2 * o + gradients) * element + log_sum_exp;
  }
  return (q + k + v + o + gradients + 7 * scores) * element;
}

double GemmBytes(const Gemm& gemm) {
  const double inputs = D(gemm.m) * D(gemm.k) + D(gemm.k) * D(gemm.n);
  const double outputs = D(gemm.m) * D(gemm.n) * (gemm.accumulates ? 2 : 1);
  return D(gemm.batch) * (inputs * BytesPerElement(gemm.dtype).base() +
                          outputs * BytesPerElement(gemm.output_dtype).base());
}

double GroupedGemmBytes(const GroupedGemm& gemm) {
  const double rows_in = D(gemm.m) * D(gemm.k);
  const double rows_out = D(gemm.m) * D(gemm.n);
  const double weights = D(gemm.groups) * D(gemm.n) * D(gemm.k);
  // Forward and data gradient: rows in, weights in, rows out. Weight gradient: rows of both sides
  // in, one weight matrix a group out.
  const double inputs = rows_in + (gemm.weight_gradient ? rows_out : weights);
  const double outputs = (gemm.weight_gradient ? weights : rows_out) * (gemm.accumulates ? 2 : 1);
  return inputs * BytesPerElement(gemm.dtype).base() +
         outputs * BytesPerElement(gemm.output_dtype).base();
}

constexpr std::array<std::string_view, 17> kMemoryBoundNames = {
    "rmsnorm", "layernorm", "rotary",        "swiglu",    "gelu",      "residual_add",
    "dropout", "softmax",   "cross_entropy", "embedding", "optimizer", "gradient_norm",
    "cast",    "copy",      "routing",       "permute",   "scan"};
constexpr std::array<std::string_view, 4> kAttentionKernelNames = {"flash", "naive", "flash-2",
                                                                   "cudnn"};
constexpr std::array<std::string_view, 6> kCollectiveNames = {
    "all_reduce", "all_gather", "reduce_scatter", "all_to_all", "broadcast", "send"};
constexpr std::array<std::string_view, 12> kAlgorithmNames = {
    "chosen",        "ring", "tree",         "nvls",     "nvls-tree", "collnet-direct",
    "collnet-chain", "pat",  "hierarchical", "pairwise", "one-shot",  "two-shot"};
constexpr std::array<std::string_view, 4> kProtocolNames = {"chosen", "ll", "ll128", "simple"};

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

}  // namespace

Flops FlopsOf(const Operation& operation) {
  return std::visit(
      Overloaded{
          [](const Gemm& gemm) {
            return Flops::FromBase(2 * D(gemm.m) * D(gemm.n) * D(gemm.k) * D(gemm.batch));
          },
          [](const GroupedGemm& gemm) {
            return Flops::FromBase(2 * D(gemm.m) * D(gemm.n) * D(gemm.k));
          },
          [](const Attention& attention) { return Flops::FromBase(AttentionFlops(attention)); },
          [](const MemoryBound& work) { return work.flops; }},
      operation);
}

Bytes BytesOf(const Operation& operation) {
  return std::visit(
      Overloaded{
          [](const Gemm& gemm) { return Bytes::FromBase(GemmBytes(gemm)); },
          [](const GroupedGemm& gemm) { return Bytes::FromBase(GroupedGemmBytes(gemm)); },
          [](const Attention& attention) { return Bytes::FromBase(AttentionBytes(attention)); },
          [](const MemoryBound& work) { return work.read + work.written; }},
      operation);
}

std::string_view OperationName(const Operation& operation) {
  return std::visit(Overloaded{[](const Gemm&) { return std::string_view("gemm"); },
                               [](const GroupedGemm&) { return std::string_view("grouped_gemm"); },
                               [](const Attention&) { return std::string_view("attention"); },
                               [](const MemoryBound& work) {
                                 return kMemoryBoundNames[static_cast<size_t>(work.kind)];
                               }},
                    operation);
}

std::string_view AttentionKernelName(AttentionKernel kernel) {
  return kAttentionKernelNames[static_cast<size_t>(kernel)];
}

std::string_view CollectiveName(CollectiveKind kind) {
  return kCollectiveNames[static_cast<size_t>(kind)];
}

std::string_view AlgorithmName(CollectiveAlgorithm algorithm) {
  return kAlgorithmNames[static_cast<size_t>(algorithm)];
}

std::string_view ProtocolName(CollectiveProtocol protocol) {
  return kProtocolNames[static_cast<size_t>(protocol)];
}

std::string Describe(const Operation& operation) {
  return std::visit(
      Overloaded{
          [](const Gemm& gemm) {
            return fmt::format("gemm {}x{}x{}{} {}{}", gemm.m, gemm.n, gemm.k,
                               gemm.batch == 1 ? "" : fmt::format(" x{}", gemm.batch),
                               DTypeName(gemm.dtype), gemm.accumulates ? " accumulating" : "");
          },
          [](const GroupedGemm& gemm) {
            return fmt::format("grouped_gemm {}x{}x{} in {} groups {}{}{}", gemm.m, gemm.n, gemm.k,
                               gemm.groups, DTypeName(gemm.dtype),
                               gemm.weight_gradient ? " weight gradient" : "",
                               gemm.accumulates ? " accumulating" : "");
          },
          [](const Attention& attention) {
            const bool is_prefill = attention.phase == AttentionPhase::kPrefill;
            const bool is_forward = attention.pass == AttentionPass::kForward;
            return fmt::format(
                "attention {} {}{}{} batch {} q {} kv {} heads {}/{} dim {} {}{}{}",
                is_prefill ? "prefill" : "decode", is_forward ? "forward" : "backward",
                attention.kernel == AttentionKernel::kFlash ? "" : " ",
                attention.kernel == AttentionKernel::kFlash ? ""
                                                            : AttentionKernelName(attention.kernel),
                attention.batch, attention.q_len, attention.kv_len, attention.heads,
                attention.kv_heads, attention.head_dim, DTypeName(attention.dtype),
                attention.causal ? " causal" : "",
                attention.window > 0 ? fmt::format(" window {}", attention.window) : "");
          },
          [&operation](const MemoryBound& work) {
            return fmt::format("{} {} {}", OperationName(operation),
                               Format(work.read + work.written), DTypeName(work.dtype));
          }},
      operation);
}

std::string Describe(const Collective& collective) {
  return fmt::format("{} {} over {} ranks, {} a node, {}", CollectiveName(collective.kind),
                     Format(collective.bytes), collective.group.ranks,
                     collective.group.ranks_per_node, DTypeName(collective.dtype));
}

}  // namespace ridgeline
