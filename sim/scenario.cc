#include "sim/scenario.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "workloads/layer_placement.h"
#include "workloads/model_catalog.h"

namespace ridgeline::sim {
namespace {

using workloads::Framework;
using workloads::Model;
using workloads::ScheduleKind;
using workloads::Sharding;
using workloads::TrainingJob;

/// The deepest value along `path` that the document holds: where an error about `path` points.
const Node* NodeAt(const Node& root, std::string_view path) {
  const Node* node = &root;
  while (!path.empty()) {
    const size_t dot = path.find('.');
    const Node* child = node->Find(path.substr(0, dot));
    if (child == nullptr) {
      break;
    }
    node = child;
    path = dot == std::string_view::npos ? std::string_view{} : path.substr(dot + 1);
  }
  return node;
}

void Locate(Error& error, const Node& document) {
  if (!error.where && !error.path.empty()) {
    const Node* node = NodeAt(document, error.path);
    if (node->where.source != nullptr) {
      error.where = node->where;
    }
  }
  for (Error& other : error.others) {
    Locate(other, document);
  }
}

/// An error about one key of the document.
Error ErrorAt(const Node& document, std::string path, std::string message, std::string hint = {},
              ErrorCode code = ErrorCode::kInvalidArgument) {
  Error error{.code = code,
              .message = std::move(message),
              .hint = std::move(hint),
              .path = std::move(path)};
  Locate(error, document);
  return error;
}

void AddAll(Diagnostics& diagnostics, Error error) {
  std::vector<Error> others = std::move(error.others);
  error.others.clear();
  diagnostics.Add(std::move(error));
  for (Error& other : others) {
    AddAll(diagnostics, std::move(other));
  }
}

/// The value, or its errors into `diagnostics`, with the place of `path` where they have none.
template <class T>
std::optional<T> Take(Result<T> result, const Node& document, std::string_view path,
                      Diagnostics& diagnostics) {
  if (result) {
    return *std::move(result);
  }
  Error error = std::move(result).error();
  if (error.path.empty()) {
    error.path = path;
  }
  Locate(error, document);
  AddAll(diagnostics, std::move(error));
  return std::nullopt;
}

/// The first value of `key` anywhere in a model's config; nullptr when there is none.
const Node* FindAnywhere(const Node& config, std::string_view key) {
  if (const Node* value = config.Find(key)) {
    return value;
  }
  for (const Node::Entry& entry : config.entries) {
    if (const Node* value = FindAnywhere(entry.value, key)) {
      return value;
    }
  }
  return nullptr;
}

/// Notes that name a key of the model's config ("num_key_value_heads is set here") get its place;
/// those whose key the config spells otherwise are dropped.
void LocateNotes(Error& error, const Node& config) {
  for (ErrorNote& note : error.notes) {
    const Node* value =
        FindAnywhere(config, std::string_view(note.message).substr(0, note.message.find(' ')));
    if (!note.where && value != nullptr && value->where.source != nullptr) {
      note.where = value->where;
    }
  }
  std::erase_if(error.notes, [](const ErrorNote& note) { return !note.where; });
  for (Error& other : error.others) {
    LocateNotes(other, config);
  }
}

/// The model and the config that it was read from.
struct ResolvedModel {
  Model model;
  Node config;
};

Result<ResolvedModel> ResolveModel(const Reference<Model>& reference,
                                   const hardware::Catalog& catalog) {
  std::string name = reference.name;
  Node config = MakeMap();
  if (!name.empty()) {
    if (!catalog.Find("models", name)) {
      for (const std::filesystem::path& root : catalog.roots()) {
        const auto aliases = workloads::ReadAliases(root / "models" / "aliases.yaml");
        if (aliases && aliases->contains(name)) {
          name = aliases->at(name);
          break;
        }
      }
    }
    ASSIGN_OR_RETURN(const std::filesystem::path path, catalog.FindOrPath("models", name));
    ASSIGN_OR_RETURN(config, ReadDocument(path));
    name = path.stem().string();
  }
  if (reference.inline_map) {
    config = MergeNodes(std::move(config), *reference.inline_map);
    name = name.empty() ? "inline model" : name + " (changed)";
  }
  ASSIGN_OR_RETURN(Model model, workloads::ReadModelNode(config, name));
  return ResolvedModel{std::move(model), std::move(config)};
}

Result<Framework> ResolveFramework(const Reference<Framework>& reference,
                                   const hardware::Catalog& catalog) {
  Node config = MakeMap();
  const std::string name = reference.is_set() ? reference.name : "megatron-core";
  if (!name.empty()) {
    ASSIGN_OR_RETURN(const std::filesystem::path path, catalog.FindOrPath("frameworks", name));
    ASSIGN_OR_RETURN(config, ReadDocument(path));
  }
  if (reference.inline_map) {
    config = MergeNodes(std::move(config), *reference.inline_map);
  }
  return Decode<Framework>(config);
}

/// Writes down every default that was taken, in the resolved document and for the reader.
class ResolvedDocument {
 public:
  ResolvedDocument(const Node& written, std::vector<FilledDefault>& defaults)
      : root_(written), defaults_(defaults) {}

