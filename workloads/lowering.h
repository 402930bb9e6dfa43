/// A decoder layer -> operations: what one rank computes and sends for one micro-batch, forward and
/// backward, under tensor, sequence and expert parallelism and a recompute policy. Shapes are those
/// of one rank; times are nobody's business here.
///
/// Formulas: Megatron-LM (arXiv:1909.08053) for tp, Korthikanti et al. (arXiv:2205.05198) for
/// sequence parallelism, selective recompute and the bytes of activations; 2·m·n·k FLOPs a GEMM,
/// backward twice the forward.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/operation.h"
#include "base/result.h"
#include "workloads/expert_routing.h"
#include "workloads/fp8_recipe.h"
#include "workloads/framework.h"
#include "workloads/low_rank.h"
#include "workloads/model.h"
#include "workloads/parallelism.h"
#include "workloads/recompute_policy.h"

namespace ridgeline::workloads {

/// A collective along an axis; the group's ranks are known to the layout.
struct AxisCollective {
  CollectiveKind kind = CollectiveKind::kAllReduce;
  Bytes bytes = {};  // full buffer, nccl-tests' convention
  Axis axis = Axis::kTensor;
  DType dtype = DType::kBf16;
  /// That its kernels hold, where the framework says so; default: the collective library's.
  std::optional<int64_t> multiprocessors = {};
};

/// Which part of the step an operation belongs to. Weight gradients are apart so that zero-bubble
/// schedules can move them.
enum class StepPart { kForward, kInputGradient, kWeightGradient, kRecompute };

struct Step {
  std::string name;  // "qkv projection"
  std::variant<Operation, AxisCollective> work;
  StepPart part = StepPart::kForward;
  Slowdown slowdown = {};  // of an operation
  /// A collective that runs while the operation after it computes; whatever follows waits for both.
  bool runs_beside_next = false;
};

/// Parameters that one rank holds of a layer: those reduced over dp·cp, and the experts', reduced
/// over expert data parallelism.
struct RankParameters {
  double dense = 0;
  double experts = 0;
  double total() const { return dense + experts; }
};

struct LoweredLayer {
  std::vector<Step> forward;
  std::vector<Step> backward;  // recomputation first, then gradients in order of execution
  Bytes saved_activations;     // kept from the forward until the backward of the same micro-batch
  /// Live only while this layer's backward runs: what recomputation brings back, and gradients of
  /// activations.
  Bytes recompute_buffer;
  Flops model_flops;  // of this rank, forward and backward, without recompute: what MFU counts
  RankParameters adapters = {};  // with LoRA: what alone trains
};

struct LoweringRequest {
  const Model* model = nullptr;
  const Framework* framework = nullptr;
  Layout layout;
  int64_t micro_batch = 1;
  int64_t sequence_length = 0;
  DType compute = DType::kBf16;
  Recompute recompute = Recompute::kNone;
  RecomputePolicy recompute_detail = {};
  ExpertRouting experts = {};
  LowRankAdapters lora = {};
  Fp8Recipe fp8 = {};  // where `compute` is fp8: how linear layers run; all else stays in bf16
  /// Micro-batches of a step, where gradients are made on demand: the first adds to nothing. 0:
  /// many.
  int64_t micro_batches = 0;
};

/// One layer. UNIMPLEMENTED, with the layer's kind, for mixers whose training is not modelled yet.
Result<LoweredLayer> LowerLayer(const LoweringRequest& request, const Layer& layer);
/// The modules of which such a layer has a piece that can be recomputed and keeps less for it.
Result<std::vector<RecomputeModule>> RecomputableModules(const LoweringRequest& request,
                                                         const Layer& layer);
/// Token embedding on the first stage.
Result<LoweredLayer> LowerEmbedding(const LoweringRequest& request);
/// Final norm, output projection and cross-entropy on the last stage. `backward` starts from the
/// loss.
Result<LoweredLayer> LowerHead(const LoweringRequest& request);

/// All of a layer's, trained or frozen.
RankParameters ParametersOnRank(const Model& model, const Layer& layer, const Layout& layout);

}  // namespace ridgeline::workloads
