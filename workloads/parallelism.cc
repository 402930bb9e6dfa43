#include "workloads/parallelism.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "workloads/layer_placement.h"

namespace ridgeline::workloads {
namespace {

constexpr int64_t kMaxDegree = int64_t{1} << 20;

/// "1, 2, 4 or 8": the divisors of `number` up to `most`, a dozen at most.
std::string DivisorsText(int64_t number, int64_t most) {
  std::vector<int64_t> divisors;
  for (int64_t d = 1; d <= std::min(number, most) && divisors.size() < 12; ++d) {
    if (number % d == 0) {
      divisors.push_back(d);
    }
  }
  if (divisors.size() == 1) {
    return fmt::format("{}", divisors.front());
  }
  const int64_t last = divisors.back();
  divisors.pop_back();
  return fmt::format("{} or {}", fmt::join(divisors, ", "), last);
}

/// Collects broken rules, each once.
class Rules {
 public:
  /// `model_key`: the key of the model's config that the rule leans on; whoever knows the document
  /// finds its place.
  void Break(std::string key, std::string message, std::string hint,
             std::string_view model_key = {}) {
    const std::string path = "training." + key;
    for (const auto& seen : seen_) {
      if (seen == message) {
        return;
      }
    }
    seen_.push_back(message);
    Error error = {.code = ErrorCode::kInvalidArgument,
                   .message = std::move(message),
                   .hint = std::move(hint),
                   .path = path};
    if (!model_key.empty()) {
      error.notes.push_back({.message = fmt::format("{} is set here", model_key), .where = {}});
    }
    diagnostics_.Add(std::move(error));
  }
  bool empty() const { return diagnostics_.empty(); }
  Status Take() { return diagnostics_.Take(); }