  void Set(std::string_view path, std::string value) {
    const size_t dot = path.rfind('.');
    const std::string_view parent_path = dot == std::string_view::npos ? "" : path.substr(0, dot);
    const std::string_view key = dot == std::string_view::npos ? path : path.substr(dot + 1);
    const Node* parent = NodeAt(root_, parent_path);
    const Node* present = parent->Find(key);
    if (present != nullptr) {
      return;  // as the user wrote it
    }
    const Status status = SetPath(root_, path, value, "default");
    CHECK(status.has_value(), "{} = {}", path, value);
    defaults_.push_back({std::string(path), std::move(value)});
  }
  Node Take() { return std::move(root_); }

 private:
  Node root_;
  std::vector<FilledDefault>& defaults_;
};

/// A feature that the document asks for and the program lacks.
void RefuseUnbuilt(const TrainingScenario& training, const Node& document,
                   Diagnostics& diagnostics) {
  const auto refuse = [&](std::string path, std::string feature, std::string hint) {
    diagnostics.Add(ErrorAt(document, std::move(path), "not built yet: " + feature, std::move(hint),
                            ErrorCode::kUnimplemented));
  };
  if (training.layout.cp > 1) {
    refuse("training.parallelism.cp", fmt::format("context parallelism: cp {}", training.layout.cp),
           "use cp: 1");
  }
  if (training.sharding == Sharding::kZero2 || training.sharding == Sharding::kZero3 ||
      training.sharding == Sharding::kFsdp) {
    refuse("training.sharding",
           fmt::format("sharding of gradients or parameters: {}",
                       Codec<Sharding>::Write(training.sharding)),
           "use sharding: zero-1, ddp or none");
  }
  if (training.schedule == ScheduleKind::kZeroBubbleH1 ||
      training.schedule == ScheduleKind::kZeroBubbleV ||
      training.schedule == ScheduleKind::kDualPipe) {
    refuse("training.schedule",
           fmt::format("zero-bubble pipeline schedules: {}",
                       Codec<ScheduleKind>::Write(training.schedule)),
           "use schedule: gpipe, 1f1b or interleaved");
  }
  if (training.precision != DType::kBf16 && training.precision != DType::kFp16 &&
      training.precision != DType::kFp32 && training.precision != DType::kTf32) {
    refuse("training.precision", fmt::format("training in {}", DTypeName(training.precision)),
           "use precision: bf16, fp16, tf32 or fp32");
  }
}

/// Slots that one step's schedule may have over all pipeline ranks: what is still built in a second
/// and within a gigabyte.
constexpr int64_t kMaxSlots = int64_t{1} << 23;

void CheckSize(const TrainingScenario& training, const Node& document, Diagnostics& diagnostics) {
  const int64_t chunks = training.layout.pp * training.layout.vpp;
  const int64_t most = kMaxSlots / (2 * chunks);
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

std::optional<TrainingScenario> ResolveTraining(const TrainingJob& job,
                                                const std::optional<hardware::Cluster>& cluster,
                                                const Node& document,
                                                const hardware::Catalog& catalog,
                                                Diagnostics& diagnostics) {
  std::optional<ResolvedModel> resolved =
      Take(ResolveModel(job.model, catalog), document, "training.model", diagnostics);
  Model* const model = resolved ? &resolved->model : nullptr;
  std::optional<Framework> framework =
      Take(ResolveFramework(job.framework, catalog), document, "training.framework", diagnostics);
  if (model && job.layers) {
    if (*job.layers > model->num_layers()) {
      diagnostics.Add(ErrorAt(
          document, "training.layers",
          fmt::format("more layers than the model has: {} of {}", *job.layers, model->num_layers()),
          fmt::format("use at most {}", model->num_layers())));
    } else {
      model->layers.resize(static_cast<size_t>(*job.layers));
    }
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
  const workloads::LayoutRequest request = {
      .parallelism = job.parallelism,
      .gpus = gpus,
      .gpus_per_node = cluster->node.gpus,
      .global_batch = job.global_batch,
      .micro_batch = job.micro_batch,
      .sequence_length = job.sequence_length,
      .counts_embedding_as_layer = framework->counts_embedding_as_layer};
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
  training.schedule = job.schedule.value_or(layout->vpp > 1 ? ScheduleKind::kInterleaved
                                                            : ScheduleKind::kOneForwardOneBackward);
  if (job.sharding) {
    training.sharding = *job.sharding;
  } else {
    training.sharding = DefaultSharding(*framework, document, diagnostics);
  }
  framework->dtypes = DtypesOf(job, framework->dtypes);
  framework->attention = job.attention.value_or(framework->attention);
  training.model = std::move(*model);
  training.framework = *std::move(framework);

  RefuseUnbuilt(training, document, diagnostics);
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
  resolved.Set("training.parallelism.ep", number(layout.ep));
  resolved.Set("training.parallelism.dp", number(layout.dp));
  resolved.Set("training.parallelism.sequence_parallel",
               Codec<bool>::Write(layout.sequence_parallel));
  resolved.Set("training.schedule", Codec<ScheduleKind>::Write(training.schedule));
  resolved.Set("training.sharding", Codec<Sharding>::Write(training.sharding));
  resolved.Set("training.recompute", Codec<workloads::Recompute>::Write(training.recompute));
  resolved.Set("training.attention",
               Codec<workloads::AttentionChoice>::Write(training.framework.attention));
}

}  // namespace

Result<Node> ReadScenarioFiles(const std::vector<std::string>& files,
                               const std::vector<std::string>& overrides) {
  if (files.empty()) {
    return InvalidArgument("no scenario given",
                           "name a file, such as configs/scenarios/llama-3.1-8b-8xh100.yaml");
  }
  Diagnostics diagnostics;
  Node document = MakeMap();
  for (const std::string& file : files) {
    Result<Node> part = ReadDocument(file);
    if (!part) {
      AddAll(diagnostics, std::move(part).error());
      continue;
    }
    if (!part->is_map()) {
      diagnostics.Add({.code = ErrorCode::kInvalidArgument,
                       .message = "a scenario is a map of keys",
                       .where = part->where,
                       .hint = "start with 'cluster:' and 'training:'"});
      continue;
    }
    document = document.entries.empty() ? *std::move(part) : MergeNodes(std::move(document), *part);
  }
  for (size_t i = 0; i < overrides.size(); ++i) {
    const std::string origin = fmt::format("--set[{}]", i + 1);
    const size_t equals = overrides[i].find('=');
    if (equals == std::string::npos || equals == 0) {
      diagnostics.Add({.code = ErrorCode::kInvalidArgument,
                       .message = fmt::format("{}: expected PATH=VALUE: {}", origin, overrides[i]),
                       .hint = "for example --set training.parallelism.tp=4"});
      continue;
    }
    const std::string_view text = overrides[i];
    if (Status set = SetPath(document, text.substr(0, equals), text.substr(equals + 1), origin);
        !set) {
      AddAll(diagnostics, std::move(set).error());
    }
  }
  RETURN_IF_ERROR(diagnostics.Take());
  return document;
}

Result<Scenario> ResolveScenario(const Node& document, const hardware::Catalog& catalog) {
  ASSIGN_OR_RETURN(const ScenarioDocument written, Decode<ScenarioDocument>(document));
  Diagnostics diagnostics;
  Scenario scenario;
  scenario.seed = static_cast<uint64_t>(written.seed);
  const auto refuse = [&](const UnreadBlock& block, std::string key, std::string feature) {
    if (block.node) {
      diagnostics.Add(ErrorAt(document, std::move(key), "not built yet: " + feature,
                              "simulate a training: block", ErrorCode::kUnimplemented));
    }
  };
  refuse(written.serving, "serving", "simulation of serving");
  refuse(written.workload, "workload", "request workloads");
  refuse(written.forward, "forward", "simulation of one forward pass");
  refuse(written.targets, "targets", "targets");
  if (written.network.fidelity != NetworkFidelity::kAnalytic) {
    diagnostics.Add(ErrorAt(document, "network.fidelity",
                            "not built yet: network fidelity " +
                                Codec<NetworkFidelity>::Write(written.network.fidelity),
                            "use network.fidelity: analytic", ErrorCode::kUnimplemented));
  }
  std::optional<hardware::Cluster> cluster =
      Take(catalog.ResolveCluster(written.cluster), document, "cluster", diagnostics);
  if (written.training) {
    scenario.training = ResolveTraining(*written.training, cluster, document, catalog, diagnostics);
  } else if (diagnostics.empty()) {
    diagnostics.Add(ErrorAt(document, "training", "nothing to simulate: no training block",
                            "add 'training:' with model, sequence_length and global_batch"));
  }
  RETURN_IF_ERROR(diagnostics.Take());
  scenario.cluster = *std::move(cluster);

  ResolvedDocument resolved(document, scenario.defaults);
  WriteDefaults(*scenario.training, resolved);
  resolved.Set("network.fidelity", Codec<NetworkFidelity>::Write(written.network.fidelity));
  resolved.Set("seed", std::to_string(written.seed));
  scenario.resolved = resolved.Take();
  return scenario;
}

}  // namespace ridgeline::sim
