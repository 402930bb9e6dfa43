#include "planner/validation/measured_sharing.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "hardware/fabric_graph.h"
#include "sim/engine/flow_engine.h"
#include "sim/network/collective_plan.h"
#include "sim/network/collective_traffic.h"

namespace ridgeline::validation {
namespace {

using network::CollectivePlan;
using network::FlowRange;
using network::TrafficWriter;

constexpr int kRepeats = 24;
/// Whose mean was measured: the middle of the run, when all are at work.
constexpr int kFirstCounted = 2;
constexpr int kLastCounted = 15;

/// One operation between GPU 0 and GPU 1.
struct Operation {
  network::CollectiveTraffic what;  // bytes such that they take the plan's wire alone
  network::GroupGpus group;
  Seconds before;  // latency and ramp
};

class TwoGpus {
 public:
  TwoGpus(const hardware::Cluster& cluster, const hardware::FabricGraph& graph, const Stop& stop)
      : cluster_(cluster), graph_(graph), stop_(stop) {}

  /// The mean time of one of each while all run.
  Result<std::vector<Seconds>> TimesOf(const MeasuredMix& mix) const {
    TrafficWriter writer(graph_, cluster_, network::SwitchLimits::kReal);
    std::vector<std::vector<FlowRange>> runs;
    for (const std::string& name : mix.operations) {
      ASSIGN_OR_RETURN(const Operation operation, OperationOf(name, mix.bytes));
      ASSIGN_OR_RETURN(runs.emplace_back(), AppendRuns(operation, writer));
    }
    ASSIGN_OR_RETURN(const engine::FlowTimes times,
                     engine::FlowEngine().Run(writer.traffic(), stop_));
    std::vector<Seconds> means;
    for (const std::vector<FlowRange>& of_one : runs) {
      const auto end = [&](int run) {
        const FlowRange& range = of_one[static_cast<size_t>(run)];
        return *std::max_element(times.end.begin() + range.begin, times.end.begin() + range.end);
      };
      means.push_back(engine::ToSeconds(end(kLastCounted) - end(kFirstCounted)) /
                      (kLastCounted - kFirstCounted));
    }
    return means;
  }

 private:
  Result<Operation> OperationOf(const std::string& name, Bytes bytes) const {
    const CollectiveKind kind = *OperationNamed(name);
    const CollectivePlan plan = network::PlanOf(
        {.kind = kind, .bytes = bytes, .group = {.ranks = 2, .ranks_per_node = 2}}, cluster_);
    Operation operation{
        .what = {.kind = kind, .algorithm = plan.algorithm, .bytes = bytes.base()},
        .group = name == "send_back" ? network::GroupGpus{1, 0} : network::GroupGpus{0, 1},
        .before = plan.latency + plan.ramp};
    TrafficWriter alone(graph_, cluster_, network::SwitchLimits::kReal);
    RETURN_IF_ERROR(AppendCollective(operation.what, operation.group, alone));
    ASSIGN_OR_RETURN(const engine::FlowTimes times,
                     engine::FlowEngine().Run(alone.traffic(), stop_));
    operation.what.bytes *= plan.wire / engine::ToSeconds(times.makespan);
    return operation;
  }

  static Result<std::vector<FlowRange>> AppendRuns(const Operation& operation,
                                                   TrafficWriter& writer) {
    TrafficWriter::Beginning beginning{
        .start = 0, .delay = engine::ToPicosecondsSaturating(operation.before), .after = {}};
    std::vector<FlowRange> runs;
    for (int run = 0; run < kRepeats; ++run) {
      writer.BeginAt(beginning);
      ASSIGN_OR_RETURN(const FlowRange range,
                       AppendCollective(operation.what, operation.group, writer));
      runs.push_back(range);
      std::vector<engine::FlowIndex> flows;
      for (engine::FlowIndex flow = range.begin; flow < range.end; ++flow) {
        flows.push_back(flow);
      }
      beginning.after = {writer.AddGate(flows)};
    }
    return runs;
  }

  const hardware::Cluster& cluster_;
  const hardware::FabricGraph& graph_;
  const Stop& stop_;
};

/// The mean over the operations of that name.
Seconds MeanOf(const std::string& name, const MeasuredMix& mix, const std::vector<Seconds>& times) {
  Seconds sum;
  double count = 0;
  for (size_t i = 0; i < times.size(); ++i) {
    if (mix.operations[i] == name) {
      sum += times[i];
      ++count;
    }
  }
  return sum / count;
}

}  // namespace

Result<std::vector<SharingRow>> PredictSharing(const std::vector<MeasuredMix>& mixes,
                                               const hardware::Cluster& cluster, const Stop& stop) {
  ASSIGN_OR_RETURN(const hardware::FabricGraph graph, hardware::FabricGraph::Of(cluster));
  const TwoGpus gpus(cluster, graph, stop);
  struct Alone {
    Seconds measured;
    Seconds predicted;
  };
  std::map<std::pair<std::string, double>, Alone> alone;
  for (const MeasuredMix& mix : mixes) {
    if (mix.operations.size() == 1) {
      ASSIGN_OR_RETURN(const std::vector<Seconds> times, gpus.TimesOf(mix));
      alone[{mix.operations[0], mix.bytes.base()}] = {.measured = mix.times[0],
                                                      .predicted = times[0]};
    }
  }
  std::vector<SharingRow> rows;
  for (const MeasuredMix& mix : mixes) {
    if (mix.operations.size() == 1) {
      continue;
    }
    RETURN_IF_ERROR(stop.Check());
    ASSIGN_OR_RETURN(const std::vector<Seconds> times, gpus.TimesOf(mix));
    std::string beside;
    for (const std::string& name : mix.operations) {
      beside += (beside.empty() ? "" : "+") + name;
    }
    for (size_t i = 0; i < mix.operations.size(); ++i) {
      const std::string& name = mix.operations[i];
      const auto base = alone.find({name, mix.bytes.base()});
      const auto first = std::find(mix.operations.begin(), mix.operations.end(), name);
      if (base == alone.end() || first - mix.operations.begin() != static_cast<ptrdiff_t>(i)) {
        continue;
      }
      rows.push_back({.beside = beside,
                      .one = name,
                      .bytes = mix.bytes,
                      .measured_alone = base->second.measured,
                      .measured = MeanOf(name, mix, mix.times),
                      .predicted_alone = base->second.predicted,
                      .predicted = MeanOf(name, mix, times)});
    }
  }
  return rows;
}

}  // namespace ridgeline::validation
