#include "sim/traffic/traffic_simulation.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/units_text.h"
#include "sim/compute/operation_time.h"
#include "sim/network/bus_factor.h"
#include "sim/network/flow_collectives.h"
#include "sim/network/runner_choice.h"
#include "sim/network/shared_traffic.h"
#include "sim/network/traffic_classes.h"
#include "sim/reliance.h"
#include "sim/report_settings.h"
#include "sim/trace/chrome_trace.h"

namespace ridgeline::traffic {
namespace {

using network::ItemRun;
using workloads::TrafficItem;

/// Measured over predicted slowdowns of collectives that ran at once on two H200, 28 of them: 5th
/// and 95th percentile (configs/validation/collectives-two-h200, `ridgeline validate network`).
constexpr double kSharedLow = 0.84;
constexpr double kSharedHigh = 1.05;

/// What one item took.
struct ItemOutcome {
  std::vector<ItemRun> runs;  // by repetition
  Seconds alone;              // one repetition with the network to itself
  Cost closed_form;           // of one: its range and evidence
  std::string bottleneck;     // empty: not known

  Seconds mean() const {
    Seconds sum;
    for (const ItemRun& run : runs) {
      sum += run.end - run.begin;
    }
    return sum / static_cast<double>(runs.size());
  }
};

bool IsTransfer(const TrafficItem& item) { return item.collective == CollectiveKind::kSend; }

/// The item as its closed form sees it: a transfer is the message that its fullest port would be
/// busy with, all that a sender sends or a receiver gets.
Collective ClosedFormOf(const TrafficItem& item, const hardware::Cluster& cluster) {
  if (!IsTransfer(item)) {
    return network::CollectiveOf(item, cluster);
  }
  const auto gpus = [](const workloads::GpuSet& set) {
    return static_cast<double>(set.nodes.value_or(1) * set.gpus_per_node.value_or(1));
  };
  const workloads::GpuSet to = item.to.value_or(workloads::GpuSet{});
  const double received =
      item.pattern == workloads::TransferPattern::kSpread ? gpus(item.on) / gpus(to) : 1.0;
  const bool is_one_node =
      item.on.nodes == int64_t{1} && to.nodes == int64_t{1} && item.on.first_node == to.first_node;
  return {.kind = CollectiveKind::kSend,
          .bytes = std::max(1.0, received) * item.bytes,
          .group = {.ranks = 2, .ranks_per_node = is_one_node ? 2 : 1}};
}

/// Of the item as its closed form sees it.
double BusFactor(const TrafficItem& item, const hardware::Cluster& cluster) {
  return network::BusFactor(item.collective,
                            static_cast<double>(ClosedFormOf(item, cluster).group.ranks));
}

/// Every item by its closed form, one repetition after the other.
Result<std::vector<ItemOutcome>> ByClosedForms(const sim::Scenario& scenario,
                                               const compute::OperationTime& time) {
  std::vector<ItemOutcome> outcomes;
  for (const TrafficItem& item : scenario.traffic) {
    ASSIGN_OR_RETURN(const Cost cost, time.CostOf(ClosedFormOf(item, scenario.cluster)));
    ItemOutcome outcome{.runs = {}, .alone = cost.mean, .closed_form = cost, .bottleneck = {}};
    Seconds at = item.start;
    for (int64_t i = 0; i < item.repeat; ++i) {
      outcome.runs.push_back({.begin = at, .end = at + cost.mean});
      at += cost.mean;
    }
    outcomes.push_back(std::move(outcome));
  }
  return outcomes;
}

/// For each item the link that its flows wait for longest: all items' bytes over its capacity.
std::vector<std::string> BottlenecksOf(const network::TrafficPlan& plan,
                                       const hardware::FabricGraph& graph) {
  const engine::Traffic& traffic = plan.traffic;
  std::vector<double> busy(static_cast<size_t>(traffic.num_links()), 0.0);
  for (engine::FlowIndex flow = 0; flow < traffic.num_flows(); ++flow) {
    for (const engine::Traffic::Crossing& crossing : traffic.path(flow)) {
      busy[static_cast<size_t>(crossing.link)] +=
          traffic.flow(flow).bytes * crossing.count / traffic.capacity(crossing.link);
    }
  }
  std::vector<std::string> names;
  for (const network::PlannedItem& item : plan.items) {
    engine::LinkIndex longest = -1;
    for (engine::FlowIndex flow = item.runs.front().begin; flow < item.runs.front().end; ++flow) {
      for (const engine::Traffic::Crossing& crossing : traffic.path(flow)) {
        if (longest < 0 ||
            busy[static_cast<size_t>(longest)] < busy[static_cast<size_t>(crossing.link)]) {
          longest = crossing.link;
        }
      }
    }
    names.push_back(longest < 0 ? std::string() : network::NameOfResource(graph, longest));
  }
  return names;
}

/// All items' flows together, and each item's by themselves.
Result<std::vector<ItemOutcome>> ByFlows(const sim::Scenario& scenario,
                                         const compute::OperationTime& time, const Stop& stop) {
  const hardware::Cluster& cluster = scenario.cluster;
  const network::RunnerChoice choice = network::RunnerFor(cluster.network.fidelity);
  const engine::TrafficRunner& runner = *choice.runner;
  ASSIGN_OR_RETURN(const hardware::FabricGraph graph, hardware::FabricGraph::Of(cluster));
  const network::PriceOf price = [&](const Collective& collective) {
    return time.CostOf(collective);
  };
  ASSIGN_OR_RETURN(const network::TrafficPlan plan,
                   network::PlanTraffic(scenario.traffic, cluster, graph, runner,
                                        choice.merges_classes, stop, price));
  ASSIGN_OR_RETURN(const engine::FlowTimes times,
                   network::RunMerged(plan.traffic, runner, choice.merges_classes, stop));
  std::vector<std::vector<ItemRun>> runs = network::RunsOf(plan, times, scenario.traffic);
  const std::vector<std::string> bottlenecks = BottlenecksOf(plan, graph);
  std::vector<ItemOutcome> outcomes;
  for (size_t i = 0; i < runs.size(); ++i) {
    TrafficItem once = scenario.traffic[i];
    once.start = {};
    once.repeat = 1;
    ASSIGN_OR_RETURN(const auto by_itself,
                     network::RunTraffic(std::span(&once, 1), cluster, graph, runner,
                                         choice.merges_classes, stop, price));
    ASSIGN_OR_RETURN(const Cost closed_form, time.CostOf(ClosedFormOf(once, cluster)));
    outcomes.push_back({.runs = std::move(runs[i]),
                        .alone = by_itself.front().front().end - by_itself.front().front().begin,
                        .closed_form = closed_form,
                        .bottleneck = bottlenecks[i]});
  }
  return outcomes;
}

class TrafficReport {
 public:
  explicit TrafficReport(const sim::Scenario& scenario) : cluster_(scenario.cluster) {
    report_.kind = sim::ReportKind::kTraffic;
    report_.title =
        fmt::format("{} {} of traffic on {}, network {}", scenario.traffic.size(),
                    scenario.traffic.size() == 1 ? "item" : "items", scenario.cluster.name,
                    Codec<hardware::NetworkFidelity>::Write(scenario.cluster.network.fidelity));
    report_.settings = sim::FlattenSettings(scenario.resolved);
  }

