#include "sim/training/sharded_layers.h"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "sim/training/contention.h"
#include "sim/training/replica_groups.h"

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

void SlowChunk(const StageView& stages, const std::vector<size_t>& layers,
               std::span<ShardedLayer> sharded) {
  // Each layer's forward has the next one's gather beside it.
  BesideCollectives forward;
  for (size_t position = 0; position < layers.size(); ++position) {
    if (position + 1 < layers.size()) {
      forward.Begin(sharded[position + 1].gather, sharded[position + 1].gather_load);
    }
    const CostedPass& pass = stages.layers[layers[position]].forward;
    sharded[position].slows_forward = forward.Compute(pass.total, pass.load);
  }
  // Each layer's backward has the reduction of the one above beside it, then its successor's
  // gather.
  BesideCollectives backward;
  for (size_t position = layers.size(); position-- > 0;) {
    if (position > 0 && sharded[position - 1].regathers) {
      backward.Begin(sharded[position - 1].regather, sharded[position - 1].gather_load);
    }
    const CostedPass& pass = stages.layers[layers[position]].backward;
    sharded[position].slows_backward = backward.Compute(pass.total, pass.load);
    if (position > 0) {
      backward.Begin(sharded[position].reduce, sharded[position].reduce_load);
    }
  }
}

}  // namespace

Result<std::vector<ShardedLayer>> CostShardedLayers(const sim::TrainingScenario& training,
                                                    const StageView& stages,
                                                    const compute::OperationTime& time,
                                                    sim::Reliance& reliance) {
  const ReplicaGroups dense = ReplicaGroups::OfDense(training.layout);
  const ReplicaGroups experts = ReplicaGroups::OfExperts(training.layout);
  std::vector<ShardedLayer> sharded;
  if (!workloads::ShardsParameters(training.sharding) || dense.all.ranks <= 1) {
    return sharded;
  }
  const DType gathered = GatheredDtype(training);
  const DType reduced = training.framework.dtypes.reduce;
  const workloads::HostTime& host = training.framework.host;
  const bool is_pipeline = training.layout.pp > 1;
  const double micro_batches =
      KeepsGathered(training) ? 1.0 : static_cast<double>(training.micro_batches);
  const auto gather = [&](const workloads::RankParameters& parameters,
                          double times) -> Result<Duration> {
    ASSIGN_OR_RETURN(Duration total,
                     CostParameterGather(dense, parameters.dense, gathered, times, time, reliance));
    ASSIGN_OR_RETURN(
        const Duration of_experts,
        CostParameterGather(experts, parameters.experts, gathered, times, time, reliance));
    total += of_experts;
    return total;
  };
  const auto reduce = [&](const workloads::RankParameters& parameters) -> Result<Duration> {
    ASSIGN_OR_RETURN(Duration total,
                     CostGradientReduction(dense, parameters.dense, reduced, /*scatters=*/true,
                                           micro_batches, time, reliance));
    ASSIGN_OR_RETURN(const Duration of_experts,
                     CostGradientReduction(experts, parameters.experts, reduced, /*scatters=*/true,
                                           micro_batches, time, reliance));
    total += of_experts;
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
  // Of their library's kernels: the same for every layer, or nearly.
  std::optional<int64_t> gather_channels;
  std::optional<int64_t> reduce_channels;
  for (const ChunkCosts& chunk : stages.chunks) {
    const std::vector<size_t>& layers = chunk.layers;
    for (size_t position = 0; position < layers.size(); ++position) {
      const workloads::RankParameters& parameters = stages.layers[layers[position]].parameters;
      const workloads::RankParameters& quantized = stages.layers[layers[position]].quantized;
      const workloads::RankParameters& frozen = stages.layers[layers[position]].frozen;
      const workloads::RankParameters kept = {
          .dense = ParametersAsKept(training, parameters.dense, quantized.dense, gathered) +
                   frozen.dense,
          .experts = ParametersAsKept(training, parameters.experts, quantized.experts, gathered) +
                     frozen.experts};
      ShardedLayer layer;
      // The top layer's backward follows its forward at once, but in a pipeline.
      layer.regathers = training.reshard && (is_pipeline || position + 1 < layers.size());
      const double gathers = layer.regathers ? 2 * micro_batches : micro_batches;
      ASSIGN_OR_RETURN(layer.gather, gather(kept, gathers));
      const double own =
          kept.dense / static_cast<double>(dense.shard.ranks) +
          kept.experts / static_cast<double>(std::max<int64_t>(experts.shard.ranks, 1));
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
      ASSIGN_OR_RETURN(layer.reduce, reduce(parameters));
      ASSIGN_OR_RETURN(layer.copy_out, copy(kept.total(), gathered, gathered, 1.0,
                                            host.forward.elementwise, gathers));
      ASSIGN_OR_RETURN(layer.copy_in, copy(parameters.total(), gathered, reduced,
                                           training.framework.gradient_copies.sharded,
                                           host.backward.elementwise, micro_batches));
      layer.gathered = kept.total() * BytesPerElement(gathered);
      layer.reduced = parameters.total() * BytesPerElement(reduced);
      const Collective gathers_all = {CollectiveKind::kAllGather,
                                      kept.dense * BytesPerElement(gathered), dense.shard,
                                      gathered};
      const Collective reduces_all = {CollectiveKind::kReduceScatter,
                                      parameters.dense * BytesPerElement(reduced), dense.shard,
                                      reduced};
      if (!gather_channels && dense.shard.ranks > 1) {
        gather_channels = time.ChannelsOf(gathers_all);
        reduce_channels = time.ChannelsOf(reduces_all);
      }
      layer.gather_load = LoadOf(gathers_all, layer.gather, gather_channels, time);
      layer.reduce_load = LoadOf(reduces_all, layer.reduce, reduce_channels, time);
      sharded.push_back(layer);
    }
  }
  SlowSharded(stages, sharded);
  return sharded;
}

void SlowSharded(const StageView& stages, std::vector<ShardedLayer>& sharded) {
  if (sharded.empty()) {
    return;
  }
  size_t first = 0;
  for (const ChunkCosts& chunk : stages.chunks) {
    SlowChunk(stages, chunk.layers, std::span(sharded).subspan(first, chunk.layers.size()));
    first += chunk.layers.size();
  }
}

ShardedTasks::ShardedTasks(const sim::TrainingScenario& training, const StageView& stages,
                           const EpilogueCosts& epilogue, StepLabels& labels,
                           engine::LabelIndex issue_label, RankTasks& tasks)
    : epilogue_(&epilogue),
      tasks_(&tasks),
      keeps_gathered_(KeepsGathered(training)),
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
  first_layer_.push_back(0);
  for (const ChunkCosts& chunk : stages.chunks) {
    first_layer_.push_back(first_layer_.back() + chunk.layers.size());
  }
}

