#include "workloads/hf_config.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/nearest_name.h"
#include "workloads/hf_decoder.h"
#include "workloads/hf_dense.h"
#include "workloads/hf_hybrid.h"
#include "workloads/hf_latent.h"
#include "workloads/hf_mixture.h"

namespace ridgeline::workloads {
namespace {

using Reader = Model (*)(const HfFields& root);

// Sorted by name.
constexpr auto kReaders = std::to_array<std::pair<std::string_view, Reader>>({
    {"decoder", ReadDecoder},
    {"deepseek_ref", ReadDeepSeekV4},
    {"deepseek_v2", ReadDeepSeekV3},
    {"deepseek_v3", ReadDeepSeekV3},
    {"deepseek_v32", ReadDeepSeekSparse},
    {"deepseek_v4", ReadDeepSeekV4},
    {"gemma4", ReadGemma4},
    {"glm_moe_dsa", ReadDeepSeekSparse},
    {"gpt_oss", ReadGptOss},
    {"kimi_k2", ReadDeepSeekV3},
    {"kimi_k25", ReadDeepSeekV3},
    {"kimi_k3", ReadKimiLinear},
    {"kimi_linear", ReadKimiLinear},
    {"llama", ReadLlama},
    {"llama4", ReadLlama4},
    {"mamba2", ReadMamba2},
    {"mimo", ReadMimo},
    {"mimo_v2_flash", ReadMimoV2Flash},
    {"minimax_m2", ReadMiniMaxM2},
    {"minimax_m3", ReadMiniMaxM3},
    {"mistral", ReadMistral},
    {"mixtral", ReadMixtral},
    {"nemotron-nas", ReadNemotronNas},
    {"nemotron_h", ReadNemotronH},
    {"qwen2", ReadQwen2},
    {"qwen3", ReadQwen3},
    {"qwen3_5", ReadQwenHybrid},
    {"qwen3_5_moe", ReadQwenHybrid},
    {"qwen3_moe", ReadQwen3Moe},
    {"qwen3_next", ReadQwenHybrid},
    {"qwen3_vl", ReadQwen3},
    {"qwen3_vl_moe", ReadQwen3Moe},
    {"step3p7", ReadStep3},
});

/// Upper bound of the parameters of a layer in floating point, so that counting in int64 afterwards
/// cannot overflow.
double BoundOnLayer(const Model& model, const Layer& layer) {
  const auto real = [](int64_t value) { return static_cast<double>(value); };
  const Mixer& mixer = layer.mixer;
  const FeedForward& feed_forward = layer.feed_forward;
  const double head = real(mixer.head_dim) + real(mixer.v_head_dim) + real(mixer.rotary_dim) +
                      real(mixer.state_size);
  const double attention =
      4.0 *
      (real(model.hidden) + real(mixer.q_lora_rank) + real(mixer.kv_lora_rank) +
       real(mixer.o_lora_rank) + real(mixer.conv_kernel) + real(mixer.state_size) +
       real(mixer.v_head_dim)) *
      (real(mixer.heads) + real(mixer.kv_heads) + 1.0) * (head + 1.0);
  const double width = real(feed_forward.intermediate) + real(feed_forward.latent) + 1.0;
  const double experts = 4.0 * (real(feed_forward.experts) + 1.0) * real(model.hidden) * width;
  const double grouped_output = real(mixer.o_groups) * real(mixer.o_lora_rank) * real(model.hidden);
  return attention + grouped_output + experts +
         4.0 * real(model.hidden) * real(feed_forward.shared_intermediate) +
         real(mixer.extra_parameters) + real(layer.extra_parameters);
}

bool IsCountable(const Model& model) {
  // No machine holds this many; int64 still has room for a factor of nine beyond.
  constexpr double kMostParameters = 1e18;
  double total = 4.0 * static_cast<double>(model.hidden) * static_cast<double>(model.vocabulary) +
                 static_cast<double>(model.hidden) * static_cast<double>(model.max_positions) *
                     (model.has_learned_positions ? 1.0 : 0.0);
  for (const int index : model.layers) {
    total += BoundOnLayer(model, model.kinds[static_cast<size_t>(index)]);
  }
  return total < kMostParameters;
}

}  // namespace

std::vector<std::string> KnownModelTypes() {
  std::vector<std::string> names;
  for (const auto& [name, reader] : kReaders) {
    names.emplace_back(name);
  }
  std::ranges::sort(names);
  return names;
}

Result<Model> ReadHfConfig(const Node& config, std::string name) {
  Diagnostics diagnostics;
  const DecodeContext context{"", &diagnostics};
  if (!config.is_map()) {
    context.Fail(config, "expected a model's config: a map with model_type");
    return tl::unexpected(diagnostics.Take().error());
  }
  const Node* type = config.Find("model_type");
  if (type == nullptr || type->is_null()) {
    context.Fail(
        config, "missing field: model_type",
        fmt::format("state the kind of model, one of {}", fmt::join(KnownModelTypes(), ", ")));
    return tl::unexpected(diagnostics.Take().error());
  }
  const std::string written = type->is_scalar() ? type->scalar : std::string("not a name");
  const auto* const reader =
      std::ranges::find_if(kReaders, [&](const auto& entry) { return entry.first == written; });
  if (reader == kReaders.end()) {
    context.Key("model_type")
        .Fail(*type, fmt::format("unknown model_type: {}", written),
              SuggestName(written, KnownModelTypes()));
    return tl::unexpected(diagnostics.Take().error());
  }
  Model model = reader->second(HfFields(config, "", &diagnostics));
  if (diagnostics.empty() && !IsCountable(model)) {
    context.Fail(config, "the model's sizes multiply to more than 1e18 parameters",
                 "check hidden_size, intermediate_size and the number of experts");
  }
  RETURN_IF_ERROR(diagnostics.Take());
  model.name = std::move(name);
  return model;
}

}  // namespace ridgeline::workloads
