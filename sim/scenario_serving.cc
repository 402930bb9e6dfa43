#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "sim/inference_settings.h"
#include "sim/scenario_blocks.h"
#include "workloads/inference_lowering.h"

namespace ridgeline::sim {
namespace {

using workloads::EngineLimits;
using workloads::Model;
using workloads::ServingEngine;
using workloads::ServingJob;

/// Engines that people serve with and that are not built: named so, not called unknown.
constexpr std::array<std::string_view, 6> kOtherEngines = {
    "sglang", "tensorrt-llm", "trtllm", "tgi", "text-generation-inference", "llama-cpp"};

/// "vllm@0.19" in two.
Result<ServingEngine> ResolveEngine(const std::string& written, const hardware::Catalog& catalog) {
  const size_t at = written.find('@');
  const std::string name = written.substr(0, at);
  if (std::find(kOtherEngines.begin(), kOtherEngines.end(), name) != kOtherEngines.end()) {
    return Unimplemented("not built yet: the serving engine " + name, "use engine: vllm");
  }
  ASSIGN_OR_RETURN(const std::filesystem::path path, catalog.FindOrPath("engines", name));
  ASSIGN_OR_RETURN(const Node config, ReadDocument(path));
  ASSIGN_OR_RETURN(ServingEngine engine, Decode<ServingEngine>(config));
  if (at != std::string::npos && written.substr(at + 1) != engine.version) {
    return NotFound(fmt::format("no such version of {}: {}", engine.name, written.substr(at + 1)),
                    fmt::format("there is {}@{}", engine.name, engine.version));
  }
  return engine;
}

const EngineLimits& LimitsFor(const ServingEngine& engine, const hardware::Gpu& gpu) {
  const bool is_excluded =
      std::any_of(engine.small_gpu_names.begin(), engine.small_gpu_names.end(),
                  [&](const std::string& prefix) { return gpu.name.starts_with(prefix); });
  const bool is_large = !(gpu.memory.capacity < engine.large_gpu_memory) && !is_excluded;
  return is_large ? engine.large_gpu : engine.small_gpu;
}

/// One of the rules that tie a deployment to its model and cluster; every broken one is reported.
class DeploymentRules {
 public:
  DeploymentRules(const Node& document, Diagnostics& diagnostics)
      : document_(document), diagnostics_(diagnostics) {}

  void Break(std::string path, std::string message, std::string hint) {
    diagnostics_.Add(ErrorAt(document_, std::move(path), std::move(message), std::move(hint)));
  }
  void Unbuilt(std::string path, const std::string& feature, std::string hint) {
    diagnostics_.Add(ErrorAt(document_, std::move(path), "not built yet: " + feature,
                             std::move(hint), ErrorCode::kUnimplemented));
  }

