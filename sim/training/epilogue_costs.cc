#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "sim/training/contention.h"
#include "sim/training/sharded_layers.h"
#include "sim/training/step_program.h"

namespace ridgeline::training {
namespace {

using workloads::Axis;
using workloads::Sharding;

/// Bytes that the update of `parameters` reads and writes when 1/`shards` of the optimizer states
/// stand on this rank. Counted from the fused kernels of Megatron-LM and Apex: gradients that keep
/// their memory are zeroed before the step (4N); clipping reads them for the norm, and reads and
/// writes them; Adam reads gradient, master and two moments and writes master, two moments and the
/// compute copy.
struct UpdateTraffic {
  Bytes norm;
  Bytes update;
};
/// `in_tables`: of the parameters, those of embedding and head.
UpdateTraffic TrafficOf(double parameters, double in_tables, double shards, bool shards_gradients,
                        const workloads::Framework& framework) {
  const workloads::TrainingDtypes& dtypes = framework.dtypes;
  const Bytes gradient = BytesPerElement(dtypes.gradients);
  const Bytes master = BytesPerElement(dtypes.master);
  const Bytes moment = BytesPerElement(dtypes.optimizer);
  const bool has_master = dtypes.master != dtypes.parameters;
  const double own = parameters / shards;
  const double zeroed = framework.gradients == workloads::GradientBuffers::kOnDemand ? 0.0
                        : shards_gradients                                           ? own
                                                                                     : parameters;
  const double clipped = framework.clips_gradients ? own : 0.0;
  const Bytes adam = gradient + 2.0 * master + 4.0 * moment +
                     (has_master ? BytesPerElement(dtypes.parameters) : Bytes{});
  const workloads::UpdateKernel& kernel = framework.update;
  const double as_long =
      (own - in_tables / shards) * kernel.factor + in_tables / shards * kernel.tables_factor;
  return {.norm = clipped * gradient,
          .update = (zeroed + 2.0 * clipped) * gradient + as_long * adam};
}

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
                           const std::vector<Duration>& update) {
  EpilogueCosts::Host host;
  host.start = HostDuration(time.step, time.step_spread);
  host.start += HostDuration(time.launch_latency);
  host.norm = HostDuration(time.update);
  const Duration each = HostDuration(time.update_per_layer);
  for (size_t rank = 0; rank < update.size(); ++rank) {
    int64_t layers = 0;
    for (size_t chunk = rank; chunk < stages.chunks.size(); chunk += update.size()) {
      layers += static_cast<int64_t>(stages.chunks[chunk].layers.size());
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

/// Lengthens reductions and the layers of the backward that they run beside.
void SlowBackward(const StageView& stages, EpilogueCosts& costs) {
  size_t reduction = 0;
  for (size_t chunk = 0; chunk < stages.chunks.size(); ++chunk) {
    const std::vector<size_t>& layers = stages.chunks[chunk].layers;
    std::vector<Duration>& slows = costs.slows_backward.emplace_back(layers.size());
    BesideCollectives beside;
    for (size_t position = layers.size(); position-- > 0;) {
      slows[position] = beside.Compute(stages.layers[layers[position]].backward.total);
      for (; reduction < costs.reductions.size() &&
             costs.reductions[reduction].after_chunk == chunk &&
             costs.reductions[reduction].after_layer == position;
           ++reduction) {
        beside.Begin(costs.reductions[reduction].duration);
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
  const RankGroup dense_group = workloads::GroupOf(layout, Axis::kData);
  const RankGroup expert_group = workloads::GroupOf(layout, Axis::kExpertData);
  const bool shards_parameters = workloads::ShardsParameters(training.sharding);
  const bool shards_gradients = workloads::ShardsGradients(training.sharding);
  const bool is_sharded = shards_gradients || training.sharding == Sharding::kZero1;
  const CollectiveKind reduce =
      is_sharded ? CollectiveKind::kReduceScatter : CollectiveKind::kAllReduce;
  const auto pp = static_cast<size_t>(layout.pp);

  const Bytes full_bucket = std::max(
      training.framework.gradient_bucket,
      static_cast<double>(dense_group.ranks) * training.framework.gradient_bucket_per_replica);
  EpilogueCosts costs;
  costs.reduces_every_micro_batch = shards_gradients;
  costs.clips_gradients = training.framework.clips_gradients;
  costs.copies_gradients = CopiesGradients(training);
  ASSIGN_OR_RETURN(costs.sharded, CostShardedLayers(training, stages, time, costs.reliance));
  costs.issue_gather = HostDuration(training.framework.host.forward.collective);
  costs.issue_reduce = HostDuration(training.framework.host.backward.collective);
  std::vector<workloads::RankParameters> held(pp);
  std::vector<double> in_tables(pp, 0.0);
  for (size_t chunk = 0; chunk < stages.chunks.size(); ++chunk) {
    const size_t rank = chunk % pp;
    const std::vector<size_t>& layers = stages.chunks[chunk].layers;
    workloads::RankParameters in_chunk;
    // Gradients become ready from the top layer down; a bucket is sent when full, the rest at the
    // chunk's end. A distributed optimizer's parameters come back bucket by bucket.
    double dense_bucket = 0;
    double expert_bucket = 0;
    std::vector<EpilogueCosts::Gather> gathers;
    const auto send = [&](double& bucket, Axis axis, size_t layer) -> Status {
      const RankGroup& group = axis == Axis::kData ? dense_group : expert_group;
      const bool is_full = bucket * BytesPerElement(dtypes.reduce) >= full_bucket;
      if (!is_full && layer > 0) {
        return {};
      }
      if (bucket > 0 && group.ranks > 1 && !shards_parameters) {
        const auto duration_of = [&](CollectiveKind kind, DType dtype) {
          const bool again = costs.reduces_every_micro_batch && kind == reduce;
          return CollectiveTime(time, {kind, bucket * BytesPerElement(dtype), group, dtype},
                                costs.reliance,
                                again ? static_cast<double>(training.micro_batches) : 1.0);
        };
        ASSIGN_OR_RETURN(const Duration reduction, duration_of(reduce, dtypes.reduce));
        costs.reductions.push_back({.rank = rank,
                                    .after_chunk = chunk,
                                    .after_layer = layer,
                                    .duration = reduction,
                                    .axis = axis});
        if (costs.copies_gradients) {
          RETURN_IF_ERROR(CostBucketCopies(training.framework, bucket, time, costs));
        }
        if (is_sharded) {
          ASSIGN_OR_RETURN(const Duration gather,
                           duration_of(CollectiveKind::kAllGather, dtypes.parameters));
          gathers.push_back({.rank = rank,
                             .before_chunk = chunk,
                             .before_layer = layer,
                             .duration = gather,
                             .axis = axis});
        }
      }
      bucket = 0;
      return {};
    };
    for (size_t position = layers.size(); position-- > 0;) {
      const workloads::RankParameters& parameters = stages.layers[layers[position]].parameters;
      in_chunk.dense += parameters.dense;
      in_chunk.experts += parameters.experts;
      in_tables[rank] += stages.layers[layers[position]].is_decoder ? 0.0 : parameters.dense;
      dense_bucket += parameters.dense;
      expert_bucket += parameters.experts;
      RETURN_IF_ERROR(send(dense_bucket, Axis::kData, position));
      RETURN_IF_ERROR(send(expert_bucket, Axis::kExpertData, position));
    }
    held[rank].dense += in_chunk.dense;
    held[rank].experts += in_chunk.experts;
    costs.gathers.insert(costs.gathers.end(), gathers.rbegin(), gathers.rend());
  }

  const auto within_node = [](const RankGroup& group) {
    return group.ranks <= group.ranks_per_node;
  };
  if (training.framework.overlap.gradient_reduce && !costs.reductions.empty() &&
      within_node(dense_group) && within_node(expert_group)) {
    SlowBackward(stages, costs);
  }

  if (training.model.has_tied_embeddings && layout.pp > 1) {
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

  for (size_t rank = 0; rank < pp; ++rank) {
    const double dense_shards = is_sharded ? static_cast<double>(dense_group.ranks) : 1.0;
    const double expert_shards = is_sharded ? static_cast<double>(expert_group.ranks) : 1.0;
    const UpdateTraffic dense = TrafficOf(held[rank].dense, in_tables[rank], dense_shards,
                                          shards_gradients, training.framework);
    const UpdateTraffic experts =
        TrafficOf(held[rank].experts, 0, expert_shards, shards_gradients, training.framework);
    Duration norm;
    if (costs.clips_gradients) {
      ASSIGN_OR_RETURN(norm, MemoryTime(time, MemoryBoundKind::kGradientNorm,
                                        dense.norm + experts.norm, costs.reliance));
    }
    ASSIGN_OR_RETURN(const Duration update,
                     MemoryTime(time, MemoryBoundKind::kOptimizer, dense.update + experts.update,
                                costs.reliance));
    costs.gradient_norm.push_back(norm);
    costs.update.push_back(update);
  }
  const RankGroup world = {.ranks = layout.gpus(),
                           .ranks_per_node = std::min(layout.gpus(), layout.gpus_per_node)};
  if (costs.clips_gradients) {
    ASSIGN_OR_RETURN(
        costs.norm_reduction,
        CollectiveTime(time, {CollectiveKind::kAllReduce, Bytes::FromBase(4), world, DType::kFp32},
                       costs.reliance, static_cast<double>(pp)));
  }
  if (HasHostTime(training.framework.host)) {
    costs.host = HostOf(training.framework.host, stages, costs.update);
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