  void Add(const TrafficItem& item, const ItemOutcome& outcome) {
    const Cost& closed = outcome.closed_form;
    const double alone_low = Seconds{} < closed.mean ? closed.low / closed.mean : 1.0;
    const double alone_high = Seconds{} < closed.mean ? closed.high / closed.mean : 1.0;
    const Seconds mean = outcome.mean();
    const double slowdown = Seconds{} < outcome.alone ? mean / outcome.alone : 1.0;
    const bool is_slowed = slowdown > 1 + 1e-6;
    const double slowdown_low = is_slowed ? std::max(1.0, kSharedLow * slowdown) : slowdown;
    const double slowdown_high = is_slowed ? kSharedHigh * slowdown : slowdown;
    // Time is what it takes alone, slowed: as uncertain as both.
    const double low = alone_low * (slowdown_low / slowdown);
    const double high = alone_high * (slowdown_high / slowdown);
    const Evidence alone = closed.evidence;
    const Evidence beside = is_slowed ? Worse(alone, Evidence::kExtrapolated) : closed.evidence;
    const std::string prefix = "item." + item.name + ".";
    const auto add = [&](std::string_view name, double value, std::string unit, double least,
                         double most, Evidence evidence) {
      report_.metrics.push_back({.name = prefix + std::string(name),
                                 .value = value,
                                 .unit = std::move(unit),
                                 .low = least,
                                 .high = most,
                                 .evidence = evidence});
    };
    const double begin = outcome.runs.front().begin.base();
    const double busy = outcome.runs.back().end.base() - begin;
    add("begin", begin, "s", begin, begin, Evidence::kMeasured);  // as the scenario says
    add("end", begin + busy, "s", begin + low * busy, begin + high * busy, beside);
    add("time", mean.base(), "s", low * mean.base(), high * mean.base(), beside);
    add("alone", outcome.alone.base(), "s", alone_low * outcome.alone.base(),
        alone_high * outcome.alone.base(), alone);
    add("slowdown", slowdown, "1", slowdown_low, slowdown_high, beside);
    const double bandwidth =
        Seconds{} < mean ? BusFactor(item, cluster_) * (item.bytes / mean).base() : 0.0;
    add("bus_bandwidth", bandwidth, "B/s", bandwidth / high, bandwidth / low, beside);
    if (!outcome.bottleneck.empty()) {
      report_.assumptions.push_back(
          {item.name + " is limited by", outcome.bottleneck, "most loaded link of its flows"});
    }
    end_ = std::max(end_, outcome.runs.back().end);
    if (slowest_.value < slowdown) {
      slowest_ = {.value = slowdown, .low = slowdown_low, .high = slowdown_high};
    }
    low_ = std::min(low_, low);
    high_ = std::max(high_, high);
    evidence_ = Worse(evidence_, beside);
  }

