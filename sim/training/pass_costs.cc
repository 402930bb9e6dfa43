#include "sim/training/pass_costs.h"

#include <utility>

namespace ridgeline::training {

using workloads::AxisCollective;
using workloads::Step;
using workloads::StepPart;

namespace {

/// Whose peak its FLOPs are held against.
DType RateDtypeOf(const Operation& operation) {
  if (std::holds_alternative<MemoryBound>(operation)) {
    return DType::kFp32;
  }
  return std::visit([](const auto& known) { return known.dtype; }, operation);
}

}  // namespace

Cause CauseOf(const Operation& operation) {
  // Products by the batch are those of attention by several kernels, and so is its softmax.
  const auto* gemm = std::get_if<Gemm>(&operation);
  const auto* memory = std::get_if<MemoryBound>(&operation);
  if ((gemm != nullptr && gemm->batch > 1) || std::holds_alternative<Attention>(operation) ||
      (memory != nullptr && memory->kind == MemoryBoundKind::kSoftmax)) {
    return Cause::kAttention;
  }
  return gemm != nullptr || std::holds_alternative<GroupedGemm>(operation) ? Cause::kMatmul
                                                                           : Cause::kElementwise;
}

Cause CauseOf(workloads::Axis axis) {
  switch (axis) {
    case workloads::Axis::kTensor:
    case workloads::Axis::kExpertTensor:
      return Cause::kTensorParallel;
    case workloads::Axis::kContext:
    case workloads::Axis::kContextInner:
    case workloads::Axis::kContextOuter:
      return Cause::kContextParallel;
    case workloads::Axis::kExpert:
      return Cause::kExpertParallel;
    case workloads::Axis::kPipeline:
      return Cause::kPipelineParallel;
    case workloads::Axis::kData:
    case workloads::Axis::kExpertData:
    case workloads::Axis::kShard:
    case workloads::Axis::kReplica:
    case workloads::Axis::kExpertShard:
    case workloads::Axis::kExpertReplica:
      return Cause::kDataParallel;
  }
  return Cause::kTensorParallel;
}

void SumPass(CostedPass& pass) {
  const CostedStep* beside = nullptr;  // a collective that begins with the next operation
  const auto append = [&](const CostedStep& step) {
    if (beside == nullptr) {
      pass.Append(CostedChain::Of(step.host, step.duration));
      pass.causes.Add(step.cause, step.duration);
      return;
    }
    const CostedChain collective = CostedChain::Of(beside->host, beside->duration);
    pass.Append(CostedChain::Of(step.host, step.duration, &collective));
    pass.causes.Add(step.cause, step.duration);
    pass.causes.Add(beside->cause, OutlastsBy(beside->duration, step.duration));
    beside = nullptr;
  };
  const auto finish_beside = [&] {
    if (beside != nullptr) {
      const CostedStep& alone = *std::exchange(beside, nullptr);
      append(alone);
    }
  };
  for (const CostedStep& step : pass.steps) {
    if (step.is_collective) {
      finish_beside();  // collectives share one stream
    }
    if (step.runs_beside_next) {
      beside = &step;
    } else {
      append(step);
    }
  }
  finish_beside();
}

Result<CostedPass> CostPass(std::span<const Step> steps, HostOfPass host_of_pass,
                            const workloads::Layout& layout, const compute::OperationTime& time) {
  CostedPass pass;
  for (const Step& step : steps) {
    CostedStep costed{.name = step.name};
    if (const auto* collective = std::get_if<AxisCollective>(&step.work)) {
      RankGroup group = workloads::GroupOf(layout, collective->axis);
      if (group.ranks <= 1) {
        continue;
      }
      if (collective->kind == CollectiveKind::kSend) {
        group = workloads::NeighboursIn(group);
      }
      costed.is_collective = true;
      costed.cause = CauseOf(collective->axis);
      costed.axis = collective->axis;
      const Collective asked{collective->kind, collective->bytes, group, collective->dtype};
      ASSIGN_OR_RETURN(const Cost cost, time.CostOf(asked));
      costed.duration = Duration::Of(cost);
      pass.reliance.Add(asked, cost);
    } else {
      const Operation& operation = std::get<Operation>(step.work);
      ASSIGN_OR_RETURN(Cost cost, time.CostOf(operation));
      cost.mean = cost.mean * step.slowdown.mean;
      cost.low = cost.low * step.slowdown.low;
      cost.high = cost.high * step.slowdown.high;
      // A collective that recomputation repeats stays communication; arithmetic that it repeats is
      // recomputation.
      costed.cause = step.part == StepPart::kRecompute ? Cause::kRecompute : CauseOf(operation);
      costed.duration = Duration::Of(cost);
      costed.flops = FlopsOf(operation);
      costed.bytes = BytesOf(operation);
      costed.dtype = RateDtypeOf(operation);
      pass.reliance.Add(operation, cost);
    }
    costed.runs_beside_next = costed.is_collective && step.runs_beside_next;
    const bool recomputes = step.part == StepPart::kRecompute;
    const workloads::HostTime& host = *host_of_pass.host;
    costed.host = HostDuration(
        HostTimeOf(host_of_pass.is_backward && !recomputes ? host.backward : host.forward,
                   step.work) +
        std::exchange(host_of_pass.layer, Seconds{}) +
        (recomputes ? std::exchange(host_of_pass.recomputed_layer, Seconds{}) : Seconds{}));
    pass.steps.push_back(std::move(costed));
  }
  SumPass(pass);
  return pass;
}

}  // namespace ridgeline::training
