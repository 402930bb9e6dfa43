#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "sim/inference_settings.h"
#include "sim/scenario_blocks.h"

namespace ridgeline::sim {

std::optional<ForwardScenario> ResolveForward(const workloads::ForwardPass& pass,
                                              const std::optional<hardware::Cluster>& cluster,
                                              const Node& document,
                                              const hardware::Catalog& catalog,
                                              Diagnostics& diagnostics) {
  const size_t before = diagnostics.size();
  std::optional<ResolvedModel> resolved =
      Take(ResolveModel(pass.model, catalog), document, "forward.model", diagnostics);
  std::optional<workloads::Framework> framework =
      Take(ResolveFramework(pass.framework, "pytorch-graph", catalog), document,
           "forward.framework", diagnostics);
  if (resolved) {
    CutLayers(resolved->model, pass.layers, document, "forward.layers", diagnostics);
  }
  if (!resolved || !framework || !cluster) {
    return std::nullopt;
  }
  CheckInferenceLayout(resolved->model, pass.parallelism, *cluster, "forward", document,
                       diagnostics);
  ForwardScenario forward;
  forward.model = std::move(resolved->model);
  forward.framework = *std::move(framework);
  forward.phase = pass.phase;
  forward.batch = pass.batch;
  forward.context = pass.context;
  forward.tp = pass.parallelism.tp;
  forward.precision = pass.precision;
  forward.kv_cache = pass.kv_cache.value_or(pass.precision);

  const int64_t reached =
      forward.context + (forward.phase == AttentionPhase::kDecode ? int64_t{1} : int64_t{0});
  if (forward.model.max_positions > 0 && reached > forward.model.max_positions) {
    diagnostics.Add(ErrorAt(
        document, "forward.context",
        fmt::format("longer than the model's positions: {} of {}", reached,
                    forward.model.max_positions),
        fmt::format("use at most {}", forward.model.max_positions - reached + forward.context)));
  }
  // Sizes are multiplied as integers below: tokens of the batch, times experts chosen.
  constexpr int64_t kMostTokens = int64_t{1} << 40;
  if (forward.phase == AttentionPhase::kPrefill &&
      forward.batch > kMostTokens / std::max<int64_t>(forward.context, 1)) {
    diagnostics.Add(ErrorAt(document, "forward.batch",
                            fmt::format("more tokens than a pass can hold: {} sequences of {}",
                                        forward.batch, forward.context),
                            "lower batch or context", ErrorCode::kOutOfRange));
  }
  if (forward.framework.attention == workloads::AttentionChoice::kNaive) {
    diagnostics.Add(
        ErrorAt(document, "forward.framework",
                "not built yet: inference with unfused attention: " + forward.framework.name,
                "use framework: pytorch-graph", ErrorCode::kUnimplemented));
  }
  if (workloads::SlowdownOf(forward.framework.attention) != workloads::Slowdown{}) {
    diagnostics.Add(
        ErrorAt(document, "forward.framework",
                fmt::format("not built yet: inference with attention {}: {}",
                            Codec<workloads::AttentionChoice>::Write(forward.framework.attention),
                            forward.framework.name),
                "use framework: pytorch-graph", ErrorCode::kUnimplemented));
  }
  if (Status modelled = workloads::CheckInference(SettingsOf(forward, *cluster)); !modelled) {
    Error error = std::move(modelled).error();
    error.path = forward.precision != DType::kBf16 && forward.precision != DType::kFp16
                     ? "forward.precision"
                 : forward.kv_cache != forward.precision ? "forward.kv_cache"
                                                         : "forward.model";
    error.message = "not built yet: " + error.message;
    Locate(error, document);
    AddAll(diagnostics, std::move(error));
  }
  if (diagnostics.size() != before) {
    return std::nullopt;
  }
  return forward;
}

void WriteDefaults(const ForwardScenario& forward, ResolvedDocument& resolved) {
  resolved.Set("forward.framework", forward.framework.name);
  resolved.Set("forward.batch", std::to_string(forward.batch));
  resolved.Set("forward.parallelism.tp", std::to_string(forward.tp));
  resolved.Set("forward.precision", std::string(DTypeName(forward.precision)));
  resolved.Set("forward.kv_cache", std::string(DTypeName(forward.kv_cache)));
}

}  // namespace ridgeline::sim