void ShardedTasks::Gather(size_t layer, std::vector<TaskIndex> waits) {
  const ShardedLayer& costs = epilogue_->sharded[layer];
  tasks_->Issue(pass_.rank, epilogue_->issue_gather, issue_label_, waits);
  gathered_[layer] =
      tasks_->Add(tasks_->streams(pass_.rank).data, IsForward() ? costs.gather : costs.regather,
                  IsForward() ? labels_[layer].gather : labels_[layer].regather, waits);
}

void ShardedTasks::CopyOut(size_t layer) {
  tasks_->pending(pass_.rank).push_back(gathered_[layer]);
  copied_[layer] = tasks_->AddChain(pass_.rank, epilogue_->sharded[layer].copy_out,
                                    labels_[layer].copy_out, issue_label_);
}

void ShardedTasks::BeginPass(const ShardedPass& pass) {
  pass_ = pass;
  // The top layer of a backward whose parameters were given up: nothing has asked for them yet.
  const size_t top = first_layer_[pass.chunk + 1] - 1;
  if (!IsForward() && epilogue_->sharded[top].regathers) {
    Gather(top, tasks_->Frontier(pass.rank));
  }
}

void ShardedTasks::BeforeLayer(size_t position) {
  const size_t layer = IndexOf(position);
  std::vector<TaskIndex> waits;
  if (IsForward()) {
    if (keeps_gathered_ && !pass_.is_first) {
      return;
    }
    if (position == 0) {
      waits = tasks_->Frontier(pass_.rank);
    } else if (position >= 2) {
      waits.push_back(copied_[layer - 2]);
    }
    Gather(layer, std::move(waits));
    CopyOut(layer);
    return;
  }
  if (epilogue_->sharded[layer].regathers) {
    CopyOut(layer);
  }
  if (position > 0 && epilogue_->sharded[layer - 1].regathers) {
    waits.push_back(copied_[layer]);
    Gather(layer - 1, std::move(waits));
  }
}

void ShardedTasks::AfterLayer(size_t position) {
  const size_t layer = IndexOf(position);
  const ShardedLayer& costs = epilogue_->sharded[layer];
  const size_t rank = pass_.rank;
  if (keeps_gathered_ && !(IsForward() ? pass_.is_first : pass_.is_last)) {
    return;
  }
  if (IsForward()) {
    tasks_->AddSlowing(rank, costs.slows_forward, labels_[layer].slows_forward, issue_label_);
    return;
  }
  tasks_->AddSlowing(rank, costs.slows_backward, labels_[layer].slows_backward, issue_label_);
  if (reduced_ != kNoTask) {
    tasks_->pending(rank).push_back(reduced_);
  }
  std::vector<TaskIndex> waits = {
      tasks_->AddChain(rank, costs.copy_in, labels_[layer].copy_in, issue_label_)};
  tasks_->Issue(rank, epilogue_->issue_reduce, issue_label_, waits);
  reduced_ = tasks_->Add(tasks_->streams(rank).data, costs.reduce, labels_[layer].reduce, waits);
}

void ShardedTasks::EndPass() {
  if (reduced_ != kNoTask) {
    tasks_->pending(pass_.rank).push_back(std::exchange(reduced_, kNoTask));
  }
}

}  // namespace ridgeline::training
