// Attention of one rank: heads are divided by tp (arXiv:1909.08053, section 3).
#include <fmt/format.h>

#include "workloads/context_attention.h"
#include "workloads/naive_attention.h"
#include "workloads/rank_steps.h"

namespace ridgeline::workloads {
namespace {

double Real(int64_t value) { return static_cast<double>(value); }

/// Widths of one rank's projections.
struct Widths {
  int64_t queries = 0;
  int64_t keys = 0;
  int64_t values = 0;
  int64_t outputs = 0;
  int64_t gate = 0;
};

Widths WidthsOnRank(const RankShape& shape, const Mixer& mixer) {
  const int64_t heads = shape.Cut(mixer.heads);
  const int64_t kv_heads = shape.Cut(mixer.kv_heads);
  Widths widths;
  widths.queries = heads * mixer.head_dim;
  widths.keys = kv_heads * mixer.head_dim;
  widths.values = kv_heads * ValueHeadDim(mixer);
  widths.outputs = heads * ValueHeadDim(mixer);
  widths.gate = mixer.has_output_gate ? widths.outputs : 0;
  return widths;
}

Attention CoreOf(const RankShape& shape, const Mixer& mixer, AttentionPass pass) {
  const bool is_flash = IsFused(KernelOf(shape.framework.attention));
  return {.phase = AttentionPhase::kPrefill,
          .pass = pass,
          .kernel = KernelOf(shape.framework.attention),
          .dtype = shape.compute,
          // Batched GEMMs compute the whole square and mask it afterwards.
          .causal = is_flash,
          .batch = shape.batch,
          .q_len = shape.sequence,
          .kv_len = shape.sequence,
          .heads = shape.Cut(mixer.heads),
          .kv_heads = shape.Cut(mixer.kv_heads),
          .head_dim = mixer.head_dim + mixer.rotary_dim,  // rotary_dim: latent attention only
          .v_head_dim = ValueHeadDim(mixer),
          .window = is_flash ? mixer.window : 0};
}

void Rotate(RankSteps& steps, const RankShape& shape, const Widths& widths, bool is_backward) {
  if (!shape.model.has_learned_positions) {
    steps.OverHeads(is_backward ? "rotary backward" : "rotary", shape.framework.recipes.rotary,
                    is_backward, {.queries = widths.queries, .keys = widths.keys},
                    MemoryBoundKind::kRotary);
  }
}

void NormHeads(RankSteps& steps, const RankShape& shape, const Widths& widths, bool is_backward) {
  steps.OverHeads(is_backward ? "query and key norm backward" : "query and key norm",
                  shape.framework.recipes.qk_norm, is_backward,
                  {.queries = widths.queries, .keys = widths.keys}, MemoryBoundKind::kRmsNorm);
}

/// Queries, keys and values of one rank, and an output gate.
Products ProjectionsOf(const RankShape& shape, const Mixer& mixer, const Widths& widths) {
  return ProductsOf(
      shape.framework.fusion.qkv, "qkv projection",
      {{.name = "query projection",
        .out = widths.queries + widths.gate,
        .has_bias = mixer.has_qkv_bias},
       {.name = "key projection", .out = widths.keys, .has_bias = mixer.has_qkv_bias},
       {.name = "value projection", .out = widths.values, .has_bias = mixer.has_qkv_bias}});
}

Bytes SavedByCore(const RankShape& shape, const Mixer& mixer) {
  const double heads = Real(shape.Cut(mixer.heads));
  const double rows = Real(shape.tokens) * heads;
  if (IsFused(KernelOf(shape.framework.attention))) {
    return Bytes::FromBase(rows * 4.0);  // log-sum-exp of each row, fp32
  }
  // Softmax's output; with dropout a mask of a byte and the dropped probabilities too
  // (arXiv:2205.05198, section 4.1).
  const double score = shape.framework.dropout ? 2 * shape.element + 1 : shape.element;
  return Bytes::FromBase(rows * Real(shape.sequence) * score);
}

/// Scaled dot-product attention by one kernel, or by several where scores reach memory.
void AddCore(RankSteps& steps, const RankShape& shape, const Mixer& mixer, AttentionPass pass) {
  const bool is_forward = pass == AttentionPass::kForward;
  const Attention core = CoreOf(shape, mixer, pass);
  if (!IsFused(core.kernel)) {
    (is_forward ? AddNaiveAttention : AddNaiveAttentionBackward)(steps, shape, core);
    return;
  }
  if (shape.cp > 1) {
    AddContextAttention(steps, shape, core);
    return;
  }
  steps.Add(is_forward ? "attention" : "attention backward", core);
}

}  // namespace

Result<PartOfLayer> LowerAttention(const RankShape& shape, const Layer& layer, bool norm_after) {
  const Mixer& mixer = layer.mixer;
  if (mixer.stores_keys_only || mixer.extra_kv_elements > 0 || mixer.q_lora_rank > 0) {
    return Unimplemented("training of sparse or compressed attention: " + shape.model.model_type);
  }
  const Attention whole = CoreOf(shape, mixer, AttentionPass::kForward);
  RETURN_IF_ERROR(CheckContextAttention(shape, whole));
  const Widths widths = WidthsOnRank(shape, mixer);
  const int64_t tokens = shape.tokens;
  const double gated = Real(tokens) * Real(widths.outputs);
  const Products projections = ProjectionsOf(shape, mixer, widths);
  const Products output{
      .list = {
          {.name = "output projection", .out = shape.hidden, .has_bias = mixer.has_output_bias}}};
  const Recipes& recipes = shape.framework.recipes;
  const RecipeExtent heads =
      shape.Extent(Real(tokens) * Real(widths.queries + widths.values), Real(tokens));
  PartOfLayer part;

  RankSteps forward(shape, part.forward, StepPart::kForward);
  forward.NormOfProducts("attention norm", layer.norm);
  part.AddPiece(RecomputeModule::kNorm, 0, shape.OutputOfNorm(layer.norm, shape.shard_tokens));
  forward.EnterRegion("attention", forward.NormQuantizes());
  forward.Linears(projections, tokens, shape.hidden);
  if (mixer.has_qk_norm) {
    NormHeads(forward, shape, widths, /*is_backward=*/false);
  }
  Rotate(forward, shape, widths, /*is_backward=*/false);
  forward.Run("head layout", recipes.head_layout.forward, heads, MemoryBoundKind::kCopy);
  const size_t core_begin = part.forward.size();
  AddCore(forward, shape, mixer, AttentionPass::kForward);
  part.AddPiece(RecomputeModule::kCoreAttention, core_begin, SavedByCore(shape, mixer));
  if (mixer.has_output_gate) {
    forward.Memory("output gate", MemoryBoundKind::kSwiGlu, 2 * gated, gated);
  }
  forward.QuantizeInput("attention output", tokens, widths.outputs);
  forward.Linears(output, tokens, widths.outputs);
  forward.LeaveRegion("attention");
  if (norm_after) {
    forward.Norm("attention output norm", layer.norm, shape.shard_tokens);
  }
  forward.ResidualAdd("attention residual", shape.shard_tokens);

  RankSteps backward(shape, part.backward, StepPart::kInputGradient);
  backward.DropoutBackward("attention branch dropout backward", shape.shard_tokens);
  if (norm_after) {
    backward.NormBackward("attention output norm", layer.norm, shape.shard_tokens, false);
  }
  backward.LeaveRegionBackward("attention");
  backward.LinearsInputGradient(output, tokens, widths.outputs);
  backward.QuantizeSavedInput("output projection", tokens, widths.outputs);
  backward.LinearsWeightGradient(output, tokens, widths.outputs);
  if (mixer.has_output_gate) {
    backward.Memory("output gate backward", MemoryBoundKind::kSwiGlu, 3 * gated, 2 * gated);
  }
  AddCore(backward, shape, mixer, AttentionPass::kBackward);
  backward.Run("head layout backward", recipes.head_layout.backward, heads, MemoryBoundKind::kCopy);
  Rotate(backward, shape, widths, /*is_backward=*/true);
  if (mixer.has_qk_norm) {
    NormHeads(backward, shape, widths, /*is_backward=*/true);
  }
  for (const Products::Product& product : projections.list) {
    backward.QuantizeGradient(product.name, tokens, product.out);
  }
  backward.GatherSavedInput("attention");
  backward.LinearsInputGradient(projections, tokens, shape.hidden);
  backward.EnterRegionBackward("attention");
  backward.LinearsWeightGradient(projections, tokens, shape.hidden);
  backward.NormBackward("attention norm", layer.norm, shape.shard_tokens);

  // Kept (arXiv:2205.05198, section 4.1): input of the norm and of the projection, queries, keys,
  // values, what the core keeps, and the input of the output projection.
  const Bytes core = SavedByCore(shape, mixer);
  part.saved = shape.SavedByNorm(layer.norm, shape.shard_tokens) +
               shape.DropoutMask(shape.shard_tokens) +
               shape.Activation(tokens, widths.queries + widths.keys + widths.values) + core +
               shape.Activation(tokens, widths.outputs) + shape.SecondCopy(tokens, widths.outputs);
  if (!shape.model.has_learned_positions) {
    part.saved += shape.Saved(recipes.rotary, tokens, widths.queries + widths.keys);
  }
  if (mixer.has_qk_norm) {
    part.saved += shape.Saved(recipes.qk_norm, tokens, widths.queries + widths.keys);
  }
  // Gradients of the core's result and of queries, keys and values.
  part.transient =
      shape.Activation(tokens, widths.outputs + widths.queries + widths.keys + widths.values);
  if (shape.cp > 1) {
    part.saved += ContextSaved(shape, whole);
    part.transient += ContextTransient(shape, whole);
  }
  if (mixer.has_output_gate) {
    part.saved += shape.Activation(tokens, widths.gate + widths.outputs);
  }
  if (norm_after) {
    part.saved += shape.Saved(shape.NormRecipe(layer.norm), shape.shard_tokens, shape.hidden);
  }
  return part;
}

namespace {

/// Widths of latent attention on one rank: latents are whole, what is expanded from them is cut by
/// heads.
struct LatentWidths {
  LatentWidths(const RankShape& shape, const Mixer& mixer)
      : query_latent(mixer.q_lora_rank),
        value_latent(mixer.kv_lora_rank),
        down(mixer.kv_lora_rank + mixer.rotary_dim),
        queries(shape.Cut(mixer.heads) * (mixer.head_dim + mixer.rotary_dim)),
        expanded(shape.Cut(mixer.heads) * (mixer.head_dim + mixer.v_head_dim)),
        values(shape.Cut(mixer.heads) * mixer.v_head_dim),
        rotated((shape.Cut(mixer.heads) + 1) * mixer.rotary_dim) {}
  int64_t query_latent;
  int64_t value_latent;
  int64_t down;      // latent and shared rotary key
  int64_t queries;   // and keys, once expanded
  int64_t expanded;  // keys without their rotary part, and values
  int64_t values;
  int64_t rotated;
  int64_t gathered() const { return query_latent + down; }
};

void ReduceLatents(RankSteps& steps, const RankShape& shape, const LatentWidths& widths) {
  if (shape.tp > 1) {
    steps.Collect(
        shape.sequence_parallel ? "latent gradient reduce-scatter" : "latent gradient all-reduce",
        shape.sequence_parallel ? CollectiveKind::kReduceScatter : CollectiveKind::kAllReduce,
        shape.Activation(shape.tokens, widths.gathered()), Axis::kTensor);
  }
}

void LatentForward(PartOfLayer& part, const RankShape& shape, const Layer& layer,
                   const LatentWidths& widths) {
  RankSteps steps(shape, part.forward, StepPart::kForward);
  const int64_t tokens = shape.tokens;
  const int64_t shard = shape.shard_tokens;
  const double normed = Real(shard) * Real(widths.query_latent + widths.value_latent);
  const double keys = Real(tokens) * Real(widths.queries);
  steps.NormOfProducts("attention norm", layer.norm);
  part.AddPiece(RecomputeModule::kNorm, 0, shape.OutputOfNorm(layer.norm, shard));
  steps.QuantizeInput("attention input", shard, shape.hidden, steps.NormQuantizes());
  if (widths.query_latent > 0) {
    steps.Linear("query down projection", shard, shape.hidden, widths.query_latent);
  }
  steps.Linear("latent down projection", shard, shape.hidden, widths.down);
  steps.Run("latent norm", shape.framework.recipes.norm.forward, shape.Extent(normed, Real(shard)),
            MemoryBoundKind::kRmsNorm);
  if (shape.sequence_parallel) {
    steps.Collect("latent all-gather", CollectiveKind::kAllGather,
                  shape.Activation(tokens, widths.gathered()), Axis::kTensor);
  }
  const size_t expansion = part.forward.size();
  if (widths.query_latent > 0) {
    steps.QuantizeInput("query latent", tokens, widths.query_latent);
    steps.Linear("query up projection", tokens, widths.query_latent, widths.queries);
  } else {
    steps.EnterRegion("queries");
    steps.Linear("query projection", tokens, shape.hidden, widths.queries);
  }
  steps.QuantizeInput("latent", tokens, widths.value_latent);
  steps.Linear("latent up projection", tokens, widths.value_latent, widths.expanded);
  steps.Run("rotary", shape.framework.recipes.rotary.forward,
            shape.Extent(Real(tokens) * Real(widths.rotated), Real(tokens)),
            MemoryBoundKind::kRotary);
  steps.Memory("key assembly", MemoryBoundKind::kCopy, keys, keys);
  // Queries, keys and values; the result of the core is kept as the output projection's input.
  part.AddPiece(RecomputeModule::kUpProjection, expansion,
                shape.Activation(tokens, 2 * widths.queries + widths.values));
  const size_t core = part.forward.size();
  AddCore(steps, shape, layer.mixer, AttentionPass::kForward);
  part.AddPiece(RecomputeModule::kCoreAttention, core, SavedByCore(shape, layer.mixer));
  steps.QuantizeInput("attention output", tokens, widths.values);
  steps.Linear("output projection", tokens, widths.values, shape.hidden);
  steps.LeaveRegion("attention");
  steps.ResidualAdd("attention residual", shard);
}

void LatentBackward(RankSteps& steps, const RankShape& shape, const Layer& layer,
                    const LatentWidths& widths) {
  const int64_t tokens = shape.tokens;
  const int64_t shard = shape.shard_tokens;
  const double normed = Real(shard) * Real(widths.query_latent + widths.value_latent);
  const double keys = Real(tokens) * Real(widths.queries);
  const auto gradients = [&](std::string_view name, int64_t rows, int64_t in, int64_t out) {
    steps.LinearInputGradient(name, rows, in, out);
    steps.QuantizeSavedInput(name, rows, in);
    steps.LinearWeightGradient(name, rows, in, out);
  };
  const auto both = [&](std::string_view name, int64_t rows, int64_t in, int64_t out) {
    steps.QuantizeGradient(name, rows, out);
    gradients(name, rows, in, out);
  };
  steps.DropoutBackward("attention branch dropout backward", shard);
  steps.LeaveRegionBackward("attention");
  gradients("output projection", tokens, widths.values, shape.hidden);
  AddCore(steps, shape, layer.mixer, AttentionPass::kBackward);
  steps.Memory("key assembly backward", MemoryBoundKind::kCopy, keys, keys);
  steps.Run("rotary backward", shape.framework.recipes.rotary.backward,
            shape.Extent(Real(tokens) * Real(widths.rotated), Real(tokens)),
            MemoryBoundKind::kRotary);
  both("latent up projection", tokens, widths.value_latent, widths.expanded);
  if (widths.query_latent > 0) {
    both("query up projection", tokens, widths.query_latent, widths.queries);
  } else {
    steps.QuantizeGradient("query projection", tokens, widths.queries);
    steps.GatherSavedInput("queries");
    steps.LinearInputGradient("query projection", tokens, shape.hidden, widths.queries);
    steps.EnterRegionBackward("queries");
    steps.LinearWeightGradient("query projection", tokens, shape.hidden, widths.queries);
  }
  ReduceLatents(steps, shape, widths);
  steps.Run("latent norm backward", shape.framework.recipes.norm.backward,
            shape.Extent(normed, Real(shard)), MemoryBoundKind::kRmsNorm);
  both("latent down projection", shard, shape.hidden, widths.down);
  if (widths.query_latent > 0) {
    both("query down projection", shard, shape.hidden, widths.query_latent);
  }
  steps.NormBackward("attention norm", layer.norm, shard);
}

}  // namespace

// Multi-head latent attention (arXiv:2405.04434, section 2.1) trains expanded: keys and values of
// every head come from one latent. The down-projections run on each rank's own tokens and their
// latents are gathered (NVIDIA/Megatron-LM megatron/core/transformer/multi_latent_attention.py).
Result<PartOfLayer> LowerLatentAttention(const RankShape& shape, const Layer& layer) {
  const Mixer& mixer = layer.mixer;
  if (mixer.extra_kv_elements > 0 || mixer.has_output_gate) {
    return Unimplemented("training of sparse or gated latent attention: " + shape.model.model_type);
  }
  const Attention whole = CoreOf(shape, mixer, AttentionPass::kForward);
  RETURN_IF_ERROR(CheckContextAttention(shape, whole));
  const LatentWidths widths(shape, mixer);
  PartOfLayer part;
  LatentForward(part, shape, layer, widths);
  RankSteps backward(shape, part.backward, StepPart::kInputGradient);
  LatentBackward(backward, shape, layer, widths);

  // Input of norm and down-projections; latents before and after their norm; queries, keys, values;
  // what the core keeps; the input of the output projection.
  const Bytes core = SavedByCore(shape, mixer);
  part.saved = shape.SavedByNorm(layer.norm, shape.shard_tokens) +
               shape.DropoutMask(shape.shard_tokens) +
               shape.Activation(shape.shard_tokens, widths.gathered()) +
               shape.ProductInput(shape.tokens, widths.query_latent + widths.value_latent) +
               shape.Activation(shape.tokens, 2 * widths.queries + 2 * widths.values) +
               shape.SecondCopy(shape.tokens, widths.values) + core;
  part.transient = shape.Activation(shape.tokens, 2 * widths.queries + 2 * widths.values);
  if (shape.cp > 1) {
    part.saved += ContextSaved(shape, whole);
    part.transient += ContextTransient(shape, whole);
  }
  return part;
}

}  // namespace ridgeline::workloads
