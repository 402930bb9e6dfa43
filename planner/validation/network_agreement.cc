#include "planner/validation/network_agreement.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/units_text.h"
#include "hardware/collective_library.h"
#include "planner/validation/measured_sharing.h"
#include "planner/validation/score.h"
#include "sim/engine/flow_engine.h"
#include "sim/network/channel_graph.h"
#include "sim/network/collective_plan.h"
#include "sim/network/flow_collectives.h"
#include "sim/network/hierarchical.h"
#include "sim/network/shared_traffic.h"
#include "sim/network/simgrid_reference.h"
#include "sim/network/traffic_classes.h"

namespace ridgeline::validation {
namespace {

using hardware::Cluster;
using hardware::FabricGraph;
using network::GroupShape;

/// SimGrid, but for cases that it is expected to take too long for. By expectation, not by the
/// clock, so that the table is the same on any machine.
class PatientReferee final : public engine::TrafficRunner {
 public:
  PatientReferee(const engine::TrafficRunner& referee, Seconds patience)
      : referee_(referee), patience_(patience) {}

  Result<engine::FlowTimes> Run(const engine::Traffic& traffic, const Stop& stop) const override {
    const double seconds = network::ExpectedSeconds(traffic);
    if (seconds > patience_.base()) {
      return Unimplemented(fmt::format("SimGrid would take about {:.0f} s for {} flows",
                                       std::max(1.0, seconds), traffic.num_flows()),
                           "raise referee_patience");
    }
    return referee_.Run(traffic, stop);
  }

