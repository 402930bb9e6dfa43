#include "sim/training/pass_costs.h"

#include <algorithm>
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
  if ((gemm != nullptr && gemm->batch > 1 && gemm->dtype != DType::kFp8) ||
      std::holds_alternative<Attention>(operation) ||
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

BoundedCauseTimes CausesOf(const CostedStep& step) {
  BoundedCauseTimes causes;
  Duration own;
  for (const Bound bound : kBounds) {
    own[bound] = step.duration[bound] - step.slowed[bound];
  }
  causes.Add(step.cause, own);
  causes.Add(step.slowed_by, step.slowed);
  return causes;
}

namespace {

/// Lengthens operations and the collectives that run beside them.
void SlowPairs(CostedPass& pass) {
  for (size_t i = 0; i + 1 < pass.steps.size(); ++i) {
    CostedStep& collective = pass.steps[i];
    CostedStep& operation = pass.steps[i + 1];
    if (!collective.runs_beside_next || operation.is_collective) {
      continue;
    }
    const Duration alone = operation.duration;
    RunTogether(operation.load, operation.duration, collective.collective_load,
                collective.duration);
    operation.slowed = OutlastsBy(operation.duration, alone);
    operation.slowed_by = collective.cause;
  }
}

/// Joins the load of a step that made the pass longer by what it is now longer than `before`.
void JoinLoad(CostedPass& pass, const CostedStep& step, engine::Picoseconds before) {
  const auto added = static_cast<double>(pass.total[Bound::kMean] - before);
  ComputeLoad load;
  if (!step.is_collective && added > 0) {
    const double busy = std::min(1.0, static_cast<double>(step.duration[Bound::kMean]) / added);
    load = step.load;
    load.arithmetic *= busy;
    load.memory *= busy;
  }
  pass.load.Join(static_cast<double>(before), load, added);
}

}  // namespace

void SumPass(CostedPass& pass) {
  const CostedStep* beside = nullptr;  // a collective that begins with the next operation
  const auto append = [&](const CostedStep& step) {
    const engine::Picoseconds before = pass.total[Bound::kMean];
    const BoundedCauseTimes causes = CausesOf(step);
    for (size_t i = 0; i < causes.at.size(); ++i) {
      pass.causes.at.at(i) += causes.at.at(i);
    }
    if (beside == nullptr) {
      pass.Append(CostedChain::Of(step.host, step.duration));
    } else {
      const CostedChain collective = CostedChain::Of(beside->host, beside->duration);
      pass.Append(CostedChain::Of(step.host, step.duration, &collective));
      pass.causes.Add(beside->cause, OutlastsBy(beside->duration, step.duration));
      beside = nullptr;
    }
    JoinLoad(pass, step, before);
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
      costed.message = collective->bytes;
      costed.bytes = collective->bytes;
      costed.collective = collective->kind;
      const Collective asked{collective->kind, collective->bytes, group, collective->dtype};
      ASSIGN_OR_RETURN(const Cost cost, time.CostOf(asked));
      costed.duration = Duration::Of(cost);
      if (step.runs_beside_next || costed.cause == Cause::kExpertParallel) {
        costed.collective_load = LoadOf(asked, costed.duration, collective->multiprocessors, time);
      }
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
      costed.load = LoadOf(costed.bytes, costed.duration, time.gpu());
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
  SlowPairs(pass);
  SumPass(pass);
  return pass;
}

}  // namespace ridgeline::training
