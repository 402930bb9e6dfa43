// What a job asks of single layers, against what the model has: recomputation, experts, adapters.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "sim/scenario_blocks.h"

namespace ridgeline::sim {
namespace {

using workloads::FeedForwardKind;
using workloads::Layer;
using workloads::MixerKind;
using workloads::Recompute;
using workloads::RecomputeModule;

template <class Predicate>
bool AnyLayer(const TrainingScenario& training, Predicate predicate) {
  return std::any_of(training.model.layers.begin(), training.model.layers.end(), [&](int kind) {
    return predicate(training.model.kinds[static_cast<size_t>(kind)]);
  });
}

bool HasExperts(const Layer& layer) { return layer.feed_forward.kind == FeedForwardKind::kMixture; }

/// What layers a module is of, where that is not all; empty otherwise.
std::string Missing(const TrainingScenario& training, RecomputeModule module) {
  switch (module) {
    case RecomputeModule::kCoreAttention:
    case RecomputeModule::kNorm:
    case RecomputeModule::kActivation:
      return {};
    case RecomputeModule::kFeedForward:
      return AnyLayer(training,
                      [](const Layer& layer) {
                        return layer.feed_forward.kind == FeedForwardKind::kDense;
                      })
                 ? ""
                 : "a dense feed-forward";
    case RecomputeModule::kMixture:
    case RecomputeModule::kExperts:
      return AnyLayer(training, HasExperts) ? "" : "experts";
    case RecomputeModule::kUpProjection:
      return AnyLayer(
                 training,
                 [](const Layer& layer) { return layer.mixer.kind == MixerKind::kLatentAttention; })
                 ? ""
                 : "latent attention";
  }
  return {};
}

class LayerChecks {
 public:
  LayerChecks(const TrainingScenario& training, const Node& document, Diagnostics& diagnostics)
      : training_(&training), document_(&document), diagnostics_(&diagnostics) {}

  void CheckRecompute() const {
    const workloads::RecomputePolicy& detail = training_->recompute_detail;
    const std::string mode = Codec<Recompute>::Write(training_->recompute);
    const auto needs = [&](bool is_given, std::string_view key, Recompute wanted) {
      const std::string name = Codec<Recompute>::Write(wanted);
      if (is_given && training_->recompute != wanted) {
        Add(fmt::format("training.recompute_detail.{}", key),
            fmt::format("{} belongs to recompute: {}, not to {}", key, name, mode),
            fmt::format("set training.recompute: {}, or leave it out", name));
      }
    };
    needs(detail.layers.has_value(), "layers", Recompute::kFull);
    needs(!detail.modules.empty(), "modules", Recompute::kModules);
    needs(detail.budget.has_value(), "budget", Recompute::kOptimal);
    if (training_->recompute == Recompute::kModules && detail.modules.empty()) {
      std::string known;
      for (const auto& [name, module] : EnumNames(Tag<RecomputeModule>{})) {
        known += (known.empty() ? "" : ", ") + std::string(name);
      }
      Add("training.recompute", "recompute: modules names no module",
          "list some in training.recompute_detail.modules: " + known);
    }
    for (const RecomputeModule module : detail.modules) {
      const std::string missing = Missing(*training_, module);
      if (!missing.empty()) {
        Add("training.recompute_detail.modules",
            fmt::format("no layer of {} has {}: {}", training_->model.name, missing,
                        Codec<RecomputeModule>::Write(module)),
            "leave it out");
      }
    }
  }

  void CheckExperts() const {
    const workloads::ExpertRouting& experts = training_->experts;
    if (experts == workloads::ExpertRouting{}) {
      return;
    }
    if (!AnyLayer(*training_, HasExperts)) {
      Add("training.experts", fmt::format("no layer of {} has experts", training_->model.name),
          "leave it out");
      return;
    }
    if (experts.capacity_factor && (experts.imbalance > 1 || experts.imbalance_spread > 0)) {
      Add("training.experts.imbalance",
          "experts padded to a capacity have equal loads: imbalance beside capacity_factor",
          "leave out capacity_factor (dropless), or imbalance and imbalance_spread");
    }
    const int64_t ep = training_->layout.ep;
    if (ep > 1 && experts.imbalance > static_cast<double>(ep)) {
      Add("training.experts.imbalance",
          fmt::format("one rank cannot get more than everything: imbalance {}, ep {}",
                      experts.imbalance, ep),
          fmt::format("at most {}: it is the most loaded rank's tokens over an even share", ep));
    }
  }

  void CheckAdapters() const {
    const workloads::LowRankAdapters& lora = training_->lora;
    if (lora.rank > training_->model.hidden) {
      Add("training.lora.rank",
          fmt::format("adapters wider than the model: rank {}, hidden {}", lora.rank,
                      training_->model.hidden),
          fmt::format("use at most {}; 8 to 64 are usual", training_->model.hidden));
    }
    if (lora.rank > 0 && !lora.attention && !lora.feed_forward) {
      Add("training.lora", "no matrix has an adapter: nothing trains",
          "set attention: true or feed_forward: true");
    }
  }

 private:
  void Add(std::string path, std::string message, std::string hint) const {
    diagnostics_->Add(ErrorAt(*document_, std::move(path), std::move(message), std::move(hint)));
  }

  const TrainingScenario* training_;
  const Node* document_;
  Diagnostics* diagnostics_;
};

}  // namespace

void CheckLayerPolicies(const TrainingScenario& training, const Node& document,
                        Diagnostics& diagnostics) {
  const LayerChecks checks(training, document, diagnostics);
  checks.CheckRecompute();
  checks.CheckExperts();
  checks.CheckAdapters();
}

}  // namespace ridgeline::sim
