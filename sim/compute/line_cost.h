/// Prices a line of `cost` on a cluster: its parts one after the other.
#pragma once

#include "base/evidence.h"
#include "base/result.h"
#include "hardware/cluster.h"
#include "sim/compute/operation_line.h"
#include "sim/compute/operation_time.h"

namespace ridgeline::compute {

/// The clock at which the roofline prices matrix work: its rates are those of large GEMMs back to
/// back (hardware/gpu.h, Gpu::sustained). For a GPU without a cited rate it is the vendor's peak.
inline constexpr std::string_view kRooflineCondition = "sustained clock, graph, cold cache, TN";

bool IsCollective(const OperationLine& line);

/// Sum of the parts. Errors: kUnimplemented for a condition that the analytic models cannot tell
/// apart, with its name; more ranks than GPUs, or over nodes that the cluster lacks; a data type
/// that the GPU lacks.
Result<Cost> CostOfLine(const OperationLine& line, const hardware::Cluster& cluster,
                        const OperationTime& time);

}  // namespace ridgeline::compute
