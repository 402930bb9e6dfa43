/// One pass (forward or backward) through one layer, costed: from the steps of its lowering to
/// picoseconds on its streams.
#pragma once

#include <array>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "sim/compute/duration.h"
#include "sim/compute/operation_time.h"
#include "sim/engine/sim_time.h"
#include "sim/reliance.h"
#include "sim/training/cause.h"
#include "sim/training/contention.h"
#include "sim/training/host_cost.h"
#include "workloads/lowering.h"

namespace ridgeline::training {

using compute::Bound;
using compute::Duration;
using compute::kBounds;

/// Causes of a span, at each bound.
struct BoundedCauseTimes {
  std::array<CauseTimes, 3> at = {};
  void Add(Cause cause, const Duration& duration) {
    for (size_t i = 0; i < at.size(); ++i) {
      at[i][cause] = engine::AddSaturating(at[i][cause], duration.at[i]);
    }
  }
};

/// One operation or collective of a layer.
struct CostedStep {
  std::string name;
  Cause cause = Cause::kMatmul;
  bool is_collective = false;
  bool runs_beside_next = false;  // a collective beside the operation after it
  Duration duration = {};
  Duration host = {};                               // of issuing it
  workloads::Axis axis = workloads::Axis::kTensor;  // of a collective: who takes part
  // Of arithmetic: what it must do, and in which type.
  Flops flops = {};
  Bytes bytes = {};  // of a collective: as Collective counts them
  CollectiveKind collective = CollectiveKind::kAllReduce;
  DType dtype = DType::kBf16;
  Bytes message = {};                   // of a collective, as workloads::AxisCollective counts
  ComputeLoad load = {};                // of arithmetic
  CollectiveLoad collective_load = {};  // of a collective that may run beside arithmetic
  /// What a collective beside it adds to the duration, booked under that collective's cause.
  Duration slowed = {};
  Cause slowed_by = Cause::kTensorParallel;
};

/// What one task of a step spends.
BoundedCauseTimes CausesOf(const CostedStep& step);

/// One pass (forward or backward) through a layer: its steps in order, each waiting for the one
/// before, but for collectives that run beside the next operation: only what outlasts it is
/// exposed. As a chain it has the time of all and what the host adds.
struct CostedPass : CostedChain {
  std::vector<CostedStep> steps;
  BoundedCauseTimes causes;
  ComputeLoad load;        // at the mean: what bounds it, on average
  sim::Reliance reliance;  // of one execution
};

/// Cause of arithmetic, and of a collective along an axis.
Cause CauseOf(const Operation& operation);
Cause CauseOf(workloads::Axis axis);

/// What the host spends on the steps of a pass.
struct HostOfPass {
  const workloads::HostTime* host = nullptr;
  bool is_backward = false;
  /// Once before the first step, and once before the first that recomputes a layer.
  Seconds layer = {};
  Seconds recomputed_layer = {};
};

/// Costs the steps of one pass in order. O(steps). Errors: kFailedPrecondition when the GPU lacks a
/// data type.
Result<CostedPass> CostPass(std::span<const workloads::Step> steps, HostOfPass host_of_pass,
                            const workloads::Layout& layout, const compute::OperationTime& time);

/// Fills the chain, `causes` and `load` from the steps.
void SumPass(CostedPass& pass);

}  // namespace ridgeline::training
