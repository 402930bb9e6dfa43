#include "workloads/inference_lowering.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "workloads/rank_steps.h"

namespace ridgeline::workloads {
namespace {

double Real(int64_t value) { return static_cast<double>(value); }

/// Steps of one part of a pass, collected in the language of rank_steps.h and taken out repeated.
class PassSteps {
 public:
  PassSteps(const InferenceSettings& settings, int64_t tokens)
      : shape_(RequestFor(settings, framework_, tokens)),
        steps_(shape_, collected_, StepPart::kForward) {}
  PassSteps(const PassSteps&) = delete;
  PassSteps& operator=(const PassSteps&) = delete;

  RankSteps& steps() { return steps_; }
  const RankShape& shape() const { return shape_; }
  void MoveTo(std::vector<RepeatedStep>& to, int64_t count) {
    for (Step& step : collected_) {
      to.push_back({.name = std::move(step.name), .work = step.work, .count = count});
    }
    collected_.clear();
  }

 private:
  static LoweringRequest RequestFor(const InferenceSettings& settings, Framework& framework,
                                    int64_t tokens) {
    framework.fusion = settings.fusion;
    framework.recipes = settings.recipes;
    framework.dtypes.parameters = settings.weights;
    LoweringRequest request;
    request.model = settings.model;
    request.framework = &framework;
    request.sequence_length = tokens;
    request.compute = settings.weights;
    request.layout.tp = settings.tp;
    request.layout.gpus_per_node = settings.gpus_per_node;
    return request;
  }

