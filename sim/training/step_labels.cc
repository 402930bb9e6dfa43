#include "sim/training/step_labels.h"

#include <utility>

#include <fmt/format.h>

namespace ridgeline::training {
namespace {

using engine::LabelIndex;
using workloads::SlotKind;

constexpr LabelIndex kUnknown = ~LabelIndex{0};

std::string_view WordOf(SlotKind kind) {
  switch (kind) {
    case SlotKind::kForward:
      return "forward";
    case SlotKind::kBackward:
      break;
    case SlotKind::kInput:
      return "input gradient";
    case SlotKind::kWeight:
      return "weight gradient";
  }
  return "backward";
}

}  // namespace

LabelIndex StepLabels::Add(std::string name, Cause cause, const BoundedCauseTimes& causes) {
  const LabelIndex label = step_->program.AddLabel(std::move(name), static_cast<uint32_t>(cause));
  step_->label_causes.push_back(causes);
  return label;
}

LabelIndex StepLabels::Add(std::string name, Cause cause, const Duration& duration) {
  BoundedCauseTimes causes;
  causes.Add(cause, duration);
  return Add(std::move(name), cause, causes);
}

void StepLabels::Know(size_t layer, SlotKind kind) {
  KnownLayers& known = known_.at(static_cast<size_t>(kind));
  known.whole.resize(stages_->layers.size(), kUnknown);
  known.operations.resize(stages_->layers.size());
  known.issues.resize(stages_->layers.size());
  if (known.whole[layer] != kUnknown) {
    return;
  }
  const CostedPass& pass = PassOf(stages_->layers[layer], kind);
  known.whole[layer] = Add(fmt::format("{} {}", stages_->layers[layer].name, WordOf(kind)),
                           Cause::kMatmul, pass.causes);
  if (detail_ != Detail::kOperations) {
    return;
  }
  for (const CostedStep& step : pass.steps) {
    known.operations[layer].push_back(Add(step.name, step.cause, CausesOf(step)));
    if (has_host_) {
      known.issues[layer].push_back(Add(step.name, Cause::kHost, step.host));
    }
  }
}

PassLabels StepLabels::OfPass(size_t chunk, SlotKind kind) {
  const KnownLayers& known = known_.at(static_cast<size_t>(kind));
  PassLabels labels;
  BoundedCauseTimes whole;
  for (const size_t layer : stages_->chunks[chunk].layers) {
    const CostedPass& pass = PassOf(stages_->layers[layer], kind);
    for (size_t i = 0; i < whole.at.size(); ++i) {
      whole.at[i] += pass.causes.at[i];
    }
    Know(layer, kind);
    labels.layers.push_back(known.whole[layer]);
    labels.operations.push_back(known.operations[layer]);
    labels.issues.push_back(known.issues[layer]);
  }
  labels.whole = Add(fmt::format("{} chunk {}", WordOf(kind), chunk), Cause::kMatmul, whole);
  return labels;
}

}  // namespace ridgeline::training