 private:
  const engine::TrafficRunner& referee_;
  Seconds patience_;
};

bool IsStopped(const Error& error) {
  return error.code == ErrorCode::kCancelled || error.code == ErrorCode::kDeadlineExceeded;
}

/// The machine of a case, with its own network settings.
Result<Cluster> ClusterOf(const AgreementCase& one, const hardware::Catalog& catalog) {
  ASSIGN_OR_RETURN(Cluster cluster, catalog.ResolveCluster(one.cluster));
  cluster.network = one.network;
  ASSIGN_OR_RETURN(cluster.collectives, catalog.ResolveCollectives(cluster.network.library));
  return cluster;
}

/// With the library's own model of its wires.
Cluster Uncorrected(Cluster cluster) {
  auto library = std::make_shared<hardware::CollectiveLibrary>(*cluster.collectives);
  library->corrections = {};
  cluster.collectives = std::move(library);
  return cluster;
}

CollectiveAlgorithm AlgorithmOf(const AgreementCollective& collective) {
  if (collective.kind == CollectiveKind::kAllToAll || collective.kind == CollectiveKind::kSend) {
    return CollectiveAlgorithm::kPairwise;
  }
  return hardware::ParseAlgorithm(collective.algorithm).value_or(CollectiveAlgorithm::kRing);
}

Collective CollectiveOf(const AgreementCollective& of) {
  return {.kind = of.kind,
          .bytes = of.bytes,
          .group = {.ranks = of.ranks,
                    .ranks_per_node = std::min(of.ranks, of.ranks_per_node),
                    .node_stride = of.node_stride},
          .algorithm = AlgorithmOf(of),
          .protocol = CollectiveProtocol::kSimple};
}

/// Which share of its links' sustained rate the library's rings fill. Over nodes a ring has g - 1
/// hops inside each; on rails one more, back to the GPU whose port it came in by (group_rails.h).
double RingShare(const Cluster& cluster, const GroupShape& shape) {
  const network::GroupLinks links = network::LinksOf(cluster, shape);
  const double inside = links.inside_rate().base();
  const double g = shape.per_node;
  const double hops = links.has_rails ? g : g - 1;
  const double rate = shape.is_one_node() ? inside
                                          : std::min(g > 1 ? inside * g / hops : inside,
                                                     g * links.across_rate().base());
  return network::RingGraph(links).bus().base() / rate;
}

/// Of a hierarchy: its levels follow one another, each at its own share. T = sum of W_i x share_i.
double HierarchyShare(const Collective& collective, const Cluster& cluster) {
  const GroupShape shape = network::ShapeOf(collective.group);
  double wires = 0.0;
  double filled = 0.0;
  const auto add = [&](CollectiveKind kind, const GroupShape& level, Bytes bytes) {
    const Collective part{.kind = kind,
                          .bytes = bytes,
                          .group = {.ranks = static_cast<int64_t>(level.ranks),
                                    .ranks_per_node = static_cast<int64_t>(level.per_node)},
                          .algorithm = CollectiveAlgorithm::kRing,
                          .protocol = CollectiveProtocol::kSimple};
    const double wire = network::PlanOf(part, cluster).wire.base();
    wires += wire;
    filled += wire * RingShare(cluster, level);
  };
  if (collective.kind == CollectiveKind::kAllReduce) {
    add(CollectiveKind::kReduceScatter, network::InsideOf(shape), collective.bytes);
    add(CollectiveKind::kAllGather, network::InsideOf(shape), collective.bytes);
  } else {
    add(collective.kind, network::InsideOf(shape), collective.bytes);
  }
  add(collective.kind, network::AcrossOf(shape), network::AcrossSize(shape, collective.bytes));
  return filled / wires;
}

double ShareOf(const Collective& collective, const Cluster& cluster) {
  switch (collective.algorithm) {
    case CollectiveAlgorithm::kRing:
      return RingShare(cluster, network::ShapeOf(collective.group));
    case CollectiveAlgorithm::kHierarchical:
      return HierarchyShare(collective, cluster);
    default:
      return 1.0;
  }
}

/// The row's times by flows and by SimGrid, or why there are none. Errors: the stop's.
Status SetTimes(Result<Seconds> flow, Result<Seconds> simgrid, AgreementRow& row) {
  for (const Result<Seconds>* time : {&flow, &simgrid}) {
    if (!*time && IsStopped(time->error())) {
      return Fail(time->error());
    }
  }
  const auto set = [](const Result<Seconds>& time, std::optional<Seconds>& to, std::string& why) {
    if (time) {
      to = *time;
    } else {
      why = time.error().message;
    }
  };
  set(flow, row.flow, row.no_flow);
  set(simgrid, row.simgrid, row.no_simgrid);
  return {};
}

Result<AgreementRow> RunCollective(const AgreementCase& one, const Cluster& real,
                                   const engine::TrafficRunner& referee, const Stop& stop) {
  const Cluster cluster = Uncorrected(real);
  const Collective collective = CollectiveOf(*one.collective);
  const RankGroup& group = collective.group;
  AgreementRow row{
      .id = one.id,
      .what = fmt::format("{} {}, {}, {} ranks, {} a node", AlgorithmName(collective.algorithm),
                          CollectiveName(collective.kind), Format(collective.bytes), group.ranks,
                          group.ranks_per_node),
      .slowdown = one.slowdown,
      .or_more = one.or_more,
      .because = one.because};
  ASSIGN_OR_RETURN(const FabricGraph graph, FabricGraph::Of(cluster));
  ASSIGN_OR_RETURN(const std::vector<network::GroupGpus> groups,
                   network::PlaceGroups(group, cluster.nodes, cluster.node.gpus));
  const Cluster alone = network::WithoutContention(cluster);
  RETURN_IF_ERROR(network::CheckPlan(collective, alone));
  row.closed_form = network::PlanOf(collective, alone).wire;
  const double share = ShareOf(collective, alone);
  const auto run = [&](const engine::TrafficRunner& runner, bool merges) -> Result<Seconds> {
    ASSIGN_OR_RETURN(const network::FluidRun fluid,
                     network::RunGroups({.kind = collective.kind,
                                         .algorithm = collective.algorithm,
                                         .bytes = collective.bytes.base()},
                                        groups, graph, cluster, network::SwitchLimits::kReal,
                                        runner, merges, stop));
    return fluid.time / share;
  };
  RETURN_IF_ERROR(SetTimes(run(engine::FlowEngine(), true), run(referee, false), row));
  return row;
}

/// The item's plan: of a transfer, one message.
Collective PlannedOf(const workloads::TrafficItem& item, const Cluster& cluster,
                     const network::GroupGpus& gpus) {
  if (item.collective == CollectiveKind::kSend) {
    const bool leaves_node = item.to && item.to->first_node != item.on.first_node;
    return {.kind = CollectiveKind::kSend,
            .bytes = item.bytes,
            .group = {.ranks = 2, .ranks_per_node = leaves_node ? 1 : 2}};
  }
  const auto ranks = static_cast<int64_t>(gpus.size());
  const int64_t per_node = item.on.gpus_per_node.value_or(cluster.node.gpus);
  return {.kind = item.collective,
          .bytes = item.bytes,
          .group = {.ranks = ranks,
                    .ranks_per_node = std::min(ranks, per_node),
                    .node_stride = item.on.stride}};
}

/// Each item's mean time of one repetition, less what is not on the wire.
std::vector<Seconds> WireTimes(const network::TrafficPlan& plan, const engine::FlowTimes& times,
                               const std::vector<workloads::TrafficItem>& items) {
  std::vector<Seconds> means;
  const auto runs = network::RunsOf(plan, times, items);
  for (size_t i = 0; i < runs.size(); ++i) {
    const Seconds all = runs[i].back().end - runs[i].front().begin;
    means.push_back(all / static_cast<double>(runs[i].size()) - plan.items[i].latency);
  }
  return means;
}

Result<std::vector<AgreementRow>> RunItems(const AgreementCase& one, const Cluster& cluster,
                                           const engine::TrafficRunner& referee, const Stop& stop) {
  ASSIGN_OR_RETURN(const FabricGraph graph, FabricGraph::Of(cluster));
  const engine::FlowEngine engine;
  ASSIGN_OR_RETURN(const network::TrafficPlan plan,
                   network::PlanTraffic(one.traffic, cluster, graph, engine, true, stop));
  const Result<engine::FlowTimes> flow = network::RunCollapsed(plan.traffic, engine, stop);
  const Result<engine::FlowTimes> simgrid = referee.Run(plan.traffic, stop);
  const Cluster alone = network::WithoutContention(cluster);
  std::vector<AgreementRow> rows;
  for (size_t i = 0; i < one.traffic.size(); ++i) {
    const workloads::TrafficItem& item = one.traffic[i];
    ASSIGN_OR_RETURN(const network::GroupGpus gpus, network::GpusOf(item.on, cluster));
    AgreementRow& row = rows.emplace_back();
    row.id = fmt::format("{}: {}", one.id, item.name);
    row.what = fmt::format("{}, {}, {} GPUs, beside {} other", CollectiveName(item.collective),
                           Format(item.bytes), gpus.size(), one.traffic.size() - 1);
    row.closed_form = network::PlanOf(PlannedOf(item, cluster, gpus), alone).wire;
    row.slowdown = one.slowdowns.empty() ? one.slowdown : one.slowdowns[i];
    row.or_more = one.or_more;
    row.because = one.because;
    const auto time_of = [&](const Result<engine::FlowTimes>& times) -> Result<Seconds> {
      return times.map(
          [&](const engine::FlowTimes& all) { return WireTimes(plan, all, one.traffic)[i]; });
    };
    RETURN_IF_ERROR(SetTimes(time_of(flow), time_of(simgrid), row));
  }
  return rows;
}

CaseOutcome OutcomeOf(const AgreementRow& row, std::string metric, double tolerance) {
  CaseOutcome outcome{.id = row.id,
                      .metric = metric,
                      .evidence = Evidence::kAnalytic,
                      .tolerance = tolerance,
                      .skipped_metrics = {metric}};
  return outcome;
}

void Skip(SkipKind kind, const std::string& reason, CaseOutcome& outcome) {
  outcome.skip = kind;
  outcome.reason = reason;
}

void SetFlow(const AgreementRow& row, double expected, CaseOutcome& outcome) {
  outcome.measured = expected;
  outcome.predicted = row.flow->base();
  outcome.low = outcome.high = outcome.predicted;
}

void AddOutcomes(const AgreementRow& row, const NetworkSuite& of, SuiteOutcome& suite) {
  CaseOutcome closed = OutcomeOf(row, "flow_over_closed_form", of.agree);
  CaseOutcome referee = OutcomeOf(row, "flow_over_simgrid", of.referee);
  if (!row.flow) {
    Skip(SkipKind::kError, row.no_flow, closed);
    Skip(SkipKind::kError, row.no_flow, referee);
  } else {
    // Above a lower bound is no difference: then what is expected is what came out.
    const double expected = row.closed_form.base() * row.slowdown;
    SetFlow(row, row.or_more ? std::max(expected, row.flow->base()) : expected, closed);
    if (row.simgrid) {
      SetFlow(row, row.simgrid->base(), referee);
    } else {
      Skip(SkipKind::kUnimplemented, row.no_simgrid, referee);
    }
  }
  suite.cases.push_back(std::move(closed));
  suite.cases.push_back(std::move(referee));
}

void AddOutcome(const SharingRow& row, SuiteOutcome& suite) {
  const double predicted = row.predicted_slowdown();
  suite.cases.push_back({.id = fmt::format("{} of {}, {}", row.one, row.beside, Format(row.bytes)),
                         .metric = "slowdown",
                         .measured = row.measured_slowdown(),
                         .predicted = predicted,
                         .low = predicted,
                         .high = predicted,
                         .evidence = Evidence::kExtrapolated});
}

/// The case's rows; one with the reason where it cannot be run.
Result<std::vector<AgreementRow>> RowsOf(const AgreementCase& one, const Cluster& cluster,
                                         const engine::TrafficRunner& referee, const Stop& stop) {
  Result<std::vector<AgreementRow>> rows =
      one.collective ? RunCollective(one, cluster, referee, stop).map([](AgreementRow row) {
        return std::vector<AgreementRow>{std::move(row)};
      })
                     : RunItems(one, cluster, referee, stop);
  if (!rows && !IsStopped(rows.error())) {
    AgreementRow row;
    row.id = one.id;
    row.no_flow = row.no_simgrid = rows.error().message;
    return std::vector<AgreementRow>{std::move(row)};
  }
  return rows;
}

}  // namespace

Result<SuiteOutcome> EvaluateNetwork(const NetworkSuite& suite, const hardware::Catalog& catalog,
                                     const engine::TrafficRunner& referee, const Stop& stop) {
  const PatientReferee patient(referee, suite.referee_patience);
  SuiteOutcome outcome;
  outcome.name = suite.name;
  outcome.source = suite.source;
  outcome.is_by_metric = true;
  for (const AgreementCase& one : suite.cases) {
    RETURN_IF_ERROR(stop.Check());
    ASSIGN_OR_RETURN(const Cluster cluster, ClusterOf(one, catalog));
    ASSIGN_OR_RETURN(const std::vector<AgreementRow> rows, RowsOf(one, cluster, patient, stop));
    for (const AgreementRow& row : rows) {
      AddOutcomes(row, suite, outcome);
      outcome.agreement.push_back(row);
    }
  }
  for (const SharingTable& table : suite.measured) {
    ASSIGN_OR_RETURN(const Cluster cluster, catalog.ResolveCluster(table.described.cluster));
    ASSIGN_OR_RETURN(const std::vector<SharingRow> rows,
                     PredictSharing(table.mixes, cluster, stop));
    for (const SharingRow& row : rows) {
      AddOutcome(row, outcome);
      outcome.sharing.push_back(row);
    }
    outcome.notes.insert(outcome.notes.end(), table.described.misses.begin(),
                         table.described.misses.end());
  }
  Summarise(outcome);
  return outcome;
}

Result<SuiteOutcome> EvaluateNetwork(const NetworkSuite& suite, const hardware::Catalog& catalog,
                                     const Stop& stop) {
  return EvaluateNetwork(suite, catalog, network::SimgridReference(), stop);
}

}  // namespace ridgeline::validation