 private:
  const Node& document_;
  Diagnostics& diagnostics_;
};

}  // namespace

void CheckInferenceLayout(const Model& model, const workloads::Parallelism& parallelism,
                          const hardware::Cluster& cluster, const std::string& block,
                          const Node& document, Diagnostics& diagnostics) {
  DeploymentRules rules(document, diagnostics);
  const std::string at = block + ".parallelism.";
  const auto refuse = [&](int64_t size, const std::string& key, const std::string& feature) {
    if (size > 1) {
      rules.Unbuilt(at + key, fmt::format("{} in inference: {} {}", feature, key, size),
                    fmt::format("use {}: 1", key));
    }
  };
  refuse(parallelism.pp, "pp", "pipeline parallelism");
  refuse(parallelism.vpp, "vpp", "virtual pipeline stages");
  refuse(parallelism.cp, "cp", "context parallelism");
  refuse(parallelism.ep, "ep", "expert parallelism");
  refuse(parallelism.dp.value_or(1), "dp", "data parallelism inside a replica");
  if (parallelism.sequence_parallel.value_or(false)) {
    rules.Unbuilt(at + "sequence_parallel", "sequence parallelism in inference", "leave it out");
  }
  const int64_t tp = parallelism.tp;
  if (tp > cluster.node.gpus) {
    if (tp <= cluster.gpus()) {
      rules.Unbuilt(at + "tp",
                    fmt::format("tensor parallelism over nodes: tp {}, {} GPUs a node", tp,
                                cluster.node.gpus),
                    fmt::format("use tp of at most {}", cluster.node.gpus));
    } else {
      rules.Break(at + "tp",
                  fmt::format("more ranks than the cluster has GPUs: {} of {}", tp, cluster.gpus()),
                  fmt::format("use tp of at most {}", cluster.node.gpus));
    }
  }
  bool heads = true;
  bool kv_heads = true;
  bool widths = true;
  int64_t odd_heads = 0;
  int64_t odd_kv = 0;
  int64_t odd_width = 0;
  const auto note = [tp](int64_t size, bool& is_fine, int64_t& odd) {
    if (size % tp != 0) {
      is_fine = false;
      odd = size;
    }
  };
  for (const int kind : model.layers) {
    const workloads::Layer& layer = model.kinds[static_cast<size_t>(kind)];
    if (layer.mixer.kind == workloads::MixerKind::kAttention) {
      note(layer.mixer.heads, heads, odd_heads);
      if (layer.mixer.kv_heads >= tp || tp % std::max<int64_t>(layer.mixer.kv_heads, 1) != 0) {
        note(layer.mixer.kv_heads, kv_heads, odd_kv);
      }
    }
    if (layer.feed_forward.kind != workloads::FeedForwardKind::kNone) {
      note(layer.feed_forward.intermediate, widths, odd_width);
      note(layer.feed_forward.shared_intermediate, widths, odd_width);
    }
  }
  if (!heads) {
    rules.Break(at + "tp",
                fmt::format("tp must divide the attention heads: tp {}, {} heads", tp, odd_heads),
                "use a tp that divides them");
  }
  if (!kv_heads) {
    rules.Break(at + "tp",
                fmt::format("tp must divide the KV heads or be a multiple of them: tp {}, {} KV "
                            "heads",
                            tp, odd_kv),
                "use a tp that divides them, or that they divide");
  }
  if (!widths) {
    rules.Break(
        at + "tp",
        fmt::format("tp must divide the feed-forward's width: tp {}, width {}", tp, odd_width),
        "use a tp that divides it");
  }
}

namespace {

bool HasWindowBelow(const Model& model, int64_t tokens) {
  return std::any_of(model.layers.begin(), model.layers.end(), [&](int kind) {
    const workloads::Mixer& mixer = model.kinds[static_cast<size_t>(kind)].mixer;
    return mixer.window > 0 && mixer.window < tokens;
  });
}

void CheckDeployment(const ServingJob& job, const ServingScenario& serving,
                     const hardware::Cluster& cluster, const Node& document,
                     Diagnostics& diagnostics) {
  DeploymentRules rules(document, diagnostics);
  // Both factors are bounded by their schemas, the product is not bounded by the cluster.
  if (serving.tp <= cluster.gpus() && serving.gpus() > cluster.gpus()) {
    rules.Break("serving.replicas",
                fmt::format("more GPUs than the cluster has: {} replicas x tp {} = {} of {}",
                            serving.replicas, serving.tp, serving.gpus(), cluster.gpus()),
                fmt::format("use at most {} replicas", cluster.gpus() / serving.tp));
  } else if (serving.tp <= cluster.node.gpus &&
             serving.replicas > cluster.nodes * (cluster.node.gpus / serving.tp)) {
    rules.Break("serving.replicas",
                fmt::format("replicas do not fit on whole nodes: {} of tp {}, {} GPUs a node",
                            serving.replicas, serving.tp, cluster.node.gpus),
                fmt::format("use at most {} replicas, or a tp that divides {}",
                            cluster.nodes * (cluster.node.gpus / serving.tp), cluster.node.gpus));
  }
  if (serving.model.max_positions > 0 && serving.max_model_len > serving.model.max_positions) {
    rules.Break("serving.max_model_len",
                fmt::format("longer than the model's positions: {} of {}", serving.max_model_len,
                            serving.model.max_positions),
                fmt::format("use at most {}", serving.model.max_positions));
  }
  if (HasWindowBelow(serving.model, serving.max_model_len)) {
    rules.Unbuilt("serving.model",
                  "serving of models whose attention is windowed: " + serving.model.model_type,
                  "a max_model_len of at most the window makes them plain");
  }
  if (!serving.chunked_prefill && serving.max_batched_tokens < serving.max_model_len) {
    rules.Break("serving.scheduler.max_batched_tokens",
                fmt::format("without chunked prefill a step must hold the longest request: {} of "
                            "{} tokens",
                            serving.max_batched_tokens, serving.max_model_len),
                "raise it, lower serving.max_model_len, or use chunked_prefill: true");
  }
  if (serving.max_batched_tokens < serving.max_sequences) {
    rules.Break(job.scheduler.max_batched_tokens ? "serving.scheduler.max_batched_tokens"
                                                 : "serving.scheduler.max_sequences",
                fmt::format("a step must hold one token of every sequence: {} tokens, {} sequences",
                            serving.max_batched_tokens, serving.max_sequences),
                "raise max_batched_tokens or lower max_sequences");
  }
}

std::shared_ptr<const workloads::RequestLoad> ResolveLoad(
    const std::optional<workloads::Workload>& workload, uint64_t seed, const Node& document,
    const hardware::Catalog& catalog, Diagnostics& diagnostics) {
  if (!workload) {
    diagnostics.Add(ErrorAt(document, "workload", "a serving block without a workload",
                            "add 'workload:' with arrivals, requests, input_tokens and "
                            "output_tokens"));
    return nullptr;
  }
  std::filesystem::path file;
  if (!workload->arrivals.trace.empty()) {
    std::optional<std::filesystem::path> found =
        Take(catalog.FindOrPath("traces", workload->arrivals.trace), document,
             "workload.arrivals.trace", diagnostics);
    if (!found) {
      return nullptr;
    }
    file = *std::move(found);
  }
  std::optional<workloads::RequestLoad> load =
      Take(workloads::MakeLoad(*workload, file, seed), document,
           file.empty() ? "workload" : "workload.arrivals.trace", diagnostics);
  // Shared by the variants of a plan or a what-if, which may outlive this scenario.
  return load ? std::make_shared<const workloads::RequestLoad>(*std::move(load)) : nullptr;
}

}  // namespace

std::optional<ServingScenario> ResolveServing(
    const ServingJob& job, const std::optional<workloads::Workload>& workload, uint64_t seed,
    const std::optional<hardware::Cluster>& cluster, const Node& document,
    const hardware::Catalog& catalog, Diagnostics& diagnostics) {
  const size_t before = diagnostics.size();
  std::optional<ResolvedModel> resolved =
      Take(ResolveModel(job.model, catalog), document, "serving.model", diagnostics);
  std::optional<ServingEngine> engine =
      Take(ResolveEngine(job.engine, catalog), document, "serving.engine", diagnostics);
  std::shared_ptr<const workloads::RequestLoad> load =
      ResolveLoad(workload, seed, document, catalog, diagnostics);
  if (resolved) {
    CutLayers(resolved->model, job.layers, document, "serving.layers", diagnostics);
  }
  if (!resolved || !engine || !cluster) {
    return std::nullopt;
  }
  CheckInferenceLayout(resolved->model, job.parallelism, *cluster, "serving", document,
                       diagnostics);

  const EngineLimits& limits = LimitsFor(*engine, cluster->gpu);
  ServingScenario serving;
  serving.model = std::move(resolved->model);
  serving.tp = job.parallelism.tp;
  serving.replicas = job.replicas;
  serving.precision = job.precision;
  serving.max_batched_tokens = job.scheduler.max_batched_tokens.value_or(limits.max_batched_tokens);
  // The engine's own default gives way to a smaller budget.
  serving.max_sequences = job.scheduler.max_sequences.value_or(
      std::min(limits.max_sequences, serving.max_batched_tokens));
  serving.long_prefill_token_threshold = job.scheduler.long_prefill_token_threshold.value_or(0);
  serving.chunked_prefill = job.scheduler.chunked_prefill.value_or(engine->chunked_prefill);
  serving.prefix_caching = job.scheduler.prefix_caching.value_or(engine->prefix_caching);
  serving.kv_blocks = job.scheduler.kv_blocks;
  serving.memory_fraction =
      job.memory_fraction ? job.memory_fraction->value : engine->memory_fraction;
  constexpr int64_t kNoPositions = 1 << 20;  // a config that names none
  serving.max_model_len = job.max_model_len.value_or(
      serving.model.max_positions > 0 ? serving.model.max_positions : kNoPositions);
  serving.router = job.router;
  serving.engine = *std::move(engine);
  serving.load = std::move(load);

  CheckDeployment(job, serving, *cluster, document, diagnostics);
  const workloads::InferenceSettings settings = SettingsOf(serving, *cluster);
  if (Status modelled = workloads::CheckInference(settings); !modelled) {
    const bool is_precision =
        serving.precision.weights != DType::kBf16 && serving.precision.weights != DType::kFp16;
    Error error = std::move(modelled).error();
    error.path = is_precision ? "serving.precision.weights"
                 : serving.precision.kv_cache != serving.precision.weights
                     ? "serving.precision.kv_cache"
                     : "serving.model";
    error.message = "not built yet: " + error.message;
    Locate(error, document);
    AddAll(diagnostics, std::move(error));
  }
  if (diagnostics.size() != before) {
    return std::nullopt;
  }
  return serving;
}

void WriteDefaults(const ServingScenario& serving, ResolvedDocument& resolved) {
  const auto number = [](int64_t value) { return std::to_string(value); };
  resolved.Set("serving.engine", serving.engine.name + "@" + serving.engine.version);
  resolved.Set("serving.replicas", number(serving.replicas));
  resolved.Set("serving.parallelism.tp", number(serving.tp));
  resolved.Set("serving.precision.weights", std::string(DTypeName(serving.precision.weights)));
  resolved.Set("serving.precision.kv_cache", std::string(DTypeName(serving.precision.kv_cache)));
  resolved.Set("serving.scheduler.max_batched_tokens", number(serving.max_batched_tokens));
  resolved.Set("serving.scheduler.max_sequences", number(serving.max_sequences));
  resolved.Set("serving.scheduler.long_prefill_token_threshold",
               number(serving.long_prefill_token_threshold));
  resolved.Set("serving.scheduler.chunked_prefill", Codec<bool>::Write(serving.chunked_prefill));
  resolved.Set("serving.scheduler.prefix_caching", Codec<bool>::Write(serving.prefix_caching));
  resolved.Set("serving.memory_fraction", fmt::format("{}", serving.memory_fraction));
  resolved.Set("serving.max_model_len", number(serving.max_model_len));
  resolved.Set("serving.router", Codec<workloads::Router>::Write(serving.router));
}

}  // namespace ridgeline::sim
