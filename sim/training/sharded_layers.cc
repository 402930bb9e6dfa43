#include "sim/training/sharded_layers.h"

#include <algorithm>
#include <utility>

#include "sim/training/contention.h"

namespace ridgeline::training {

using engine::kNoTask;
using engine::TaskIndex;
using workloads::Axis;
using workloads::SlotKind;

namespace {

Duration Scaled(const Duration& duration, double factor) {
  Duration scaled;
  for (const Bound bound : kBounds) {
    scaled[bound] = static_cast<engine::Picoseconds>(static_cast<double>(duration[bound]) * factor);
  }
  return scaled;
}

}  // namespace

Result<std::vector<ShardedLayer>> CostShardedLayers(const sim::TrainingScenario& training,
                                                    const StageView& stages,
                                                    const compute::OperationTime& time,
                                                    sim::Reliance& reliance) {
  const RankGroup dense = workloads::GroupOf(training.layout, Axis::kData);
  const RankGroup experts = workloads::GroupOf(training.layout, Axis::kExpertData);
  std::vector<ShardedLayer> sharded;
  if (!workloads::ShardsParameters(training.sharding) || dense.ranks <= 1) {
    return sharded;
  }
  CHECK(stages.chunks.size() == 1, "sharded parameters on {} chunks", stages.chunks.size());
  const DType gathered = GatheredDtype(training);
  const DType reduced = training.framework.dtypes.reduce;
  const workloads::HostTime& host = training.framework.host;
  const auto micro_batches = static_cast<double>(training.micro_batches);
  const auto collective = [&](CollectiveKind kind, const workloads::RankParameters& parameters,
                              DType dtype, double times) -> Result<Duration> {
    Duration total;
    const auto add = [&](double count, const RankGroup& group) -> Status {
      if (count > 0 && group.ranks > 1) {
        const Collective asked{kind, count * BytesPerElement(dtype), group, dtype};
        ASSIGN_OR_RETURN(const Cost cost, time.CostOf(asked));
        reliance.Add(asked, cost, times);
        total += Duration::Of(cost);
      }
      return {};
    };
    RETURN_IF_ERROR(add(parameters.dense, dense));
    RETURN_IF_ERROR(add(parameters.experts, experts));
    return total;
  };
  const auto copy_time = [&](double count, DType from, DType to, double times) -> Result<Duration> {
    const Operation operation{MemoryBound{.kind = MemoryBoundKind::kCopy,
                                          .read = count * BytesPerElement(from),
                                          .written = count * BytesPerElement(to),
                                          .dtype = to}};
    ASSIGN_OR_RETURN(const Cost cost, time.CostOf(operation));
    reliance.Add(operation, cost, times);
    return Duration::Of(cost);
  };
  const auto copy = [&](double count, DType from, DType to, double factor, Seconds issue,
                        double times) -> Result<CostedChain> {
    ASSIGN_OR_RETURN(const Duration duration, copy_time(count, from, to, times));
    return CostedChain::Of(HostDuration(issue), Scaled(duration, factor));
  };
  const bool casts_shards = training.sharding == workloads::Sharding::kFsdp &&
                            training.framework.dtypes.master != gathered;
  const bool copies_shards = training.sharding == workloads::Sharding::kFsdp;
  const std::vector<size_t>& layers = stages.chunks.front().layers;
  for (size_t position = 0; position < layers.size(); ++position) {
    const workloads::RankParameters& parameters = stages.layers[layers[position]].parameters;
    ShardedLayer layer;
    // The top layer's backward follows its forward at once.
    layer.regathers = training.reshard && position + 1 < layers.size();
    const double gathers = layer.regathers ? 2 * micro_batches : micro_batches;
    ASSIGN_OR_RETURN(layer.gather,
                     collective(CollectiveKind::kAllGather, parameters, gathered, gathers));
    const double own =
        parameters.dense / static_cast<double>(dense.ranks) +
        parameters.experts / static_cast<double>(std::max<int64_t>(experts.ranks, 1));
    if (casts_shards) {
      ASSIGN_OR_RETURN(const Duration cast,
                       copy_time(own, training.framework.dtypes.master, gathered, gathers));
      layer.gather += cast;
    }
    if (copies_shards) {
      ASSIGN_OR_RETURN(const Duration into_buffer, copy_time(own, gathered, gathered, gathers));
      layer.gather += into_buffer;
    }
    layer.regather = layer.gather;
    ASSIGN_OR_RETURN(layer.reduce, collective(CollectiveKind::kReduceScatter, parameters, reduced,
                                              micro_batches));
    ASSIGN_OR_RETURN(layer.copy_out, copy(parameters.total(), gathered, gathered, 1.0,
                                          host.forward.elementwise, gathers));
    ASSIGN_OR_RETURN(layer.copy_in, copy(parameters.total(), gathered, reduced,
                                         training.framework.gradient_copies.sharded,
                                         host.backward.elementwise, micro_batches));
    sharded.push_back(layer);
  }
  if (dense.ranks <= dense.ranks_per_node) {
    SlowSharded(stages, sharded);
  }
  return sharded;
}

void SlowSharded(const StageView& stages, std::vector<ShardedLayer>& sharded) {
  if (sharded.empty()) {
    return;
  }
  const std::vector<size_t>& layers = stages.chunks.front().layers;
  // Each layer's forward has the next one's gather beside it.
  BesideCollectives forward;
  for (size_t position = 0; position < layers.size(); ++position) {
    if (position + 1 < layers.size()) {
      forward.Begin(sharded[position + 1].gather);
    }
    sharded[position].slows_forward =
        forward.Compute(stages.layers[layers[position]].forward.total);
  }
  // Each layer's backward has the reduction of the one above beside it, then its successor's
  // gather.
  BesideCollectives backward;
  for (size_t position = layers.size(); position-- > 0;) {
    if (position > 0 && sharded[position - 1].regathers) {
      backward.Begin(sharded[position - 1].regather);
    }
    sharded[position].slows_backward =
        backward.Compute(stages.layers[layers[position]].backward.total);
    if (position > 0) {
      backward.Begin(sharded[position].reduce);
    }
  }
}

ShardedTasks::ShardedTasks(const EpilogueCosts& epilogue, StepLabels& labels,
                           engine::LabelIndex issue_label, RankTasks& tasks)
    : epilogue_(&epilogue),
      tasks_(&tasks),
      issue_label_(issue_label),
      gathered_(epilogue.sharded.size(), kNoTask),
      copied_(epilogue.sharded.size(), kNoTask) {
  for (const ShardedLayer& layer : epilogue.sharded) {
    labels_.push_back(
        {.gather = labels.Add("gather parameters", Cause::kDataParallel, layer.gather),
         .regather = labels.Add("gather parameters", Cause::kDataParallel, layer.regather),
         .copy_out = labels.Add("copy parameters", Cause::kElementwise, layer.copy_out.total),
         .copy_in = labels.Add("copy gradients", Cause::kElementwise, layer.copy_in.total),
         .reduce = labels.Add("reduce gradients", Cause::kDataParallel, layer.reduce),
         .slows_forward =
             labels.Add("slowed by collectives", Cause::kDataParallel, layer.slows_forward),
         .slows_backward =
             labels.Add("slowed by collectives", Cause::kDataParallel, layer.slows_backward)});
  }
}

void ShardedTasks::Gather(SlotKind kind, size_t position, std::vector<TaskIndex> waits) {
  const bool is_forward = kind == SlotKind::kForward;
  const ShardedLayer& layer = epilogue_->sharded[position];
  const Labels& labels = labels_[position];
  tasks_->Issue(0, epilogue_->issue_gather, issue_label_, waits);
  gathered_[position] =
      tasks_->Add(tasks_->streams(0).data, is_forward ? layer.gather : layer.regather,
                  is_forward ? labels.gather : labels.regather, waits);
}

void ShardedTasks::CopyOut(size_t position, const CostedChain& copy) {
  tasks_->pending(0).push_back(gathered_[position]);
  copied_[position] = tasks_->AddChain(0, copy, labels_[position].copy_out, issue_label_);
}

void ShardedTasks::BeforeLayer(SlotKind kind, size_t position) {
  const ShardedLayer& layer = epilogue_->sharded[position];
  std::vector<TaskIndex> waits;
  if (kind == SlotKind::kForward) {
    if (position == 0) {
      waits = tasks_->Frontier(0);
    } else if (position >= 2) {
      waits.push_back(copied_[position - 2]);
    }
    Gather(kind, position, std::move(waits));
    CopyOut(position, layer.copy_out);
    return;
  }
  if (layer.regathers) {
    CopyOut(position, layer.copy_out);
  }
  if (position > 0 && epilogue_->sharded[position - 1].regathers) {
    waits.push_back(copied_[position]);
    Gather(kind, position - 1, std::move(waits));
  }
}

void ShardedTasks::AfterLayer(SlotKind kind, size_t position) {
  const ShardedLayer& layer = epilogue_->sharded[position];
  if (kind == SlotKind::kForward) {
    tasks_->AddSlowing(0, layer.slows_forward, labels_[position].slows_forward, issue_label_);
    return;
  }
  tasks_->AddSlowing(0, layer.slows_backward, labels_[position].slows_backward, issue_label_);
  if (reduced_ != kNoTask) {
    tasks_->pending(0).push_back(reduced_);
  }
  std::vector<TaskIndex> waits = {
      tasks_->AddChain(0, layer.copy_in, labels_[position].copy_in, issue_label_)};
  tasks_->Issue(0, epilogue_->issue_reduce, issue_label_, waits);
  reduced_ = tasks_->Add(tasks_->streams(0).data, layer.reduce, labels_[position].reduce, waits);
}

void ShardedTasks::EndBackward() { tasks_->pending(0).push_back(std::exchange(reduced_, kNoTask)); }

}  // namespace ridgeline::training
