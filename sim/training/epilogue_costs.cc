#include <algorithm>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "sim/training/contention.h"
#include "sim/training/replica_groups.h"
#include "sim/training/sharded_layers.h"
#include "sim/training/step_program.h"
#include "sim/training/update_traffic.h"

namespace ridgeline::training {
namespace {

using workloads::Axis;
using workloads::Sharding;

/// What one kernel over many tensors moves at most: multi-tensor kernels are launched for a few
/// hundred chunks at a time (pytorch/pytorch aten/src/ATen/native/cuda/MultiTensorApply.cuh), far
/// below this; it keeps a part within the sizes that were measured.
constexpr double kMostOfOneKernel = 2e9;

/// A pass over all parameters of a rank, kernel by kernel.
Result<Duration> MemoryTime(const compute::OperationTime& time, MemoryBoundKind kind, Bytes traffic,
                            sim::Reliance& reliance) {
  const double kernels = std::max(1.0, std::ceil(traffic.base() / kMostOfOneKernel));
  const Bytes each = 0.5 / kernels * traffic;
  const Operation operation{
      MemoryBound{.kind = kind, .read = each, .written = each, .dtype = DType::kFp32}};
  ASSIGN_OR_RETURN(const Cost cost, time.CostOf(operation));
  reliance.Add(operation, cost, kernels);
  return Duration::Of({.mean = kernels * cost.mean,
                       .low = kernels * cost.low,
                       .high = kernels * cost.high,
                       .evidence = cost.evidence});
}

Result<Duration> CollectiveTime(const compute::OperationTime& time, const Collective& collective,
                                sim::Reliance& reliance, double times = 1) {
  ASSIGN_OR_RETURN(const Cost cost, time.CostOf(collective));
  reliance.Add(collective, cost, times);
  return Duration::Of(cost);
}

/// The optimizer's kernels come layer by layer: each rank's update is a chain of as many equal
/// parts.
EpilogueCosts::Host HostOf(const workloads::HostTime& time, const StageView& stages,
                           const workloads::PipelineChunks& places,
                           const std::vector<Duration>& update) {
  EpilogueCosts::Host host;
  host.start = HostDuration(time.step, time.step_spread);
  host.start += HostDuration(time.launch_latency);
  host.norm = HostDuration(time.update);
  const Duration each = HostDuration(time.update_per_layer);
  for (size_t rank = 0; rank < update.size(); ++rank) {
    int64_t layers = 0;
    for (int64_t local = 0; local < places.per_rank(); ++local) {
      const int64_t chunk = places.ChunkOf(static_cast<int64_t>(rank), local);
      layers += static_cast<int64_t>(stages.chunks[static_cast<size_t>(chunk)].layers.size());
    }
    Duration part;
    for (const Bound bound : kBounds) {
      part[bound] = layers == 0 ? 0 : update[rank][bound] / layers;
    }
    const CostedChain chain = CostedChain::Of(each, part).Repeated(layers);
    host.update.push_back(chain.host);
    host.update_lead.push_back(chain.lead);
  }
  return host;
}

/// Gradients of a bucket from where the backward left them into the bucket, and back.
Status CostBucketCopies(const workloads::Framework& framework, double gradients,
                        const compute::OperationTime& time, EpilogueCosts& costs) {
  const auto cost = [&](DType from, DType to) -> Result<Duration> {
    const Operation operation{MemoryBound{.kind = MemoryBoundKind::kCopy,
                                          .read = gradients * BytesPerElement(from),
                                          .written = gradients * BytesPerElement(to),
                                          .dtype = to}};
    ASSIGN_OR_RETURN(const Cost copy, time.CostOf(operation));
    costs.reliance.Add(operation, copy);
    return Duration::Of(copy);
  };
  const workloads::TrainingDtypes& dtypes = framework.dtypes;
  const Duration issue = HostDuration(framework.host.backward.elementwise);
  ASSIGN_OR_RETURN(const Duration into, cost(dtypes.gradients, dtypes.reduce));
  ASSIGN_OR_RETURN(const Duration out_of, cost(dtypes.reduce, dtypes.gradients));
  costs.reductions.back().copy_in = CostedChain::Of(issue, into);
  costs.reductions.back().copy_out = CostedChain::Of(issue, out_of);
  return {};
}

Duration Repeated(const Duration& duration, double times) {
  Duration all;
  for (const Bound bound : kBounds) {
    all[bound] = static_cast<engine::Picoseconds>(static_cast<double>(duration[bound]) * times);
  }
  return all;
}

/// Traffic and products of one rank's update.
Result<Duration> UpdateTime(const UpdateTraffic& traffic, const compute::OperationTime& time,
                            sim::Reliance& reliance) {
  ASSIGN_OR_RETURN(Duration update,
                   MemoryTime(time, MemoryBoundKind::kOptimizer, traffic.update, reliance));
  if (traffic.quantisation > Bytes{}) {
    ASSIGN_OR_RETURN(const Duration quantisation,
                     MemoryTime(time, MemoryBoundKind::kCast, traffic.quantisation, reliance));
    update += quantisation;
  }
  for (const auto& [product, times] : traffic.products) {
    ASSIGN_OR_RETURN(const Cost cost, time.CostOf(Operation{product}));
    reliance.Add(Operation{product}, cost, times);
    update += Repeated(Duration::Of(cost), times);
  }
  return update;
}

/// Delayed scaling: the maxima of a chunk's tensors, over the ranks that hold it, once a forward
/// and once a backward (NVIDIA/TransformerEngine transformer_engine/pytorch/fp8.py,
/// reduce_and_update_fp8_tensors). Nothing hides them, so that they are counted together, at the
/// step's end.
Result<Duration> MaximaTime(const sim::TrainingScenario& training,
                            const workloads::PipelineChunks& places,
                            const compute::OperationTime& time, sim::Reliance& reliance) {
  const workloads::Layout& layout = training.layout;
  const RankGroup stage = {
      .ranks = layout.gpus() / layout.pp,
      .ranks_per_node = std::min(layout.gpus() / layout.pp, layout.gpus_per_node)};
  if (training.precision != DType::kFp8 ||
      training.fp8.scaling != workloads::Fp8Scaling::kDelayed || stage.ranks <= 1) {
    return Duration{};
  }
  const double layers = static_cast<double>(training.model.num_layers()) /
                        static_cast<double>(layout.pp * places.per_rank());
  constexpr double kProducts = 4;  // of a layer
  constexpr double kMaxima = 3;    // of a product: input, weights, result
  const double times =
      2.0 * static_cast<double>(training.micro_batches) * static_cast<double>(places.per_rank());
  ASSIGN_OR_RETURN(
      const Duration each,
      CollectiveTime(
          time,
          {CollectiveKind::kAllReduce,
           Bytes::FromBase(4.0 * kProducts * kMaxima * std::max(layers, 1.0)), stage, DType::kFp32},
          reliance, times * static_cast<double>(layout.pp)));
  return Repeated(each, times);
}

/// Parameters whose gradients are reduced together.
struct Bucket {
  double parameters = 0;
  double quantized = 0;  // of those
  void Add(double more, double more_quantized) {
    parameters += more;
    quantized += more_quantized;
  }
};

/// Lengthens reductions and the layers of the backward that they run beside.
void SlowBackward(const StageView& stages, EpilogueCosts& costs) {
  size_t reduction = 0;
  for (size_t chunk = 0; chunk < stages.chunks.size(); ++chunk) {
    const std::vector<size_t>& layers = stages.chunks[chunk].layers;
    std::vector<Duration>& slows = costs.slows_backward.emplace_back(layers.size());
    BesideCollectives beside;
    for (size_t position = layers.size(); position-- > 0;) {
      const CostedLayer& layer = stages.layers[layers[position]];
      // Where weight gradients have a slot of their own, that is what runs meanwhile.
      const CostedPass& backward =
          layer.weight_gradient.total[Bound::kMean] > 0 ? layer.weight_gradient : layer.backward;
      slows[position] = beside.Compute(backward.total, backward.load);
      for (; reduction < costs.reductions.size() &&
             costs.reductions[reduction].after_chunk == chunk &&
             costs.reductions[reduction].after_layer == position;
           ++reduction) {
        beside.Begin(costs.reductions[reduction].duration, costs.reductions[reduction].load);
      }
    }
  }
}

}  // namespace

bool CopiesGradients(const sim::TrainingScenario& training) {
  const bool is_replica =
      training.sharding == Sharding::kNone || training.sharding == Sharding::kDdp;
  return is_replica && training.framework.gradient_copies.buckets &&
         training.framework.overlap.gradient_reduce &&
         workloads::GroupOf(training.layout, Axis::kData).ranks > 1;
}

Result<EpilogueCosts> CostEpilogue(const sim::TrainingScenario& training, const StageView& stages,
                                   const compute::OperationTime& time) {
  const workloads::Layout& layout = training.layout;
  const workloads::TrainingDtypes& dtypes = training.framework.dtypes;
  const ReplicaGroups dense_replicas = ReplicaGroups::OfDense(layout);
  const ReplicaGroups expert_replicas = ReplicaGroups::OfExperts(layout);
  const bool shards_parameters = workloads::ShardsParameters(training.sharding);
  const bool shards_gradients = workloads::ShardsGradients(training.sharding);
  const bool is_sharded = shards_gradients || training.sharding == Sharding::kZero1;
  const auto pp = static_cast<size_t>(layout.pp);

  const Bytes full_bucket = std::max(training.framework.gradient_bucket,
                                     static_cast<double>(dense_replicas.all.ranks) *
                                         training.framework.gradient_bucket_per_replica);
  EpilogueCosts costs;
  costs.reduces_every_micro_batch = shards_gradients;
  costs.clips_gradients = MeetsBeforeUpdate(training);
  costs.copies_gradients = CopiesGradients(training);
  ASSIGN_OR_RETURN(costs.sharded, CostShardedLayers(training, stages, time, costs.reliance));
  costs.issue_gather = HostDuration(training.framework.host.forward.collective);
  costs.issue_reduce = HostDuration(training.framework.host.backward.collective);
  const StateShards shards = {
      .dense = is_sharded ? static_cast<double>(dense_replicas.shard.ranks) : 1.0,
      .experts = is_sharded ? static_cast<double>(expert_replicas.shard.ranks) : 1.0};
  std::vector<UpdateCount> updates(pp, UpdateCount(training, shards));
  const workloads::PipelineChunks places = ChunksOf(training);
  for (size_t chunk = 0; chunk < stages.chunks.size(); ++chunk) {
    const auto rank = static_cast<size_t>(places.RankOf(static_cast<int64_t>(chunk)));
    const std::vector<size_t>& layers = stages.chunks[chunk].layers;
    // Gradients become ready from the top layer down; a bucket is sent when full, the rest at the
    // chunk's end. A distributed optimizer's parameters come back bucket by bucket.
    Bucket dense_bucket;
    Bucket expert_bucket;
    std::vector<EpilogueCosts::Gather> gathers;
    // Of their library's kernels: the same for every bucket, or nearly.
    std::optional<int64_t> dense_channels;
    std::optional<int64_t> expert_channels;
    const auto send = [&](Bucket& bucket, const ReplicaGroups& replicas, size_t layer) -> Status {
      const bool is_full = bucket.parameters * BytesPerElement(dtypes.reduce) >= full_bucket;
      if (!is_full && layer > 0) {
        return {};
      }
      if (bucket.parameters > 0 && replicas.all.ranks > 1 && !shards_parameters) {
        const double times =
            costs.reduces_every_micro_batch ? static_cast<double>(training.micro_batches) : 1.0;
        ASSIGN_OR_RETURN(const Duration reduction,
                         CostGradientReduction(replicas, bucket.parameters, dtypes.reduce,
                                               is_sharded, times, time, costs.reliance));
        const Collective all = {
            is_sharded ? CollectiveKind::kReduceScatter : CollectiveKind::kAllReduce,
            bucket.parameters * BytesPerElement(dtypes.reduce), replicas.all, dtypes.reduce};
        std::optional<int64_t>& channels =
            &replicas == &dense_replicas ? dense_channels : expert_channels;
        channels = channels ? *channels : time.ChannelsOf(all);
        costs.reductions.push_back({.rank = rank,
                                    .after_chunk = chunk,
                                    .after_layer = layer,
                                    .duration = reduction,
                                    .axis = replicas.reduces,
                                    .bytes = all.bytes,
                                    .load = LoadOf(all, reduction, channels, time)});
        if (costs.copies_gradients) {
          RETURN_IF_ERROR(CostBucketCopies(training.framework, bucket.parameters, time, costs));
        }
        if (is_sharded && replicas.shard.ranks > 1) {
          const double gathered =
              ParametersAsKept(training, bucket.parameters, bucket.quantized, dtypes.parameters);
          ASSIGN_OR_RETURN(
              const Duration gather,
              CostParameterGather(replicas, gathered, dtypes.parameters, 1, time, costs.reliance));
          gathers.push_back({.rank = rank,
                             .before_chunk = chunk,
                             .before_layer = layer,
                             .duration = gather,
                             .axis = replicas.gathers,
                             .bytes = gathered * BytesPerElement(dtypes.parameters)});
        }
      }
      bucket = {};
      return {};
    };
    for (size_t position = layers.size(); position-- > 0;) {
      const CostedLayer& layer = stages.layers[layers[position]];
      updates[rank].Add(layer);
      dense_bucket.Add(layer.parameters.dense, layer.quantized.dense);
      expert_bucket.Add(layer.parameters.experts, layer.quantized.experts);
      RETURN_IF_ERROR(send(dense_bucket, dense_replicas, position));
      RETURN_IF_ERROR(send(expert_bucket, expert_replicas, position));
    }
    costs.gathers.insert(costs.gathers.end(), gathers.rbegin(), gathers.rend());
  }

  if (training.framework.overlap.gradient_reduce && !costs.reductions.empty()) {
    SlowBackward(stages, costs);
  }

  // Layers that predict further ahead look up the table on the last stage too.
  const bool shares_table =
      training.model.has_tied_embeddings || training.model.next_token_layers > 0;
  if (shares_table && training.lora.rank == 0 &&
      places.RankOf(0) != places.RankOf(places.count() - 1)) {
    const Bytes table = static_cast<double>(training.model.vocabulary) *
                        static_cast<double>(training.model.hidden) /
                        static_cast<double>(layout.tp) * BytesPerElement(dtypes.reduce);
    const RankGroup ends = workloads::BoundaryGroup(layout, layout.pp - 1);
    ASSIGN_OR_RETURN(const Duration duration,
                     CollectiveTime(time, {CollectiveKind::kAllReduce, table, ends, dtypes.reduce},
                                    costs.reliance, 2));
    costs.tied_reduction.assign(pp, Duration{});
    costs.tied_reduction.front() = duration;
    costs.tied_reduction.back() = duration;
  }

  for (const UpdateCount& count : updates) {
    const UpdateTraffic traffic = count.Traffic();
    Duration norm;
    if (costs.clips_gradients) {
      ASSIGN_OR_RETURN(
          norm, MemoryTime(time, MemoryBoundKind::kGradientNorm, traffic.norm, costs.reliance));
    }
    ASSIGN_OR_RETURN(const Duration update, UpdateTime(traffic, time, costs.reliance));
    costs.gradient_norm.push_back(norm);
    costs.update.push_back(update);
  }
  // A norm, and whether a gradient is infinite.
  const double meetings = (training.framework.clips_gradients ? 1.0 : 0.0) +
                          (training.precision == DType::kFp16 ? 1.0 : 0.0);
  const RankGroup world = {.ranks = layout.gpus(),
                           .ranks_per_node = std::min(layout.gpus(), layout.gpus_per_node)};
  if (costs.clips_gradients) {
    ASSIGN_OR_RETURN(
        const Duration meeting,
        CollectiveTime(time, {CollectiveKind::kAllReduce, Bytes::FromBase(4), world, DType::kFp32},
                       costs.reliance, meetings * static_cast<double>(pp)));
    costs.norm_reduction = Repeated(meeting, meetings);
    ASSIGN_OR_RETURN(const Duration maxima, MaximaTime(training, places, time, costs.reliance));
    costs.norm_reduction += maxima;
  }
  if (HasHostTime(training.framework.host)) {
    costs.host = HostOf(training.framework.host, stages, places, costs.update);
  }
  return costs;
}

Status FitsClock(const sim::TrainingScenario& training, const StageView& stages,
                 const EpilogueCosts& epilogue) {
  const auto seconds = [](const Duration& duration) {
    return static_cast<double>(duration[Bound::kHigh]) * 1e-12;
  };
  double slot = 0;
  for (const ChunkCosts& chunk : stages.chunks) {
    for (const size_t layer : chunk.layers) {
      slot += seconds(stages.layers[layer].forward.total) +
              seconds(stages.layers[layer].backward.total) +
              seconds(stages.layers[layer].input_gradient.total) +
              seconds(stages.layers[layer].weight_gradient.total) +
              seconds(stages.layers[layer].forward.host) +
              seconds(stages.layers[layer].backward.host);
    }
  }
  for (const Duration& send : stages.boundary_sends) {
    slot += 2.0 * static_cast<double>(training.layout.vpp) * seconds(send);
  }
  double total = slot * static_cast<double>(training.micro_batches) +
                 static_cast<double>(training.layout.pp) * seconds(epilogue.norm_reduction);
  const auto add = [&](const std::vector<Duration>& durations) {
    for (const Duration& duration : durations) {
      total += seconds(duration);
    }
  };
  add(epilogue.tied_reduction);
  add(epilogue.gradient_norm);
  add(epilogue.update);
  if (epilogue.host) {
    total += seconds(epilogue.host->start) + seconds(epilogue.host->norm);
    add(epilogue.host->update);
  }
  const double reductions =
      epilogue.reduces_every_micro_batch ? static_cast<double>(training.micro_batches) : 1.0;
  for (const EpilogueCosts::Reduction& reduction : epilogue.reductions) {
    total += reductions * seconds(reduction.duration) + seconds(reduction.copy_in.total) +
             seconds(reduction.copy_in.host) + seconds(reduction.copy_out.total) +
             seconds(reduction.copy_out.host);
  }
  for (const std::vector<Duration>& layers : epilogue.slows_backward) {
    for (const Duration& slowing : layers) {
      total += reductions * seconds(slowing);
    }
  }
  for (const ShardedLayer& layer : epilogue.sharded) {
    total += static_cast<double>(training.micro_batches) *
             (seconds(layer.gather) + seconds(layer.regather) + seconds(layer.slows_forward) +
              seconds(layer.slows_backward) +
              2.0 * (seconds(layer.copy_out.total) + seconds(layer.copy_out.host) +
                     seconds(epilogue.issue_gather)) +
              seconds(layer.reduce) + seconds(layer.copy_in.total) + seconds(layer.copy_in.host) +
              seconds(epilogue.issue_reduce));
  }
  for (const EpilogueCosts::Gather& gather : epilogue.gathers) {
    total += seconds(gather.duration);
  }
  constexpr double kClock = 9.0e6;  // seconds: 104 of the clock's 106 days
  if (total > kClock) {
    return Fail({.code = ErrorCode::kOutOfRange,
                 .message = fmt::format(
                     "one step would take longer than the simulated clock counts: {:.3g} days of "
                     "work on the pipeline, 104 at most",
                     total / 86400.0),
                 .hint = "look for a sequence, a batch or a bandwidth that is off by orders of "
                         "magnitude",
                 .path = "training"});
  }
  return {};
}

}  // namespace ridgeline::training
