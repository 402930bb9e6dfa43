#include "service/cli/model_description.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/units_text.h"

namespace ridgeline::cli {
namespace {

using report::Align;
using workloads::FeedForward;
using workloads::FeedForwardKind;
using workloads::Layer;
using workloads::Mixer;
using workloads::MixerKind;
using workloads::Model;

std::string MixerText(const Mixer& mixer) {
  switch (mixer.kind) {
    case MixerKind::kAttention: {
      const std::string window = mixer.window > 0 ? fmt::format(", window {}", mixer.window) : "";
      return fmt::format("attention, {} heads, {} KV heads of {}{}", mixer.heads, mixer.kv_heads,
                         mixer.head_dim, window);
    }
    case MixerKind::kLatentAttention:
      return fmt::format("latent attention (MLA), {} heads, latent {} + rotary {}", mixer.heads,
                         mixer.kv_lora_rank, mixer.rotary_dim);
    case MixerKind::kMamba2:
      return fmt::format("Mamba-2, {} heads of {}, state {}", mixer.heads, mixer.head_dim,
                         mixer.state_size);
    case MixerKind::kLinearAttention:
      return fmt::format("linear attention, {} heads of {}", mixer.heads, mixer.head_dim);
    case MixerKind::kNone:
      return "none";
  }
  return {};
}

std::string FeedForwardText(const FeedForward& feed_forward) {
  const std::string_view gate = feed_forward.is_gated ? "gated" : "plain";
  switch (feed_forward.kind) {
    case FeedForwardKind::kDense:
      return fmt::format("{}, width {}", gate, feed_forward.intermediate);
    case FeedForwardKind::kMixture: {
      const std::string shared =
          feed_forward.shared_intermediate > 0
              ? fmt::format(", shared width {}", feed_forward.shared_intermediate)
              : "";
      return fmt::format("{} of {} experts, {}, width {}{}", feed_forward.experts_per_token,
                         feed_forward.experts, gate, feed_forward.intermediate, shared);
    }
    case FeedForwardKind::kNone:
      return "none";
  }
  return {};
}

}  // namespace

ModelDescription DescribeModel(const Model& model) {
  const workloads::ModelParameters parameters = CountParameters(model);
  ModelDescription description{
      .facts = {.columns = {{"figure"}, {"value", Align::kRight}, {"exactly", Align::kRight}},
                .rows = {}},
      .layers = {.columns = {{"layers", Align::kRight},
                             {"mixer"},
                             {"feed-forward"},
                             {"parameters", Align::kRight},
                             {"active", Align::kRight}},
                 .rows = {}}};
  const auto billions = [](int64_t count) {
    return count >= 1'000'000'000 ? fmt::format("{:.4g} B", static_cast<double>(count) / 1e9)
                                  : fmt::format("{:.4g} M", static_cast<double>(count) / 1e6);
  };
  const auto add_count = [&](std::string name, int64_t count) {
    description.facts.rows.push_back({std::move(name), billions(count), std::to_string(count)});
  };
  const auto add_bytes = [&](std::string name, int64_t elements) {
    const Bytes bytes = static_cast<double>(elements) * BytesPerElement(DType::kBf16);
    description.facts.rows.push_back(
        {std::move(name), Format(bytes), fmt::format("{:.0f}", bytes.base())});
  };
  description.facts.rows.push_back({"type", model.model_type, ""});
  add_count("parameters", parameters.total);
  add_count("active per token", parameters.active);
  add_count("embedding", parameters.embedding);
  add_count(model.has_tied_embeddings ? "output head (tied to the embedding)" : "output head",
            parameters.head);
  if (parameters.routed_experts > 0) {
    add_count("routed experts", parameters.routed_experts);
  }
  description.facts.rows.push_back({"layers", std::to_string(model.num_layers()), ""});
  description.facts.rows.push_back({"hidden size", std::to_string(model.hidden), ""});
  description.facts.rows.push_back({"vocabulary", std::to_string(model.vocabulary), ""});
  description.facts.rows.push_back({"positions", std::to_string(model.max_positions), ""});
  description.facts.rows.push_back({"published in", std::string(DTypeName(model.dtype)), ""});
  add_bytes("KV bytes per token, 16 bit", KvElementsPerToken(model));
  if (const int64_t state = StateElementsPerSequence(model); state > 0) {
    add_bytes("state bytes per sequence, 16 bit", state);
  }
  for (size_t kind = 0; kind < model.kinds.size(); ++kind) {
    const Layer& layer = model.kinds[kind];
    const workloads::LayerParameters own = CountParameters(model, layer);
    const auto count = std::count(model.layers.begin(), model.layers.end(), static_cast<int>(kind));
    description.layers.rows.push_back({std::to_string(count), MixerText(layer.mixer),
                                       FeedForwardText(layer.feed_forward), billions(own.total()),
                                       billions(own.active())});
  }
  return description;
}

}  // namespace ridgeline::cli