  Framework framework_;
  RankShape shape_;
  std::vector<Step> collected_;
  RankSteps steps_;
};

/// Two norms a part, as in Gemma.
bool HasNormAfter(const Layer& layer) {
  const int64_t parts = (layer.mixer.kind != MixerKind::kNone ? 1 : 0) +
                        (layer.feed_forward.kind != FeedForwardKind::kNone ? 1 : 0);
  return layer.norms >= 2 * parts && parts > 0;
}

/// Everything of an attention block but its core.
void AddAroundAttention(PassSteps& pass, const InferenceSettings& settings, const Layer& layer) {
  RankSteps& steps = pass.steps();
  const RankShape& shape = pass.shape();
  const Mixer& mixer = layer.mixer;
  const int64_t kv_heads = KvHeadsOnRank(mixer, settings.tp);
  const int64_t queries = shape.Cut(mixer.heads) * mixer.head_dim;
  const int64_t keys = kv_heads * mixer.head_dim;
  const int64_t values = kv_heads * ValueHeadDim(mixer);
  const int64_t outputs = shape.Cut(mixer.heads) * ValueHeadDim(mixer);
  const int64_t gate = mixer.has_output_gate ? outputs : 0;
  const double cached = Real(shape.tokens) * Real(keys + values);

  steps.Norm("attention norm", layer.norm, shape.tokens);
  steps.Linears(
      ProductsOf(
          settings.fusion.qkv, "qkv projection",
          {{.name = "query projection", .out = queries + gate, .has_bias = mixer.has_qkv_bias},
           {.name = "key projection", .out = keys, .has_bias = mixer.has_qkv_bias},
           {.name = "value projection", .out = values, .has_bias = mixer.has_qkv_bias}}),
      shape.tokens, shape.hidden);
  const RankSteps::HeadWidths widths{.queries = queries, .keys = keys};
  if (mixer.has_qk_norm) {
    steps.OverHeads("query and key norm", settings.recipes.qk_norm, /*is_backward=*/false, widths,
                    MemoryBoundKind::kRmsNorm);
  }
  if (!shape.model.has_learned_positions) {
    steps.OverHeads("rotary", settings.recipes.rotary, /*is_backward=*/false, widths,
                    MemoryBoundKind::kRotary);
  }
  // Engines write keys and values by one kernel, frameworks that project them apart by two.
  const double writes = settings.fusion.qkv ? 1 : 2;
  if (!settings.fusion.qkv) {
    steps.MemoryBytes("key cache write", MemoryBoundKind::kCopy, cached / writes * shape.element,
                      cached / writes * BytesPerElement(settings.kv_cache).base());
  }
  steps.MemoryBytes("kv cache write", MemoryBoundKind::kCopy, cached / writes * shape.element,
                    cached / writes * BytesPerElement(settings.kv_cache).base());
  if (mixer.has_output_gate) {
    const double gated = Real(shape.tokens) * Real(outputs);
    steps.Memory("output gate", MemoryBoundKind::kSwiGlu, 2 * gated, gated);
  }
  steps.Linears({.list = {{.name = "output projection",
                           .out = shape.hidden,
                           .has_bias = mixer.has_output_bias}}},
                shape.tokens, outputs);
  steps.LeaveRegion("attention");
  if (HasNormAfter(layer)) {
    steps.Norm("attention output norm", layer.norm, shape.tokens);
  }
  steps.ResidualAdd("attention residual", shape.tokens);
}

void AddDense(PassSteps& pass, const FeedForward& feed_forward, int64_t intermediate,
              std::string_view prefix) {
  const RankShape& shape = pass.shape();
  const int64_t width = shape.Cut(intermediate);
  pass.steps().Linears(
      ProductsOf(pass.shape().framework.fusion.gate_up, fmt::format("{}gate-up projection", prefix),
                 {{.name = fmt::format("{}gate projection", prefix),
                   .out = feed_forward.is_gated ? width : 0,
                   .has_bias = feed_forward.has_bias},
                  {.name = fmt::format("{}up projection", prefix),
                   .out = width,
                   .has_bias = feed_forward.has_bias}}),
      shape.tokens, shape.hidden);
  pass.steps().Activation(feed_forward, shape.tokens, width);
  pass.steps().Linears({.list = {{.name = fmt::format("{}down projection", prefix),
                                  .out = shape.hidden,
                                  .has_bias = feed_forward.has_bias}}},
                       shape.tokens, width);
}

/// Experts are cut along their width by tp; every rank routes all tokens. The grouped kernels
/// gather their rows themselves, so copies of tokens are written once, by the second projection,
/// and summed (vllm-project/vllm vllm/model_executor/layers/fused_moe).
void AddMixture(PassSteps& pass, const FeedForward& mixture) {
  RankSteps& steps = pass.steps();
  const RankShape& shape = pass.shape();
  const int64_t rows = shape.tokens * mixture.experts_per_token;
  const int64_t width = shape.Cut(mixture.intermediate);
  const Products up =
      ProductsOf(shape.framework.fusion.gate_up, "experts gate-up projection",
                 {{.name = "experts gate projection", .out = mixture.is_gated ? width : 0},
                  {.name = "experts up projection", .out = width}});
  const auto experts = [&](int64_t n, int64_t k) {
    return GroupedGemm{.groups = ExpertsTouched(mixture, shape.tokens),
                       .m = rows,
                       .n = n,
                       .k = k,
                       .dtype = shape.compute,
                       .output_dtype = shape.compute};
  };
  steps.Linear("router", shape.tokens, shape.hidden, mixture.experts);
  steps.Run("routing", shape.framework.recipes.routing.forward,
            shape.Extent(Real(shape.tokens) * Real(mixture.experts), Real(rows)),
            MemoryBoundKind::kRouting);
  for (const Products::Product& product : up.list) {
    steps.Add(product.name, experts(product.out, shape.hidden));
  }
  steps.Activation(mixture, rows, width);
  steps.Add("experts down projection", experts(shape.hidden, width));
  steps.Memory("experts sum", MemoryBoundKind::kPermute, Real(rows) * Real(shape.hidden),
               Real(shape.tokens) * Real(shape.hidden));
  if (mixture.shared_intermediate > 0) {
    AddDense(pass, mixture, mixture.shared_intermediate, "shared expert ");
    const double size = Real(shape.tokens) * Real(shape.hidden);
    steps.Memory("shared expert addition", MemoryBoundKind::kResidualAdd, 2 * size, size);
  }
}

void AddFeedForward(PassSteps& pass, const Layer& layer) {
  RankSteps& steps = pass.steps();
  const int64_t tokens = pass.shape().tokens;
  steps.Norm("feed-forward norm", layer.norm, tokens);
  if (layer.feed_forward.kind == FeedForwardKind::kMixture) {
    AddMixture(pass, layer.feed_forward);
  } else {
    AddDense(pass, layer.feed_forward, layer.feed_forward.intermediate, "");
  }
  steps.LeaveRegion("feed-forward");
  if (HasNormAfter(layer)) {
    steps.Norm("feed-forward output norm", layer.norm, tokens);
  }
  steps.ResidualAdd("feed-forward residual", tokens);
}

void AddEmbedding(PassSteps& pass) {
  const RankShape& shape = pass.shape();
  const double size = Real(shape.tokens) * Real(shape.hidden);
  pass.steps().Run("token embedding", shape.framework.recipes.embedding.forward,
                   shape.Extent(size, Real(shape.tokens)), MemoryBoundKind::kEmbedding);
  pass.steps().LeaveRegion("embedding");
  if (shape.model.has_learned_positions) {
    pass.steps().Memory("position embedding", MemoryBoundKind::kResidualAdd, 2 * size, size);
  }
}

/// The last positions of the sequences that get a token: their rows, their logits, the choice.
void AddHead(PassSteps& pass, const InferenceSettings& settings) {
  RankSteps& steps = pass.steps();
  const RankShape& shape = pass.shape();
  const int64_t vocabulary = VocabularyRowsOnRank(shape.model, settings.tp);
  const double rows = Real(shape.tokens) * Real(shape.hidden);
  const double logits = Real(shape.tokens) * Real(vocabulary * settings.tp);
  steps.Memory("sampled rows", MemoryBoundKind::kCopy, rows, rows);
  steps.Linear("output embedding", shape.tokens, shape.hidden, vocabulary);
  if (settings.tp > 1) {
    steps.Collect("logits all-gather", CollectiveKind::kAllGather,
                  Bytes::FromBase(logits * shape.element), Axis::kTensor);
  }
  // Cast to fp32, then one pass for the maximum (greedy).
  steps.MemoryBytes("logits cast", MemoryBoundKind::kCast, logits * shape.element, logits * 4.0);
  steps.MemoryBytes("sampling", MemoryBoundKind::kSoftmax, logits * 4.0, Real(shape.tokens) * 8.0,
                    shape.tokens);
}

/// Layers of each kind.
std::vector<int64_t> CountKinds(const Model& model) {
  std::vector<int64_t> counts(model.kinds.size(), 0);
  for (const int kind : model.layers) {
    ++counts[static_cast<size_t>(kind)];
  }
  return counts;
}

Status CheckMixer(const Model& model, const Mixer& mixer) {
  switch (mixer.kind) {
    case MixerKind::kAttention:
      break;
    case MixerKind::kLatentAttention:
      return Unimplemented("inference of latent attention: " + model.model_type);
    case MixerKind::kMamba2:
      return Unimplemented("inference of Mamba-2 layers: " + model.model_type);
    case MixerKind::kLinearAttention:
      return Unimplemented("inference of linear-attention layers: " + model.model_type);
    case MixerKind::kNone:
      return {};
  }
  if (mixer.stores_keys_only || mixer.extra_kv_elements > 0 || mixer.q_lora_rank > 0 ||
      mixer.o_lora_rank > 0) {
    return Unimplemented("inference of sparse or compressed attention: " + model.model_type);
  }
  return {};
}

}  // namespace

int64_t KvHeadsOnRank(const Mixer& mixer, int64_t tp) {
  if (mixer.kv_heads >= tp) {
    CHECK(mixer.kv_heads % tp == 0, "tp {}, {} KV heads", tp, mixer.kv_heads);
    return mixer.kv_heads / tp;
  }
  CHECK(mixer.kv_heads > 0 && tp % mixer.kv_heads == 0, "tp {}, {} KV heads", tp, mixer.kv_heads);
  return 1;
}

int64_t VocabularyRowsOnRank(const Model& model, int64_t tp) {
  const int64_t padded = (model.vocabulary + 63) / 64 * 64;
  return (padded + tp - 1) / tp;
}

int64_t ExpertsTouched(const FeedForward& mixture, int64_t tokens) {
  const double experts = Real(mixture.experts);
  const double missed = std::pow(1.0 - Real(mixture.experts_per_token) / experts, Real(tokens));
  return std::clamp<int64_t>(std::llround(experts * (1.0 - missed)), 1, mixture.experts);
}

Status CheckInference(const InferenceSettings& settings) {
  CHECK(settings.model != nullptr);
  if (settings.weights != DType::kBf16 && settings.weights != DType::kFp16) {
    return Unimplemented(fmt::format("inference with weights in {}", DTypeName(settings.weights)),
                         "use bf16 or fp16");
  }
  if (settings.kv_cache != settings.weights) {
    return Unimplemented(fmt::format("a KV cache in {} beside computation in {}",
                                     DTypeName(settings.kv_cache), DTypeName(settings.weights)),
                         "use the data type of the weights");
  }
  const Model& model = *settings.model;
  for (const int kind : model.layers) {
    const Layer& layer = model.kinds[static_cast<size_t>(kind)];
    RETURN_IF_ERROR(CheckMixer(model, layer.mixer));
    if (layer.feed_forward.latent > 0) {
      return Unimplemented("inference of experts on a latent: " + model.model_type);
    }
    if (layer.extra_parameters > 0) {
      return Unimplemented("inference of layers that replace a part by a plain matrix: " +
                           model.model_type);
    }
  }
  return {};
}

Result<std::vector<RepeatedStep>> LowerTokens(const InferenceSettings& settings, int64_t tokens,
                                              int64_t sampled) {
  RETURN_IF_ERROR(CheckInference(settings));
  CHECK(tokens >= 0 && sampled >= 0, "{} tokens, {} sampled", tokens, sampled);
  const Model& model = *settings.model;
  std::vector<RepeatedStep> all;
  if (tokens > 0) {
    PassSteps pass(settings, tokens);
    AddEmbedding(pass);
    pass.MoveTo(all, 1);
    const std::vector<int64_t> counts = CountKinds(model);
    for (size_t kind = 0; kind < counts.size(); ++kind) {
      if (counts[kind] == 0) {
        continue;
      }
      const Layer& layer = model.kinds[kind];
      if (layer.mixer.kind != MixerKind::kNone) {
        AddAroundAttention(pass, settings, layer);
      }
      if (layer.feed_forward.kind != FeedForwardKind::kNone) {
        AddFeedForward(pass, layer);
      }
      pass.MoveTo(all, counts[kind]);
    }
    pass.steps().Norm("final norm",
                      model.kinds.empty() ? NormKind::kRmsNorm : model.kinds.front().norm, tokens);
    pass.MoveTo(all, 1);
  }
  if (sampled > 0) {
    PassSteps pass(settings, sampled);
    AddHead(pass, settings);
    pass.MoveTo(all, 1);
  }
  return all;
}

Result<std::vector<RepeatedStep>> LowerAttention(const InferenceSettings& settings,
                                                 AttentionPhase phase, int64_t sequences,
                                                 int64_t tokens, int64_t context) {
  RETURN_IF_ERROR(CheckInference(settings));
  CHECK(phase == AttentionPhase::kPrefill || tokens == 1, "{} tokens in decode", tokens);
  const Model& model = *settings.model;
  std::vector<RepeatedStep> all;
  const std::vector<int64_t> counts = CountKinds(model);
  for (size_t kind = 0; kind < counts.size(); ++kind) {
    const Mixer& mixer = model.kinds[kind].mixer;
    if (counts[kind] == 0 || mixer.kind == MixerKind::kNone) {
      continue;
    }
    CHECK(mixer.heads % settings.tp == 0, "tp {}, {} heads", settings.tp, mixer.heads);
    all.push_back({.name = "attention",
                   .work = Attention{.phase = phase,
                                     .kernel = KernelOf(phase == AttentionPhase::kDecode
                                                            ? settings.decode_attention
                                                            : settings.attention),
                                     .dtype = settings.weights,
                                     .causal = true,
                                     .batch = sequences,
                                     .q_len = tokens,
                                     .kv_len = context,
                                     .heads = mixer.heads / settings.tp,
                                     .kv_heads = KvHeadsOnRank(mixer, settings.tp),
                                     .head_dim = mixer.head_dim,
                                     .v_head_dim = ValueHeadDim(mixer),
                                     .window = mixer.window},
                   .count = counts[kind]});
  }
  return all;
}

Bytes LayerActivationBytes(const InferenceSettings& settings, int64_t tokens) {
  const Model& model = *settings.model;
  const double tp = Real(settings.tp);
  double widest = 0.0;
  for (const int kind : model.layers) {
    const Layer& layer = model.kinds[static_cast<size_t>(kind)];
    double mixer = 0.0;
    if (layer.mixer.kind == MixerKind::kAttention) {
      mixer =
          Real(layer.mixer.heads) * Real(layer.mixer.head_dim + ValueHeadDim(layer.mixer)) / tp +
          Real(KvHeadsOnRank(layer.mixer, settings.tp)) *
              Real(layer.mixer.head_dim + ValueHeadDim(layer.mixer));
    }
    const FeedForward& feed_forward = layer.feed_forward;
    const double ways = feed_forward.is_gated ? 3.0 : 2.0;
    double widthwise = ways * Real(feed_forward.intermediate) / tp;
    if (feed_forward.kind == FeedForwardKind::kMixture) {
      widthwise = Real(feed_forward.experts_per_token) * (widthwise + Real(model.hidden)) +
                  ways * Real(feed_forward.shared_intermediate) / tp;
    }
    widest = std::max(widest, 3.0 * Real(model.hidden) + std::max(mixer, widthwise));
  }
  return Real(tokens) * widest * BytesPerElement(settings.weights);
}

Bytes WeightBytesOnRank(const InferenceSettings& settings) {
  const Model& model = *settings.model;
  const double tp = Real(settings.tp);
  double elements = 0.0;
  const std::vector<int64_t> counts = CountKinds(model);
  for (size_t kind = 0; kind < counts.size(); ++kind) {
    if (counts[kind] == 0) {
      continue;
    }
    const Layer& layer = model.kinds[kind];
    const LayerParameters count = CountParameters(model, layer);
    double mixer = Real(count.mixer) / tp;
    if (layer.mixer.kind == MixerKind::kAttention && layer.mixer.kv_heads < settings.tp) {
      // Replicated heads: a rank holds one whole, not a tp-th of them all.
      const double head = Real(layer.mixer.head_dim + ValueHeadDim(layer.mixer)) *
                          (Real(model.hidden) + (layer.mixer.has_qkv_bias ? 1.0 : 0.0));
      mixer += head * (1.0 - Real(layer.mixer.kv_heads) / tp);
    }
    elements += Real(counts[kind]) *
                (mixer + Real(count.dense + count.experts) / tp + Real(count.replicated));
  }
  const double table = Real(VocabularyRowsOnRank(model, settings.tp)) * Real(model.hidden);
  elements += model.has_tied_embeddings ? table : 2 * table;
  elements += model.has_learned_positions ? Real(model.max_positions) * Real(model.hidden) : 0.0;
  elements +=
      Real(model.hidden + model.extra_parameters);  // the final norm, and what else there is
  return elements * BytesPerElement(settings.weights);
}

Bytes KvBytesPerTokenOnRank(const InferenceSettings& settings) {
  const Model& model = *settings.model;
  double elements = 0.0;
  for (int64_t i = 0; i < model.num_layers(); ++i) {
    const Mixer& mixer = model.layer(i).mixer;
    if (mixer.kind == MixerKind::kAttention) {
      elements +=
          Real(KvHeadsOnRank(mixer, settings.tp)) * Real(mixer.head_dim + ValueHeadDim(mixer));
    }
  }
  return elements * BytesPerElement(settings.kv_cache);
}

}  // namespace ridgeline::workloads
