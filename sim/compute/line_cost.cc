#include "sim/compute/line_cost.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "sim/reliance.h"

namespace ridgeline::compute {
namespace {

using hardware::CacheState;
using hardware::Clock;
using hardware::Condition;
using hardware::Launch;
using hardware::Layout;

/// The roofline knows one condition. Another is not approximated by it: on an H100 the differences
/// are of 0.7 to 1.45 times.
Status CheckRoofline(const AskedCondition& asked) {
  const auto unbuilt = [](std::string_view what, std::string_view key) {
    return Unimplemented(fmt::format("not built yet: {} where it was not measured", what),
                         fmt::format("leave out \"{}\": the analytic model answers for {}", key,
                                     Describe(hardware::kRooflineCondition)));
  };
  if (asked.clock.value_or(Clock::kSustained) != Clock::kSustained) {
    return unbuilt(fmt::format("cost at {} clocks", Name(*asked.clock)), "clock");
  }
  if (asked.launch.value_or(Launch::kGraph) != Launch::kGraph) {
    return unbuilt(fmt::format("cost of an {} launch", Name(*asked.launch)), "launch");
  }
  if (asked.cache.value_or(CacheState::kCold) != CacheState::kCold) {
    return unbuilt(fmt::format("cost with a {} cache", Name(*asked.cache)), "cache");
  }
  if (asked.layout.value_or(Layout::kTN) != Layout::kTN) {
    return unbuilt(fmt::format("cost of layout {}", Name(*asked.layout)), "layout");
  }
  return {};
}

/// With as many ranks on a node as fit, where the line does not say how many.
Collective Placed(Collective collective, const hardware::Cluster& cluster) {
  RankGroup& group = collective.group;
  if (group.ranks_per_node == 0) {
    group.ranks_per_node = std::min<int64_t>(group.ranks, cluster.node.gpus);
  }
  return collective;
}

/// Tables of collectives and the network's model hold for one condition, which may be said aloud.
Status CheckSteady(const Collective& collective, const AskedCondition& asked) {
  if (asked.clock.value_or(Clock::kBurst) != Clock::kBurst) {
    return InvalidArgument("a collective has no clock of its own", "leave out \"clock\"");
  }
  const Condition steady;
  if (asked.Filled() != steady) {
    return Fail({.code = ErrorCode::kFailedPrecondition,
                 .message = fmt::format("{} was not measured so: {}",
                                        CollectiveName(collective.kind), Describe(asked.Filled())),
                 .hint = fmt::format("collectives are answered for {}", Describe(steady))});
  }
  return {};
}

Result<Cost> PriceCollective(const Collective& collective, const hardware::Cluster& cluster,
                             const OperationTime& time) {
  const RankGroup& group = collective.group;
  const int64_t per_node = cluster.node.gpus;
  if (group.ranks_per_node > per_node) {
    return InvalidArgument(fmt::format("{} ranks a node, {} GPUs a node of {}",
                                       group.ranks_per_node, per_node, cluster.name));
  }
  const int64_t nodes = (group.ranks + group.ranks_per_node - 1) / group.ranks_per_node;
  if (nodes > cluster.nodes) {
    return InvalidArgument(fmt::format("{} ranks, {} a node, need {} nodes of {}", group.ranks,
                                       group.ranks_per_node, nodes, cluster.name),
                           "--cluster NAME prices collectives over many nodes");
  }
  RETURN_IF_ERROR(network::CheckPlan(collective, cluster));
  return time.CostOf(collective);
}

}  // namespace

bool IsCollective(const OperationLine& line) {
  return !line.parts.empty() && std::holds_alternative<Collective>(line.parts.front());
}

namespace {

Result<Cost> PriceOperation(const Operation& operation, const AskedCondition& asked,
                            const OperationTime& time) {
  if (time.calibration() != nullptr) {
    Result<Cost> cost = time.CostUnder(operation, asked.Filled());
    if (cost && cost->evidence == Evidence::kAnalytic) {
      // As of a shape that has a table, but none for what is asked.
      if (Status answers = CheckRoofline(asked); !answers) {
        return Fail({.code = ErrorCode::kFailedPrecondition,
                     .message = fmt::format("{} was not measured so: {}", OperationName(operation),
                                            Describe(asked.Filled())),
                     .hint = std::move(answers).error().hint});
      }
    }
    return cost;
  }
  RETURN_IF_ERROR(CheckRoofline(asked));
  return time.CostOf(operation);
}

}  // namespace

Result<LineCost> CostOfLine(const OperationLine& line, const hardware::Cluster& cluster,
                            const OperationTime& time) {
  const auto refuse = [&](const Cost& cost) -> Status {
    if (cluster.takes_measured_only && cost.evidence >= Evidence::kExtrapolated) {
      const auto& first = line.parts.front();
      const auto* const collective = std::get_if<Collective>(&first);
      return Fail(sim::NotMeasured(collective != nullptr ? Describe(Placed(*collective, cluster))
                                                         : Describe(std::get<Operation>(first)),
                                   cost.evidence, cluster.gpu.name));
    }
    return {};
  };
  if (line.layer) {
    if (const std::optional<Cost> cost = time.CostOfLayer(*line.layer, line.condition.Filled())) {
      RETURN_IF_ERROR(refuse(*cost));
      return LineCost{.cost = *cost, .collective = {}, .condition = line.condition.Filled()};
    }
    if (line.layer->skew > 0) {
      return Unimplemented("not built yet: uneven loads of experts where they were not measured",
                           "leave out \"skew\"");
    }
  }
  LineCost sum{.cost = {}, .collective = {}, .condition = line.condition.Filled()};
  sum.cost.evidence = Evidence::kMeasured;  // the best: each part can only worsen it
  for (const auto& part : line.parts) {
    if (std::holds_alternative<Collective>(part)) {
      const Collective collective = Placed(std::get<Collective>(part), cluster);
      RETURN_IF_ERROR(CheckSteady(collective, line.condition));
      ASSIGN_OR_RETURN(const Cost cost, PriceCollective(collective, cluster, time));
      sum.cost = sum.cost + cost;
      sum.condition.reset();
      sum.collective = {.collective = collective, .plan = network::PlanOf(collective, cluster)};
      continue;
    }
    ASSIGN_OR_RETURN(const Cost cost,
                     PriceOperation(std::get<Operation>(part), line.condition, time));
    sum.cost = sum.cost + cost;
    if (cost.evidence == Evidence::kAnalytic && sum.condition) {
      sum.condition = hardware::kRooflineCondition;
    }
  }
  RETURN_IF_ERROR(refuse(sum.cost));
  return sum;
}

}  // namespace ridgeline::compute
