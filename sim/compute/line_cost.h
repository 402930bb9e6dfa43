/// Prices a line of `cost` on a cluster: its parts one after the other.
#pragma once

#include <optional>

#include "base/evidence.h"
#include "base/result.h"
#include "hardware/cluster.h"
#include "sim/compute/operation_line.h"
#include "sim/compute/operation_time.h"
#include "sim/network/collective_plan.h"

namespace ridgeline::compute {

bool IsCollective(const OperationLine& line);

/// What a line's collective was priced as: its ranks laid out, and how the library does it.
/// Measured times are of the library's own choice, which the plan says by the library's model.
struct PricedCollective {
  Collective collective;
  network::CollectivePlan plan;
};

struct LineCost {
  Cost cost;
  std::optional<PricedCollective> collective;
  /// Under which it holds: the line's, or the roofline's where that answered. Nothing for
  /// collectives.
  std::optional<hardware::Condition> condition;
};

/// Sum of the parts; a mixture layer as one where such layers were measured. With measured costs a
/// line is answered for the condition that it asks for, steady where it says nothing; where nothing
/// was measured the roofline answers, for its own condition (hardware/condition.h) unless the line
/// asks for another. Errors: kUnimplemented or kFailedPrecondition for a condition that cannot be
/// answered for, with its name; an algorithm or a protocol that the links or the library do not
/// have; more ranks than GPUs, or over nodes that the cluster lacks; a data
/// type that the GPU lacks; what was not measured, when the cluster takes nothing else.
Result<LineCost> CostOfLine(const OperationLine& line, const hardware::Cluster& cluster,
                            const OperationTime& time);

}  // namespace ridgeline::compute
