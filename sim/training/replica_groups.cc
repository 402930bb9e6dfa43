#include "sim/training/replica_groups.h"

namespace ridgeline::training {

using compute::Duration;
using workloads::Axis;
using workloads::GroupOf;

namespace {

/// Adds what `asked` takes, if it has anyone to speak to.
Status Add(const Collective& asked, double times, const compute::OperationTime& time,
           sim::Reliance& reliance, Duration& total) {
  if (asked.group.ranks > 1 && asked.bytes > Bytes{}) {
    ASSIGN_OR_RETURN(const Cost cost, time.CostOf(asked));
    reliance.Add(asked, cost, times);
    total += Duration::Of(cost);
  }
  return {};
}

}  // namespace

ReplicaGroups ReplicaGroups::OfDense(const workloads::Layout& layout) {
  return {.all = GroupOf(layout, Axis::kData),
          .shard = GroupOf(layout, Axis::kShard),
          .replica = GroupOf(layout, Axis::kReplica),
          .reduces = Axis::kData,
          .gathers = layout.shard_groups() > 1 ? Axis::kShard : Axis::kData};
}

ReplicaGroups ReplicaGroups::OfExperts(const workloads::Layout& layout) {
  return {.all = GroupOf(layout, Axis::kExpertData),
          .shard = GroupOf(layout, Axis::kExpertShard),
          .replica = GroupOf(layout, Axis::kExpertReplica),
          .reduces = Axis::kExpertData,
          .gathers = layout.shard_groups() > 1 ? Axis::kExpertShard : Axis::kExpertData};
}

Result<Duration> CostGradientReduction(const ReplicaGroups& groups, double parameters, DType dtype,
                                       bool scatters, double times,
                                       const compute::OperationTime& time,
                                       sim::Reliance& reliance) {
  const Bytes bytes = parameters * BytesPerElement(dtype);
  Duration total;
  if (!scatters) {
    RETURN_IF_ERROR(
        Add({CollectiveKind::kAllReduce, bytes, groups.all, dtype}, times, time, reliance, total));
    return total;
  }
  RETURN_IF_ERROR(Add({CollectiveKind::kReduceScatter, bytes, groups.shard, dtype}, times, time,
                      reliance, total));
  const Bytes part = bytes / static_cast<double>(groups.shard.ranks);
  RETURN_IF_ERROR(
      Add({CollectiveKind::kAllReduce, part, groups.replica, dtype}, times, time, reliance, total));
  return total;
}

Result<Duration> CostParameterGather(const ReplicaGroups& groups, double parameters, DType dtype,
                                     double times, const compute::OperationTime& time,
                                     sim::Reliance& reliance) {
  Duration total;
  RETURN_IF_ERROR(
      Add({CollectiveKind::kAllGather, parameters * BytesPerElement(dtype), groups.shard, dtype},
          times, time, reliance, total));
  return total;
}

}  // namespace ridgeline::training