  sim::Report Finish(const sim::Scenario& scenario, const compute::OperationTime& time) {
    const double end = end_.base();
    report_.metrics.insert(report_.metrics.begin(), {{.name = "traffic_time",
                                                      .value = end,
                                                      .unit = "s",
                                                      .low = low_ * end,
                                                      .high = high_ * end,
                                                      .evidence = evidence_},
                                                     {.name = "slowdown.max",
                                                      .value = slowest_.value,
                                                      .unit = "1",
                                                      .low = slowest_.low,
                                                      .high = slowest_.high,
                                                      .evidence = evidence_}});
    const hardware::RunProfile run{
        .dtypes = {}, .has_fused_attention = false, .gpus = scenario.cluster.gpus()};
    for (const hardware::RateInUse& rate : time.RatesFor(run)) {
      report_.assumptions.push_back({rate.what, rate.value, rate.source});
    }
    for (const sim::FilledDefault& filled : scenario.defaults) {
      report_.assumptions.push_back({filled.path, filled.value, "default"});
    }
    const bool shares = scenario.traffic.size() > 1 || IsTransfer(scenario.traffic.front());
    if (shares && scenario.cluster.network.fidelity == hardware::NetworkFidelity::kAnalytic) {
      report_.warnings.push_back(
          {.code = ErrorCode::kFailedPrecondition,
           .message = "closed forms know no sharing: each item is priced as if it were alone, a "
                      "transfer by its fullest port",
           .hint = "use network.fidelity: flow"});
    }
    return std::move(report_);
  }

 private:
  const hardware::Cluster& cluster_;
  sim::Report report_;
  Seconds end_;
  struct Slowest {
    double value = 1.0;
    double low = 1.0;
    double high = 1.0;
  } slowest_;
  double low_ = 1.0;
  double high_ = 1.0;
  Evidence evidence_ = Evidence::kMeasured;
};

Status WriteTrace(const sim::Scenario& scenario, const std::vector<ItemOutcome>& outcomes,
                  std::ostream& out) {
  trace::ChromeTrace trace(out);
  trace.Process(1, scenario.cluster.name, 0);
  for (size_t i = 0; i < outcomes.size(); ++i) {
    const TrafficItem& item = scenario.traffic[i];
    const auto track = static_cast<int64_t>(i) + 1;
    trace.Thread(1, track, item.name, track);
    for (const ItemRun& run : outcomes[i].runs) {
      const engine::Picoseconds begin = engine::ToPicosecondsSaturating(run.begin);
      trace.Slice(1, track, item.name, CollectiveName(item.collective), begin,
                  engine::ToPicosecondsSaturating(run.end) - begin);
    }
  }
  if (!trace.Finish()) {
    return Fail({.code = ErrorCode::kUnavailable,
                 .message = "cannot write the trace",
                 .hint = "see whether the disk is full"});
  }
  return {};
}

}  // namespace

Result<sim::Report> SimulateTraffic(const sim::Scenario& scenario, const sim::RunOptions& options) {
  // An item is one group: what sister groups would do to it at the leaves is no part of it.
  hardware::Cluster alone = network::WithoutContention(scenario.cluster);
  alone.network.fidelity = hardware::NetworkFidelity::kAnalytic;
  const compute::OperationTime time = compute::OperationTime::Of(alone, options.stop);
  const bool has_flows = scenario.cluster.network.fidelity != hardware::NetworkFidelity::kAnalytic;
  ASSIGN_OR_RETURN(
      const std::vector<ItemOutcome> outcomes,
      has_flows ? ByFlows(scenario, time, options.stop) : ByClosedForms(scenario, time));
  TrafficReport report(scenario);
  for (size_t i = 0; i < outcomes.size(); ++i) {
    report.Add(scenario.traffic[i], outcomes[i]);
  }
  if (options.trace != nullptr) {
    RETURN_IF_ERROR(WriteTrace(scenario, outcomes, *options.trace));
  }
  return report.Finish(scenario, time);
}

}  // namespace ridgeline::traffic
