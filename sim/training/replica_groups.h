/// The ranks that hold the same parameters, and how they share out states and reduce gradients:
/// all of them together or, under hybrid sharding (HSDP), in groups that each hold all states. A
/// gradient is then reduced and scattered inside its group and its parts are reduced over the
/// groups (PyTorch torch/distributed/fsdp, HYBRID_SHARD; NVIDIA/Megatron-LM megatron/core/
/// distributed, num_distributed_optimizer_instances); parameters are gathered inside the group.
#pragma once

#include "base/operation.h"
#include "base/result.h"
#include "sim/compute/duration.h"
#include "sim/compute/operation_time.h"
#include "sim/reliance.h"
#include "workloads/rank_groups.h"

namespace ridgeline::training {

struct ReplicaGroups {
  RankGroup all;      // every rank with the same parameters
  RankGroup shard;    // those of them that share out states; `all` without HSDP
  RankGroup replica;  // those with the same part of them; one rank without HSDP
  // Of reductions and gathers, for who takes part in them.
  workloads::Axis reduces = workloads::Axis::kData;
  workloads::Axis gathers = workloads::Axis::kData;

  static ReplicaGroups OfDense(const workloads::Layout& layout);
  static ReplicaGroups OfExperts(const workloads::Layout& layout);
};

/// The gradients of `parameters` over all replicas: an all-reduce or, where each rank needs its
/// part only, a reduce-scatter within `shard` and an all-reduce of the part within `replica`.
/// `times`: how often a step does it, for `reliance`.
Result<compute::Duration> CostGradientReduction(const ReplicaGroups& groups, double parameters,
                                                DType dtype, bool scatters, double times,
                                                const compute::OperationTime& time,
                                                sim::Reliance& reliance);

/// Parameters gathered from the ranks that share them out.
Result<compute::Duration> CostParameterGather(const ReplicaGroups& groups, double parameters,
                                              DType dtype, double times,
                                              const compute::OperationTime& time,
                                              sim::Reliance& reliance);

}  // namespace ridgeline::training