 private:
  Diagnostics diagnostics_;
  std::vector<std::string> seen_;
};

/// A width that tp cuts, and what it is called.
struct Width {
  int64_t size;
  std::string_view what;            // "KV heads"
  std::string_view whose;           // "the KV heads"
  std::string_view model_key = {};  // where Hugging Face configs set it; empty when families differ
};

/// `folds_experts`: what tp does not cut, but etp.
std::vector<Width> WidthsCutByTp(const Model& model, bool folds_experts) {
  std::vector<Width> widths;
  const auto add = [&](int64_t size, std::string_view what, std::string_view whose,
                       std::string_view model_key = {}) {
    if (size > 0) {
      widths.push_back({size, what, whose, model_key});
    }
  };
  for (const Layer& layer : model.kinds) {
    const Mixer& mixer = layer.mixer;
    switch (mixer.kind) {
      case MixerKind::kAttention:
        add(mixer.heads, "heads", "the attention heads", "num_attention_heads");
        add(mixer.kv_heads, "KV heads", "the KV heads", "num_key_value_heads");
        break;
      case MixerKind::kLatentAttention:
        add(mixer.heads, "heads", "the attention heads", "num_attention_heads");
        break;
      case MixerKind::kMamba2:
        add(mixer.heads, "state heads", "the Mamba heads");
        add(mixer.kv_heads, "groups", "the Mamba groups");
        break;
      case MixerKind::kLinearAttention:
        add(mixer.heads, "value heads", "the value heads");
        add(mixer.kv_heads, "key heads", "the key heads");
        break;
      case MixerKind::kNone:
        break;
    }
    const FeedForward& feed_forward = layer.feed_forward;
    if (feed_forward.kind == FeedForwardKind::kDense) {
      add(feed_forward.intermediate, "wide", "the feed-forward width", "intermediate_size");
    } else if (feed_forward.kind == FeedForwardKind::kMixture) {
      add(folds_experts ? 0 : feed_forward.intermediate, "wide", "the experts' width");
      add(feed_forward.shared_intermediate, "wide", "the shared experts' width");
    }
  }
  return widths;
}

void CheckTensor(const Model& model, const Layout& layout, Rules& rules) {
  const int64_t tp = layout.tp;
  const std::vector<Width> widths = WidthsCutByTp(model, layout.folds_experts());
  int64_t common = 0;
  for (const Width& width : widths) {
    common = std::gcd(common, width.size);
  }
  for (const Width& width : widths) {
    if (width.size % tp != 0) {
      rules.Break("parallelism.tp",
                  fmt::format("tensor parallelism must divide {}: tp {}, {} {}", width.whose, tp,
                              width.size, width.what),
                  fmt::format("use tp {}", DivisorsText(common, 64)), width.model_key);
    }
  }
}

/// Tensor parallelism of the experts, where it is their own.
void CheckExpertTensor(const Model& model, const Layout& layout, int64_t experts, Rules& rules) {
  if (!layout.folds_experts()) {
    return;
  }
  if (experts == 0) {
    rules.Break(
        "parallelism.etp",
        fmt::format("tensor parallelism of experts needs a model with experts: etp {}", layout.etp),
        "leave etp out");
    return;
  }
  for (const Layer& layer : model.kinds) {
    const FeedForward& mixture = layer.feed_forward;
    if (mixture.kind == FeedForwardKind::kMixture && mixture.intermediate % layout.etp != 0) {
      rules.Break("parallelism.etp",
                  fmt::format("tensor parallelism of experts must divide their width: etp {}, {} "
                              "wide",
                              layout.etp, mixture.intermediate),
                  fmt::format("use etp {}", DivisorsText(mixture.intermediate, 64)));
    }
  }
  const int64_t ranks = layout.tp * layout.replicas();
  const int64_t block = layout.etp * layout.ep;
  if (layout.dp > 0 && ranks % block != 0) {
    rules.Break("parallelism.etp",
                fmt::format("etp x ep must divide tp x cp x dp: {} x {} = {}, {} x {} x {} = {}",
                            layout.etp, layout.ep, block, layout.tp, layout.cp, layout.dp, ranks),
                fmt::format("use etp {}, or another ep",
                            DivisorsText(std::max<int64_t>(1, ranks / layout.ep), 64)));
  }
}

void CheckExperts(const Model& model, const Layout& layout, Rules& rules) {
  int64_t experts = 0;
  for (const Layer& layer : model.kinds) {
    if (layer.feed_forward.kind == FeedForwardKind::kMixture) {
      experts = std::gcd(experts, layer.feed_forward.experts);
    }
  }
  CheckExpertTensor(model, layout, experts, rules);
  if (layout.ep == 1) {
    return;
  }
  if (experts == 0) {
    rules.Break("parallelism.ep",
                fmt::format("expert parallelism needs a model with experts: ep {}", layout.ep),
                "use ep 1");
    return;
  }
  const int64_t replicas = layout.replicas();
  const int64_t common = layout.dp > 0 ? std::gcd(experts, replicas) : experts;
  if (experts % layout.ep != 0) {
    rules.Break("parallelism.ep",
                fmt::format("expert parallelism must divide the experts: ep {}, {} experts",
                            layout.ep, experts),
                fmt::format("use ep {}", DivisorsText(common, experts)));
  }
  if (!layout.folds_experts() && layout.dp > 0 && replicas % layout.ep != 0) {
    rules.Break("parallelism.ep",
                fmt::format("expert parallelism must divide dp x cp: ep {}, dp {} x cp {} = {}",
                            layout.ep, layout.dp, layout.cp, replicas),
                fmt::format("use ep {}", DivisorsText(common, experts)));
  }
}

/// Groups of replicas that share out states: of dense parameters and of experts.
void CheckShard(const Layout& layout, Rules& rules) {
  if (layout.shard == 0 || layout.dp == 0) {
    return;
  }
  const int64_t replicas = layout.replicas();
  if (layout.shard > replicas || replicas % layout.shard != 0) {
    rules.Break("parallelism.shard",
                fmt::format("sharding must divide dp x cp: shard {}, dp {} x cp {} = {}",
                            layout.shard, layout.dp, layout.cp, replicas),
                fmt::format("use shard {}", DivisorsText(replicas, replicas)));
    return;
  }
  // Replicas of the experts' states are those of all others.
  const int64_t block = layout.expert_tp() * layout.ep;
  if (layout.tp * layout.shard % block != 0) {
    const int64_t least = block / std::gcd(block, layout.tp);
    rules.Break("parallelism.shard",
                fmt::format("ranks that share out states must hold all experts: shard {} x tp {}, "
                            "ep {} x etp {}",
                            layout.shard, layout.tp, layout.ep, layout.expert_tp()),
                replicas % least == 0 ? fmt::format("use a multiple of {}", least)
                                      : std::string("leave shard out"));
  }
}

void CheckOrder(const Layout& layout, Rules& rules) {
  std::vector<RankAxis> order = layout.order;
  std::sort(order.begin(), order.end());
  const bool repeats = std::adjacent_find(order.begin(), order.end()) != order.end();
  if (!order.empty() && (order.size() != 4 || repeats)) {
    rules.Break("parallelism.order",
                fmt::format("the order of ranks must name each axis once: {} named, {}",
                            order.size(), repeats ? "one of them twice" : "one left out"),
                "list tp, cp, dp and pp, neighbours first: [tp, cp, dp, pp]");
  }
}

/// How the ranks of a context group attend to each other's tokens.
void CheckContext(const Model& model, const Parallelism& asked, const Layout& layout,
                  Rules& rules) {
  const bool is_both = layout.exchange == ContextExchange::kBoth;
  if (!is_both && asked.context.inner > 1) {
    rules.Break("parallelism.context.inner",
                fmt::format("inner groups belong to the exchange of both kinds: inner {}",
                            asked.context.inner),
                "use exchange: both, or leave inner out");
    return;
  }
  if (is_both && (asked.context.inner < 1 || layout.cp % asked.context.inner != 0)) {
    rules.Break("parallelism.context.inner",
                fmt::format("inner groups must divide the context's ranks: inner {}, cp {}",
                            asked.context.inner, layout.cp),
                fmt::format("use inner {}", DivisorsText(layout.cp, layout.cp)));
    return;
  }
  if (!is_both && layout.exchange != ContextExchange::kAllToAll) {
    return;
  }
  const int64_t ranks = is_both ? layout.context_inner : layout.cp;
  for (const Layer& layer : model.kinds) {
    const Mixer& mixer = layer.mixer;
    const bool is_latent = mixer.kind == MixerKind::kLatentAttention;
    if (ranks == 1 || (mixer.kind != MixerKind::kAttention && !is_latent) ||
        mixer.heads % layout.tp != 0) {
      continue;
    }
    const int64_t heads = mixer.heads / layout.tp;
    const int64_t kv_heads = is_latent ? heads : std::max<int64_t>(1, mixer.kv_heads / layout.tp);
    // Fewer KV heads than ranks are repeated, each for as many ranks.
    if (heads % ranks != 0 || (kv_heads % ranks != 0 && ranks % kv_heads != 0)) {
      rules.Break(
          is_both ? "parallelism.context.inner" : "parallelism.cp",
          fmt::format("an all-to-all of heads must divide those of a rank: {} {}, {} heads "
                      "and {} KV heads over tp {}",
                      is_both ? "inner" : "cp", ranks, mixer.heads,
                      is_latent ? mixer.heads : mixer.kv_heads, layout.tp),
          fmt::format("use {} {}, or exchange: ring", is_both ? "inner" : "cp",
                      DivisorsText(kv_heads < heads ? std::gcd(heads, kv_heads) : heads, 64)));
    }
  }
}

/// Sets dp, or 0 when the GPUs do not come out even.
void CheckGpus(const LayoutRequest& request, Layout& layout, Rules& rules) {
  const Parallelism& asked = request.parallelism;
  const double block = static_cast<double>(layout.tp) * static_cast<double>(layout.pp) *
                       static_cast<double>(layout.cp);
  layout.dp = 0;
  if (block > static_cast<double>(request.gpus)) {
    rules.Break("parallelism",
                fmt::format("one replica needs more GPUs than there are: tp {} x pp {} x cp {} = "
                            "{:.0f}, {} GPUs",
                            layout.tp, layout.pp, layout.cp, block, request.gpus),
                "lower tp, pp or cp, or add GPUs");
    return;
  }
  const auto ranks = static_cast<int64_t>(block);
  if (request.gpus % ranks != 0) {
    rules.Break("parallelism",
                fmt::format("tp x pp x cp must divide the GPUs: {} x {} x {} = {}, {} GPUs",
                            layout.tp, layout.pp, layout.cp, ranks, request.gpus),
                fmt::format("{} GPUs would do", request.gpus / ranks * ranks));
    return;
  }
  layout.dp = request.gpus / ranks;
  if (asked.dp && *asked.dp != layout.dp) {
    rules.Break("parallelism.dp",
                fmt::format("tp x pp x cp x dp must be the number of GPUs: {} x {} x {} x {}, {} "
                            "GPUs",
                            layout.tp, layout.pp, layout.cp, *asked.dp, request.gpus),
                fmt::format("leave dp out, or use dp {}", layout.dp));
  }
}

void CheckBatch(const LayoutRequest& request, const Layout& layout, Rules& rules) {
  if (layout.dp == 0) {
    return;
  }
  const double sequences =
      static_cast<double>(layout.dp) * static_cast<double>(request.micro_batch);
  if (sequences > static_cast<double>(request.global_batch) ||
      request.global_batch % (layout.dp * request.micro_batch) != 0) {
    rules.Break("global_batch",
                fmt::format("dp x micro_batch must divide the global batch: dp {} x {}, {} "
                            "sequences",
                            layout.dp, request.micro_batch, request.global_batch),
                fmt::format("use a multiple of {:.0f} sequences, or another micro_batch or layout",
                            sequences));
    return;
  }
  const int64_t micro_batches = request.global_batch / (layout.dp * request.micro_batch);
  if (request.interleaves && layout.vpp > 1 && layout.pp > 1 && micro_batches % layout.pp != 0) {
    rules.Break(
        "global_batch",
        fmt::format("interleaving needs micro-batches in multiples of pp: {} micro-batches, "
                    "pp {}",
                    micro_batches, layout.pp),
        fmt::format("use a multiple of {} sequences, or vpp 1",
                    layout.pp * layout.dp * request.micro_batch));
  }
}

void CheckPipeline(const Model& model, const LayoutRequest& request, const Layout& layout,
                   Rules& rules) {
  if (layout.vpp > 1 && layout.pp == 1) {
    rules.Break("parallelism.vpp",
                fmt::format("virtual stages need a pipeline: vpp {}, pp 1", layout.vpp),
                "use vpp 1, or pp above 1");
    return;
  }
  const int64_t layers = model.num_layers();
  const int64_t stages = layout.pp * layout.vpp;
  if (PlaceLayers(model, stages, request.placement)) {
    return;
  }
  const std::vector<int64_t>& said = request.placement.stage_layers;
  if (!said.empty()) {
    const int64_t sum = std::accumulate(said.begin(), said.end(), int64_t{0});
    const bool fits = static_cast<int64_t>(said.size()) == stages && sum == layers;
    rules.Break(
        "stage_layers",
        fits ? std::string("a stage has no layer: only the first, with the embedding, and "
                           "the last, with the head, can do without")
             : fmt::format("layers of all stages must be those of the model: {} stages with "
                           "{} layers, pp {} x vpp {} stages, {} layers",
                           said.size(), sum, layout.pp, layout.vpp, layers),
        fmt::format("give one number for each of the {} stages, {} in all", stages, layers));
    return;
  }
  const std::string counted = fmt::format(
      "{} layers, or {} with embedding and head in a layer's place each", layers, layers + 2);
  rules.Break(
      "parallelism.pp",
      layout.vpp == 1 ? fmt::format("pipeline parallelism must divide the layers: pp {}, {}",
                                    layout.pp, counted)
                      : fmt::format("pp x vpp must divide the layers: pp {} x vpp {}, {}",
                                    layout.pp, layout.vpp, counted),
      fmt::format("use {} {}, or {}; or say with training.stage_layers how many layers each "
                  "stage has",
                  layout.vpp == 1 ? "pp" : "pp x vpp", DivisorsText(layers, layers),
                  DivisorsText(layers + 2, layers + 2)));
}

void CheckSequence(const LayoutRequest& request, const Layout& layout, Rules& rules) {
  // Each rank of cp takes two chunks, one from each end, so that causal work is even.
  const int64_t chunks = layout.cp > 1 ? 2 * layout.cp : 1;
  const int64_t shards = layout.sequence_parallel ? layout.tp : 1;
  if (request.sequence_length % chunks != 0) {
    rules.Break("sequence_length",
                fmt::format("context parallelism cuts the sequence into 2 x cp chunks: {} tokens, "
                            "cp {}",
                            request.sequence_length, layout.cp),
                fmt::format("use a multiple of {} tokens", chunks * shards));
  } else if (request.sequence_length / layout.cp % shards != 0) {
    rules.Break(
        "sequence_length",
        fmt::format("sequence parallelism must divide the sequence: {} tokens, tp {}{}",
                    request.sequence_length, layout.tp,
                    layout.cp > 1 ? fmt::format(", cp {}", layout.cp) : ""),
        fmt::format("use a multiple of {} tokens, or sequence_parallel: false", chunks * shards));
  }
}

/// Everything later divides by these.
void CheckPositive(const LayoutRequest& request, Rules& rules) {
  const auto check = [&](std::string key, int64_t value) {
    if (value < 1 || value > kMaxDegree) {
      rules.Break(key, fmt::format("{} must be between 1 and {}: {}", key, kMaxDegree, value),
                  "use 1 to leave it out");
    }
  };
  check("parallelism.tp", request.parallelism.tp);
  check("parallelism.pp", request.parallelism.pp);
  check("parallelism.vpp", request.parallelism.vpp);
  check("parallelism.cp", request.parallelism.cp);
  check("parallelism.ep", request.parallelism.ep);
  check("parallelism.etp", request.parallelism.etp.value_or(1));
  check("parallelism.shard", request.parallelism.shard.value_or(1));
  check("parallelism.context.inner", request.parallelism.context.inner);
  check("micro_batch", request.micro_batch);
  const auto check_count = [&](std::string key, int64_t value) {
    if (value < 1) {
      rules.Break(key, fmt::format("{} must be at least 1: {}", key, value), {});
    }
  };
  check_count("gpus", request.gpus);
  check_count("global_batch", request.global_batch);
  check_count("sequence_length", request.sequence_length);
}

}  // namespace

const Schema<Parallelism>& SchemaOf(Tag<Parallelism>) {
  static const Schema<Parallelism> schema =
      Schema<Parallelism>("how a job is spread over GPUs")
          .Optional("tp", &Parallelism::tp, "tensor parallelism: ranks that share every layer",
                    {.at_least = 1, .at_most = kMaxDegree})
          .Optional("pp", &Parallelism::pp, "pipeline parallelism: stages of layers",
                    {.at_least = 1, .at_most = kMaxDegree})
          .Optional("vpp", &Parallelism::vpp, "virtual stages that a pipeline rank holds",
                    {.at_least = 1, .at_most = kMaxDegree})
          .Optional("cp", &Parallelism::cp, "context parallelism: ranks that share a sequence",
                    {.at_least = 1, .at_most = kMaxDegree})
          .Optional("ep", &Parallelism::ep,
                    "expert parallelism, over ranks that are data-parallel for all else",
                    {.at_least = 1, .at_most = kMaxDegree})
          .Optional("etp", &Parallelism::etp, "tensor parallelism of the experts; default: tp",
                    {.at_least = std::optional<int64_t>(1)})
          .Optional("shard", &Parallelism::shard,
                    "replicas that share out states, in groups of so many ranks (HSDP); default: "
                    "all",
                    {.at_least = std::optional<int64_t>(1)})
          .Optional("context", &Parallelism::context, "how ranks that share a sequence attend")
          .Optional("order", &Parallelism::order,
                    "in which order ranks are counted, neighbours first; default: [tp, cp, dp, pp]")
          .Optional("dp", &Parallelism::dp,
                    "data parallelism; default: what is left of the GPUs, and checked when stated",
                    {.at_least = std::optional<int64_t>(1)})
          .Optional("sequence_parallel", &Parallelism::sequence_parallel,
                    "norms and residuals cut along the sequence; default: when tp is above 1");
  return schema;
}

Result<Layout> CheckLayout(const Model& model, const LayoutRequest& request) {
  Rules rules;
  CheckPositive(request, rules);
  RETURN_IF_ERROR(rules.Take());
  const Parallelism& asked = request.parallelism;
  Layout layout{.tp = asked.tp,
                .pp = asked.pp,
                .vpp = asked.vpp,
                .cp = asked.cp,
                .ep = asked.ep,
                .dp = 1,
                .etp = asked.etp.value_or(0),
                .shard = asked.shard.value_or(0),
                .exchange = asked.context.exchange.value_or(request.context_exchange),
                .context_inner = 1,
                .order = asked.order,
                .sequence_parallel = asked.sequence_parallel.value_or(asked.tp > 1) && asked.tp > 1,
                .gpus_per_node = std::max<int64_t>(1, request.gpus_per_node)};
  if (layout.exchange == ContextExchange::kBoth) {
    layout.context_inner = asked.context.inner;
  }
  CheckTensor(model, layout, rules);
  CheckPipeline(model, request, layout, rules);
  CheckGpus(request, layout, rules);
  CheckOrder(layout, rules);
  CheckExperts(model, layout, rules);
  CheckShard(layout, rules);
  CheckContext(model, asked, layout, rules);
  CheckBatch(request, layout, rules);
  CheckSequence(request, layout, rules);
  RETURN_IF_ERROR(rules.Take());
  return layout;
}

}  // namespace ridgeline::workloads
