/// From served requests to the report: the metric names of the contract, each with its range.
#pragma once

#include <array>
#include <optional>

#include "sim/compute/operation_time.h"
#include "sim/report.h"
#include "sim/scenario.h"
#include "sim/serving/serving_memory.h"
#include "sim/serving/serving_metrics.h"

namespace ridgeline::serving {

/// By compute::Bound: the load served at the expected cost of a step, and at both ends of its
/// range.
using MetricsByBound = std::array<ServingMetrics, 3>;

/// KV blocks of a replica: what the scenario sets, else what the memory has room for.
int64_t BlocksOf(const sim::ServingScenario& serving, const ServingMemory& memory);

/// `metrics` are absent when there is no room for a single KV block: then nothing can be served,
/// and the report holds memory and what to change, no times.
sim::Report WriteServingReport(const sim::Scenario& scenario, const compute::OperationTime& time,
                               const ServingMemory& memory,
                               const std::optional<MetricsByBound>& metrics);

}  // namespace ridgeline::serving
