#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/config_reader.h"
#include "planner/validation/field_quantity.h"
#include "planner/validation/ideal_pipeline.h"
#include "planner/validation/model_state.h"
#include "planner/validation/source_mapping.h"
#include "sim/scenario.h"
#include "workloads/lowering.h"
#include "workloads/pipeline_schedule.h"
#include "workloads/training_job.h"

namespace ridgeline::validation {
namespace {

// ---- of one layer as lowered

enum class PassName { kForward, kBackward, kBoth };
EnumTable<PassName> EnumNames(Tag<PassName>) {
  static constexpr std::array<std::pair<std::string_view, PassName>, 3> kNames = {
      {{"forward", PassName::kForward},
       {"backward", PassName::kBackward},
       {"both", PassName::kBoth}}};
  return kNames;
}

struct LayerParameters {
  std::map<std::string, AnyValue> scenario;  // its blocks
  std::map<std::string, AnyValue> set;       // laid over the scenario
  PassName pass = PassName::kBoth;
  std::string collective = "all_reduce";
  int64_t longer = 2;
};

const Schema<LayerParameters>& SchemaOf(Tag<LayerParameters>) {
  static const Schema<LayerParameters> schema =
      Schema<LayerParameters>("the first layer of a training job on one rank")
          .Required("scenario", &LayerParameters::scenario, "a scenario document")
          .Optional("set", &LayerParameters::set, "key -> value, laid over the scenario")
          .Optional("pass", &LayerParameters::pass, "forward, backward or both")
          .Optional("collective", &LayerParameters::collective, "which kind to count")
          .Optional("longer", &LayerParameters::longer, "factor on the sequence length",
                    {.at_least = 2});
  return schema;
}

Result<workloads::LoweredLayer> Lower(const sim::TrainingScenario& training) {
  return workloads::LowerLayer({.model = &training.model,
                                .framework = &training.framework,
                                .layout = training.layout,
                                .micro_batch = training.micro_batch,
                                .sequence_length = training.sequence_length,
                                .compute = training.precision,
                                .recompute = training.recompute},
                               training.model.layer(0));
}

/// A resolved job and what to look at in it.
struct LayerCase {
  sim::TrainingScenario training;
  PassName pass = PassName::kBoth;
  std::string collective;
  int64_t longer = 2;
};

Result<LayerCase> LayerCaseOf(const Node& with, const hardware::Catalog& catalog) {
  const Result<LayerParameters> parameters = Decode<LayerParameters>(with);
  if (!parameters) {
    return Fail(parameters.error());
  }
  Node document = MakeMap();
  for (const auto& [key, block] : parameters->scenario) {
    SetKey(document, key, block.node);
  }
  for (const auto& [path, value] : parameters->set) {
    RETURN_IF_ERROR(SetPath(document, path, value.node.scalar, "with.set"));
  }
  ASSIGN_OR_RETURN(sim::Scenario scenario, sim::ResolveScenario(document, catalog));
  if (!scenario.training) {
    return InvalidArgument("the scenario trains nothing");
  }
  return LayerCase{.training = *std::move(scenario.training),
                   .pass = parameters->pass,
                   .collective = parameters->collective,
                   .longer = parameters->longer};
}

/// Calls `visit` for the steps of the passes asked for.
template <class Visit>
void ForEachStep(const workloads::LoweredLayer& layer, PassName pass, const Visit& visit) {
  if (pass != PassName::kBackward) {
    std::for_each(layer.forward.begin(), layer.forward.end(), visit);
  }
  if (pass != PassName::kForward) {
    std::for_each(layer.backward.begin(), layer.backward.end(), visit);
  }
}

/// Tensor-parallel collectives of a kind that a layer calls.
Result<double> LayerCollectives(const Node& with, const hardware::Catalog& catalog) {
  ASSIGN_OR_RETURN(const LayerCase asked, LayerCaseOf(with, catalog));
  ASSIGN_OR_RETURN(const workloads::LoweredLayer layer, Lower(asked.training));
  double count = 0.0;
  ForEachStep(layer, asked.pass, [&](const workloads::Step& step) {
    const auto* collective = std::get_if<workloads::AxisCollective>(&step.work);
    if (collective != nullptr && collective->axis == workloads::Axis::kTensor &&
        CollectiveName(collective->kind) == asked.collective) {
      count += 1.0;
    }
  });
  return count;
}

Result<double> LayerSavedActivations(const Node& with, const hardware::Catalog& catalog) {
  ASSIGN_OR_RETURN(const LayerCase asked, LayerCaseOf(with, catalog));
  ASSIGN_OR_RETURN(const workloads::LoweredLayer layer, Lower(asked.training));
  return layer.saved_activations.base();
}

/// Saved activations of a sequence `longer` times as long, over those of the sequence.
Result<double> LayerActivationGrowth(const Node& with, const hardware::Catalog& catalog) {
  ASSIGN_OR_RETURN(LayerCase asked, LayerCaseOf(with, catalog));
  ASSIGN_OR_RETURN(const workloads::LoweredLayer before, Lower(asked.training));
  asked.training.sequence_length *= asked.longer;
  ASSIGN_OR_RETURN(const workloads::LoweredLayer after, Lower(asked.training));
  return after.saved_activations / before.saved_activations;
}

/// FLOPs of a layer with its recomputation over its model FLOPs.
Result<double> RecomputeFlopsRatio(const Node& with, const hardware::Catalog& catalog) {
  ASSIGN_OR_RETURN(const LayerCase asked, LayerCaseOf(with, catalog));
  ASSIGN_OR_RETURN(const workloads::LoweredLayer layer, Lower(asked.training));
  Flops again;
  ForEachStep(layer, PassName::kBackward, [&again](const workloads::Step& step) {
    const auto* operation = std::get_if<Operation>(&step.work);
    if (operation != nullptr && step.part == workloads::StepPart::kRecompute &&
        !std::holds_alternative<MemoryBound>(*operation)) {
      again += FlopsOf(*operation);
    }
  });
  return (layer.model_flops + again) / layer.model_flops;
}

// ---- of a pipeline as scheduled

struct PipelineParameters {
  workloads::ScheduleKind schedule = workloads::ScheduleKind::kOneForwardOneBackward;
  int64_t stages = 1;
  int64_t micro_batches = 1;
  int64_t virtual_stages = 1;
};

const Schema<PipelineParameters>& SchemaOf(Tag<PipelineParameters>) {
  static const Schema<PipelineParameters> schema =
      Schema<PipelineParameters>("a pipeline of equal stages and free sends")
          .Required("schedule", &PipelineParameters::schedule, "order of the micro-batches")
          .Required("stages", &PipelineParameters::stages, "pipeline ranks",
                    {.at_least = 1, .at_most = 4096})
          .Required("micro_batches", &PipelineParameters::micro_batches, "of one replica and step",
                    {.at_least = 1, .at_most = 65536})
          .Optional("virtual_stages", &PipelineParameters::virtual_stages, "chunks a rank holds",
                    {.at_least = 1, .at_most = 64});
  return schema;
}

/// Idle share of the whole step.
Result<double> PipelineBubbleFraction(const Node& with, const hardware::Catalog&) {
  ASSIGN_OR_RETURN(const PipelineParameters p, Decode<PipelineParameters>(with));
  return IdealBubbleFraction(p.schedule, p.stages, p.virtual_stages, p.micro_batches);
}

/// Micro-batches whose activations the first rank holds at once, in whole-rank units.
Result<double> PipelineMicroBatchesInFlight(const Node& with, const hardware::Catalog&) {
  ASSIGN_OR_RETURN(const PipelineParameters p, Decode<PipelineParameters>(with));
  ASSIGN_OR_RETURN(const std::vector<workloads::Slot> order,
                   workloads::OrderOf(p.schedule, p.stages, p.virtual_stages, 0, p.micro_batches));
  return static_cast<double>(workloads::PeakChunksInFlight(order)) /
         static_cast<double>(p.virtual_stages);
}

// ---- of model states and checkpoints

struct StateParameters {
  workloads::Sharding sharding = workloads::Sharding::kZero1;
  int64_t replicas = 1;
  workloads::TrainingDtypes dtypes;
};

const Schema<StateParameters>& SchemaOf(Tag<StateParameters>) {
  static const Schema<StateParameters> schema =
      Schema<StateParameters>("model states of data-parallel replicas")
          .Required("sharding", &StateParameters::sharding, "what the replicas share out")
          .Required("replicas", &StateParameters::replicas, "how many", {.at_least = 1})
          .Required("dtypes", &StateParameters::dtypes, "of parameters, gradients and states");
  return schema;
}

Result<double> ModelStateBytes(const Node& with, const hardware::Catalog&) {
  ASSIGN_OR_RETURN(const StateParameters p, Decode<StateParameters>(with));
  return ModelStateBytesPerParameter(p.dtypes, p.sharding, p.replicas).base();
}

/// Bytes without sharding over bytes with it.
Result<double> ModelStateReduction(const Node& with, const hardware::Catalog&) {
  ASSIGN_OR_RETURN(const StateParameters p, Decode<StateParameters>(with));
  return ModelStateBytesPerParameter(p.dtypes, workloads::Sharding::kNone, p.replicas) /
         ModelStateBytesPerParameter(p.dtypes, p.sharding, p.replicas);
}

struct CheckpointParameters {
  int64_t layers = 1;
};

const Schema<CheckpointParameters>& SchemaOf(Tag<CheckpointParameters>) {
  static const Schema<CheckpointParameters> schema =
      Schema<CheckpointParameters>("a chain of equal layers")
          .Required("layers", &CheckpointParameters::layers, "how many",
                    {.at_least = 1, .at_most = 1'000'000});
  return schema;
}

/// Least activations held, in layers: one checkpoint a segment, and one segment whole while its
/// backward runs; the best number of segments by trying all.
Result<double> CheckpointedActivations(const Node& with, const hardware::Catalog&) {
  ASSIGN_OR_RETURN(const CheckpointParameters p, Decode<CheckpointParameters>(with));
  int64_t least = std::numeric_limits<int64_t>::max();
  for (int64_t segments = 1; segments <= p.layers; ++segments) {
    const int64_t longest = (p.layers + segments - 1) / segments;
    least = std::min(least, segments + longest);
  }
  return static_cast<double>(least);
}

constexpr std::array<FieldQuantity, 9> kQuantities = {{
    {"layer.collectives", QuantityUnit::kNone, "tensor-parallel collectives of a kind in a layer",
     LayerCollectives},
    {"layer.saved_activations", QuantityUnit::kBytes, "kept for backward, one micro-batch and rank",
     LayerSavedActivations},
    {"layer.activation_growth", QuantityUnit::kNone,
     "saved activations of a longer sequence over those of the sequence", LayerActivationGrowth},
    {"recompute.flops_ratio", QuantityUnit::kNone, "FLOPs with recomputation over model FLOPs",
     RecomputeFlopsRatio},
    {"pipeline.bubble_fraction", QuantityUnit::kNone, "idle share of the whole step",
     PipelineBubbleFraction},
    {"pipeline.micro_batches_in_flight", QuantityUnit::kNone,
     "activations that the first rank holds, in micro-batches", PipelineMicroBatchesInFlight},
    {"model_state.bytes_per_parameter", QuantityUnit::kBytes, "weights, gradients and optimizer",
     ModelStateBytes},
    {"model_state.reduction", QuantityUnit::kNone, "without sharding over with",
     ModelStateReduction},
    {"checkpointing.activations", QuantityUnit::kNone, "least layers held at once",
     CheckpointedActivations},
}};

}  // namespace

std::span<const FieldQuantity> TrainingQuantities() { return kQuantities; }

}  // namespace ridgeline::validation
