#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "sim/scenario_blocks.h"
#include "workloads/pipeline_chunks.h"

namespace ridgeline::sim {
namespace {

using workloads::Framework;
using workloads::Model;
using workloads::ScheduleKind;
using workloads::Sharding;
using workloads::TrainingJob;

/// A feature that the document asks for and the program lacks.
void RefuseUnbuilt(const TrainingScenario& training, const Node& document,
                   Diagnostics& diagnostics) {
  const auto refuse = [&](std::string path, std::string feature, std::string hint) {
    diagnostics.Add(ErrorAt(document, std::move(path), "not built yet: " + feature, std::move(hint),
                            ErrorCode::kUnimplemented));
  };
  if (workloads::ShardsParameters(training.sharding) &&
      workloads::SplitsBackward(training.schedule)) {
    refuse("training.sharding",
           fmt::format("parameters cut over ranks with weight gradients apart: {}, schedule {}",
                       Codec<Sharding>::Write(training.sharding),
                       Codec<ScheduleKind>::Write(training.schedule)),
           "use sharding: zero-1 or zero-2, or schedule: 1f1b or interleaved");
  }
  if (training.offload.optimizer) {
    refuse("training.offload.optimizer", "offload of optimizer states to the host's memory",
           "leave it out");
  }
  if (training.precision != DType::kBf16 && training.precision != DType::kFp16 &&
      training.precision != DType::kFp32 && training.precision != DType::kTf32 &&
      training.precision != DType::kFp8) {
    refuse("training.precision", fmt::format("training in {}", DTypeName(training.precision)),
           "use precision: fp8, bf16, fp16, tf32 or fp32");
  }
}

void CheckSize(const TrainingScenario& training, const Node& document, Diagnostics& diagnostics) {
  const int64_t chunks = training.layout.pp * training.layout.vpp;
  const int64_t most = kMaxScheduleSlots / (2 * chunks);
  if (training.micro_batches > most) {
    diagnostics.Add(ErrorAt(
        document, "training.global_batch",
        fmt::format("too many micro-batches in one step: {}", training.micro_batches),
        fmt::format("at most {} with pp {} vpp {}: raise micro_batch or dp, or lower global_batch",
                    most, training.layout.pp, training.layout.vpp),
        ErrorCode::kOutOfRange));
  }
}

/// Schedules and stages must fit each other.
void CheckSchedule(const TrainingScenario& training, const Node& document,
                   Diagnostics& diagnostics) {
  if (training.schedule == ScheduleKind::kInterleaved && training.layout.vpp < 2) {
    diagnostics.Add(ErrorAt(document, "training.schedule",
                            "the interleaved schedule needs virtual stages: vpp 1",
                            "set training.parallelism.vpp to 2 or more, or use schedule: 1f1b"));
  }
  if (training.layout.vpp > 1 && (training.schedule == ScheduleKind::kGPipe ||
                                  training.schedule == ScheduleKind::kOneForwardOneBackward)) {
    diagnostics.Add(ErrorAt(
        document, "training.schedule",
        fmt::format("virtual stages need the interleaved schedule: vpp {}", training.layout.vpp),
        "use schedule: interleaved, or vpp: 1"));
    return;
  }
  const workloads::Layout& layout = training.layout;
  auto broken = workloads::ScheduleRule(training.schedule, layout.pp, layout.vpp,
                                        training.micro_batches);
  if (broken) {
    diagnostics.Add(ErrorAt(document, "training." + broken->key, std::move(broken->message),
                            std::move(broken->hint)));
  }
}

/// The framework's data types for this job. What the framework keeps in the type of computation
/// (all of it, in plain PyTorch) follows the job's precision; what it keeps wider stays. A master
/// copy no wider than the parameters is no copy.
workloads::TrainingDtypes DtypesOf(const TrainingJob& job, workloads::TrainingDtypes dtypes) {
  const DType theirs = dtypes.parameters;
  const bool is_half = job.precision == DType::kFp16 || job.precision == DType::kBf16;
  const bool is_single = job.precision == DType::kFp32 || job.precision == DType::kTf32;
  if (theirs == DType::kFp16 || theirs == DType::kBf16) {
    const DType ours = is_half ? job.precision : is_single ? DType::kFp32 : theirs;
    for (DType* dtype : {&dtypes.parameters, &dtypes.gradients, &dtypes.reduce, &dtypes.optimizer,
                         &dtypes.master}) {
      *dtype = *dtype == theirs ? ours : *dtype;
    }
  }
  dtypes.parameters = job.dtypes.parameters.value_or(dtypes.parameters);
  dtypes.gradients = job.dtypes.gradients.value_or(dtypes.gradients);
  dtypes.reduce = job.dtypes.reduce.value_or(dtypes.reduce);
  dtypes.optimizer = job.dtypes.optimizer.value_or(dtypes.optimizer);
  if (BytesPerElement(dtypes.master) <= BytesPerElement(dtypes.parameters)) {
    dtypes.master = dtypes.parameters;
  }
  return dtypes;
}

/// What a framework's file or inline map says replicas share out; a word that is none is an error.
Sharding DefaultSharding(const Framework& framework, const Node& document,
                         Diagnostics& diagnostics) {
  std::string known;
  for (const auto& [name, value] : EnumNames(Tag<Sharding>{})) {
    if (name == framework.default_sharding) {
      return value;
    }
    known += (known.empty() ? "" : ", ") + std::string(name);
  }
  diagnostics.Add(ErrorAt(document, "training.framework.default_sharding",
                          fmt::format("unknown sharding: {}", framework.default_sharding),
                          "use one of: " + known));
  return Sharding::kNone;
}

}  // namespace

std::optional<TrainingScenario> ResolveTraining(const TrainingJob& job,
                                                const std::optional<hardware::Cluster>& cluster,
                                                const Node& document,
                                                const hardware::Catalog& catalog,
                                                Diagnostics& diagnostics) {
  std::optional<ResolvedModel> resolved =
      Take(ResolveModel(job.model, catalog), document, "training.model", diagnostics);
  Model* const model = resolved ? &resolved->model : nullptr;
  std::optional<Framework> framework =
      Take(ResolveFramework(job.framework, "megatron-core", catalog), document,
           "training.framework", diagnostics);
  if (model != nullptr) {
    CutLayers(*model, job.layers, document, "training.layers", diagnostics);
  }
  if (!model || !framework || !cluster) {
    return std::nullopt;
  }
  const int64_t gpus = job.gpus.value_or(cluster->gpus());
  if (gpus > cluster->gpus()) {
    diagnostics.Add(
        ErrorAt(document, "training.gpus",
                fmt::format("more GPUs than the cluster has: {} of {}", gpus, cluster->gpus()),
                fmt::format("use at most {}, or raise cluster.count to {}", cluster->gpus(),
                            (gpus + cluster->node.gpus - 1) / cluster->node.gpus)));
    return std::nullopt;
  }
  workloads::LayerPlacement placement = framework->layer_placement();
  placement.stage_layers = job.stage_layers;
  const workloads::LayoutRequest request = {
      .parallelism = job.parallelism,
      .gpus = gpus,
      .gpus_per_node = cluster->node.gpus,
      .global_batch = job.global_batch,
      .micro_batch = job.micro_batch,
      .sequence_length = job.sequence_length,
      .placement = placement,
      .interleaves = job.schedule.value_or(ScheduleKind::kInterleaved) == ScheduleKind::kInterleaved,
      .context_exchange = framework->context_exchange};
  Result<workloads::Layout> checked = workloads::CheckLayout(*model, request);
  if (!checked) {
    LocateNotes(checked.error(), resolved->config);
  }
  std::optional<workloads::Layout> layout =
      Take(std::move(checked), document, "training.parallelism", diagnostics);
  if (!layout) {
    return std::nullopt;
  }

  TrainingScenario training;
  training.layout = *layout;
  training.sequence_length = job.sequence_length;
  training.global_batch = job.global_batch;
  training.micro_batch = job.micro_batch;
  training.micro_batches = job.global_batch / (layout->dp * job.micro_batch);
  training.precision = job.precision;
  training.recompute = job.recompute;
  training.recompute_detail = job.recompute_detail;
  training.offload = job.offload;
  training.fp8 = job.fp8.value_or(framework->fp8);
  training.optimizer = job.optimizer;
  training.lora = job.lora;
  training.experts = job.experts;
  training.stage_layers = job.stage_layers;
  training.run = job.run;
  training.ranks = job.ranks;
  training.schedule = job.schedule.value_or(layout->vpp > 1 ? ScheduleKind::kInterleaved
                                                            : ScheduleKind::kOneForwardOneBackward);
  training.layout.model_copies =
      workloads::PipelineChunks{training.schedule, layout->pp, layout->vpp}.copies();
  if (job.sharding) {
    training.sharding = *job.sharding;
  } else {
    training.sharding = DefaultSharding(*framework, document, diagnostics);
  }
  training.reshard = job.reshard.value_or(layout->pp == 1);
  framework->dtypes = DtypesOf(job, framework->dtypes);
  framework->attention = job.attention.value_or(framework->attention);
  training.model = std::move(*model);
  training.model.next_token_layers = job.next_token_layers;
  training.framework = *std::move(framework);

  RefuseUnbuilt(training, document, diagnostics);
  CheckLayerPolicies(training, document, diagnostics);
  CheckSchedule(training, document, diagnostics);
  CheckSize(training, document, diagnostics);
  return training;
}

void WriteDefaults(const TrainingScenario& training, ResolvedDocument& resolved) {
  const auto number = [](int64_t value) { return std::to_string(value); };
  resolved.Set("training.framework", training.framework.name);
  resolved.Set("training.gpus", number(training.layout.gpus()));
  resolved.Set("training.micro_batch", number(training.micro_batch));
  resolved.Set("training.precision", std::string(DTypeName(training.precision)));
  const workloads::TrainingDtypes& dtypes = training.framework.dtypes;
  resolved.Set("training.dtypes.parameters", std::string(DTypeName(dtypes.parameters)));
  resolved.Set("training.dtypes.gradients", std::string(DTypeName(dtypes.gradients)));
  resolved.Set("training.dtypes.reduce", std::string(DTypeName(dtypes.reduce)));
  resolved.Set("training.dtypes.optimizer", std::string(DTypeName(dtypes.optimizer)));
  const workloads::Layout& layout = training.layout;
  resolved.Set("training.parallelism.tp", number(layout.tp));
  resolved.Set("training.parallelism.pp", number(layout.pp));
  resolved.Set("training.parallelism.vpp", number(layout.vpp));
  resolved.Set("training.parallelism.cp", number(layout.cp));
  if (layout.cp > 1) {
    resolved.Set("training.parallelism.context.exchange",
                 Codec<workloads::ContextExchange>::Write(layout.exchange));
  }
  if (layout.folds_experts()) {
    resolved.Set("training.parallelism.etp", number(layout.etp));
  }
  if (layout.shard_groups() > 1) {
    resolved.Set("training.parallelism.shard", number(layout.shard));
  }
  resolved.Set("training.parallelism.ep", number(layout.ep));
  resolved.Set("training.parallelism.dp", number(layout.dp));
  resolved.Set("training.parallelism.sequence_parallel",
               Codec<bool>::Write(layout.sequence_parallel));
  resolved.Set("training.schedule", Codec<ScheduleKind>::Write(training.schedule));
  resolved.Set("training.sharding", Codec<Sharding>::Write(training.sharding));
  if (workloads::ShardsParameters(training.sharding)) {
    resolved.Set("training.reshard", Codec<bool>::Write(training.reshard));
  }
  if (training.precision == DType::kFp8) {
    resolved.Set("training.fp8.scaling", Codec<workloads::Fp8Scaling>::Write(training.fp8.scaling));
    resolved.Set("training.fp8.keeps_weights", Codec<bool>::Write(training.fp8.keeps_weights));
    resolved.Set("training.fp8.gathers_activations",
                 Codec<bool>::Write(training.fp8.gathers_activations));
    resolved.Set("training.fp8.dispatches", Codec<bool>::Write(training.fp8.dispatches));
  }
  resolved.Set("training.recompute", Codec<workloads::Recompute>::Write(training.recompute));
  resolved.Set("training.attention",
               Codec<workloads::AttentionChoice>::Write(training.framework.attention));
}

}  // namespace ridgeline::sim
