#include "planner/serving_plan.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "base/nearest_name.h"
#include "base/units_text.h"
#include "planner/search.h"
#include "planner/serving_space.h"
#include "sim/report_settings.h"
#include "sim/serving/serving_memory.h"
#include "sim/simulate.h"

namespace ridgeline::planner {
namespace {

// A simulation takes a tenth of a second where a training step takes microseconds: few at a time,
// so that a good incumbent soon saves the rest.
constexpr size_t kServingRoundSize = 16;
constexpr double kFar = 1e300;

/// What a serving plan can be asked for; throughputs are maximised.
std::vector<std::string> ObjectiveNames() {
  std::vector<std::string> names = {
      "gpus",     "request_throughput", "output_throughput", "total_token_throughput",
      "makespan", "preemptions"};
  for (const std::string_view latency : {"ttft", "tpot", "itl", "e2el"}) {
    for (const std::string_view statistic : {"mean", "p50", "p90", "p99"}) {
      names.push_back(fmt::format("{}.{}", latency, statistic));
    }
  }
  return names;
}

bool IsThroughput(std::string_view name) { return name.ends_with("_throughput"); }

/// How far from the target, relative to it; 0 when kept.
double MissOf(double value, const sim::Target& target) {
  const bool is_met = target.is_upper_bound ? value <= target.value : value >= target.value;
  const double whole = std::abs(target.value);
  return is_met ? 0 : std::max(std::abs(value - target.value) / (whole > 0 ? whole : 1), 1e-12);
}

/// No throughput of an open loop is above what arrives: the last completion comes after the last
/// arrival. Infinite where nothing is known.
double MostThroughput(const workloads::RequestLoad& load, std::string_view metric) {
  if (load.concurrency || load.requests.empty() ||
      !(load.requests.back().arrival > Seconds::FromBase(0))) {
    return kFar;
  }
  double amount = 0;
  for (const workloads::Request& request : load.requests) {
    amount += metric == "request_throughput" ? 1.0
              : metric == "output_throughput"
                  ? static_cast<double>(request.output_tokens)
                  : static_cast<double>(request.input_tokens + request.output_tokens);
  }
  // A hair of room for sums taken in another order.
  return amount / load.requests.back().arrival.base() * (1 + 1e-9);
}

class ServingPlanner {
 public:
  ServingPlanner(ServingSpace space, std::string objective, std::vector<sim::Target> targets,
                 const hardware::Catalog& catalog, const PlanOptions& options)
      : space_(std::move(space)),
        objective_(std::move(objective)),
        targets_(std::move(targets)),
        catalog_(catalog),
        options_(options),
        is_minimized_(!IsThroughput(objective_)),
        best_throughput_(is_minimized_ ? 0
                                       : MostThroughput(*space_.base.serving->load, objective_)) {}

  Result<Plan> Make() {
    RETURN_IF_ERROR(options_.stop.Check());
    ScreenAll();
    fresh_.resize(space_.points.size());
    rejects_.resize(space_.points.size());
    const SearchRequest request = {
        .keep = options_.keep,
        .jobs = options_.jobs,
        .round_size = kServingRoundSize,
        .stop = options_.stop,
        .evaluate = [this](size_t point) { return Evaluate(point); },
        .on_round = [this](const EvaluatedCandidate* best, size_t decided,
                           size_t total) { return AfterRound(best, decided, total); }};
    ASSIGN_OR_RETURN(found_, Search(std::move(open_), request));
    if (found_.best.empty() && found_.is_partial()) {
      RETURN_IF_ERROR(options_.stop.Check());
    }
    return Write();
  }

 private:
  /// Memory first, then what is known without a simulation.
  void ScreenAll() {
    std::map<std::pair<int64_t, int64_t>, bool> fits;
    for (const auto& [shape, scenario] : space_.shapes) {
      fits[shape] = Fits(scenario, shape.first);
    }
    for (size_t i = 0; i < space_.points.size(); ++i) {
      const ServingPoint& point = space_.points[i];
      if (!fits.at({point.tp, point.max_batched_tokens})) {
        ++out_of_memory_;
      } else if (const sim::Target* target = MissedByBound(point)) {
        ++bounded_[target->written];
      } else {
        open_.push_back({.bound = BoundOf(i), .point = i});
      }
    }
  }

  /// As the report has it: one block at least, and blocks that the user fixed must have room.
  bool Fits(const sim::Scenario& scenario, int64_t tp) {
    const serving::ServingMemory memory = serving::CountServingMemory(scenario);
    const std::optional<int64_t>& fixed = scenario.serving->kv_blocks;
    const Bytes kv_cache = fixed ? memory.block * static_cast<double>(*fixed) : memory.kv_cache;
    const Bytes peak = memory.weights + memory.activations + kv_cache + memory.context;
    if (!(scenario.cluster.gpu.memory.capacity < peak) && (memory.fits || fixed)) {
      return true;
    }
    memory_reasons_[tp] =
        fmt::format("tp {} does not fit: weights of {} and what runs beside them, on GPUs of {}",
                    tp, Format(memory.weights), Format(scenario.cluster.gpu.memory.capacity));
    return false;
  }

  /// A target that no simulation of the point can meet.
  const sim::Target* MissedByBound(const ServingPoint& point) const {
    for (const sim::Target& target : targets_) {
      if (target.metric == "gpus" && MissOf(static_cast<double>(point.gpus()), target) > 0) {
        return &target;
      }
      if (IsThroughput(target.metric) && !target.is_upper_bound &&
          MostThroughput(*space_.base.serving->load, target.metric) < target.value) {
        return &target;
      }
    }
    return nullptr;
  }

  Rank BoundOf(size_t i) const {
    const double objective =
        objective_ == "gpus" ? static_cast<double>(space_.points[i].gpus()) : -best_throughput_;
    return {.objective = objective, .step = 0, .index = static_cast<int64_t>(i)};
  }

  /// Equal objectives are told apart by the mean latency, then by the canonical order.
  Result<EvaluatedCandidate> Evaluate(size_t i) {
    const sim::Scenario scenario = space_.ScenarioOf(space_.points[i]);
    ASSIGN_OR_RETURN(sim::Report report, sim::Simulate(scenario, {.stop = options_.stop}));
    EvaluatedCandidate found = Judge(i, report);
    rejects_[i] = Rejected(report) > 0 ? 1 : 0;
    fresh_[i] = std::move(report);
    return found;
  }

  EvaluatedCandidate Judge(size_t i, const sim::Report& report) const {
    EvaluatedCandidate found{.rank = {.objective = kFar, .step = 0, .index = 0}, .point = i};
    found.rank.index = static_cast<int64_t>(i);
    const sim::Metric* const latency = report.Find("e2el.mean");
    found.rank.step = latency == nullptr ? std::numeric_limits<int64_t>::max()
                                         : engine::Picoseconds(std::llround(latency->value * 1e12));
    if (const sim::Metric* const metric = report.Find(objective_)) {
      found.rank.objective = is_minimized_ ? metric->value : -metric->value;
    } else {
      found.miss = kFar;  // nothing was answered
    }
    // Requests that are not served make the others look good.
    found.miss = std::max(found.miss, Rejected(report));
    for (const sim::Target& target : targets_) {
      const sim::Metric* const metric = report.Find(target.metric);
      found.miss = std::max(found.miss, metric == nullptr ? kFar : MissOf(metric->value, target));
    }
    return found;
  }

  static double Rejected(const sim::Report& report) {
    const sim::Metric* const rejected = report.Find("requests.rejected");
    return rejected == nullptr ? 0 : rejected->value;
  }

  Status AfterRound(const EvaluatedCandidate* best, size_t decided, size_t total) {
    RETURN_IF_ERROR(ReportRound(best, decided, total));
    std::fill(fresh_.begin(), fresh_.end(), std::nullopt);
    return {};
  }

  Status ReportRound(const EvaluatedCandidate* best, size_t decided, size_t total) {
    if (options_.progress != nullptr) {
      options_.progress->Report("search", static_cast<double>(decided), static_cast<double>(total),
                                "candidates");
    }
    if (best == nullptr || (incumbent_ && *incumbent_ == best->point)) {
      return {};
    }
    ASSIGN_OR_RETURN(const Candidate* const candidate, Simulated(best->point));
    incumbent_ = best->point;
    if (options_.on_incumbent) {
      options_.on_incumbent(*candidate);
    }
    return {};
  }

  /// The candidate as `simulate` of its document reports it; each once. What the last round has
  /// simulated is not simulated again, so that a stopped search can still report its best; the
  /// scenarios differ in the text of their settings only.
  Result<const Candidate*> Simulated(size_t i) {
    const auto known = simulated_.find(i);
    if (known != simulated_.end()) {
      return &known->second;
    }
    const ServingPoint& point = space_.points[i];
    ASSIGN_OR_RETURN(const sim::Scenario scenario,
                     sim::ResolveScenario(space_.DocumentOf(point), catalog_));
    sim::Report report;
    if (fresh_[i]) {
      report = *fresh_[i];
      report.settings = sim::FlattenSettings(scenario.resolved);
    } else {
      ASSIGN_OR_RETURN(report, sim::Simulate(scenario, {.stop = options_.stop}));
    }
    Candidate candidate{.settings = space_.SettingsOf(point), .report = std::move(report)};
    return &simulated_.emplace(i, std::move(candidate)).first->second;
  }

  Result<Plan> Write() {
    Plan plan;
    plan.title = fmt::format("{} on {}, {}", space_.base.serving->model.name,
                             space_.base.cluster.gpu.name, space_.base.serving->load->description);
    plan.objective = objective_;
    plan.is_minimized = is_minimized_;
    plan.targets = targets_;
    plan.searched = space_.searched;
    plan.is_feasible = !found_.best.empty();
    plan.is_partial = found_.is_partial();
    for (const EvaluatedCandidate& best : found_.best) {
      // A stopped search simulates nothing more; its best is of the last round or known.
      if (plan.is_partial && !simulated_.contains(best.point) && !fresh_[best.point]) {
        continue;
      }
      ASSIGN_OR_RETURN(const Candidate* const candidate, Simulated(best.point));
      CHECK(Judge(best.point, candidate->report).rank == best.rank,
            "simulate and the search disagree about {}", candidate->report.title);
      plan.candidates.push_back(*candidate);
    }
    CHECK(plan.candidates.empty() != plan.is_feasible, "{} candidates of a plan",
          plan.candidates.size());
    plan.counts.illegal = space_.illegal;
    plan.counts.out_of_memory = out_of_memory_;
    plan.counts.bounded =
        std::accumulate(bounded_.begin(), bounded_.end(), found_.bounded,
                        [](int64_t sum, const auto& reason) { return sum + reason.second; });
    plan.counts.evaluated = found_.evaluated;
    plan.counts.considered = plan.counts.illegal + plan.counts.out_of_memory + plan.counts.bounded +
                             plan.counts.evaluated;
    if (plan.is_feasible) {
      const double best = found_.best.front().rank.objective;
      double floor = found_.least_open ? std::min(best, found_.least_open->objective) : best;
      floor = std::abs(floor) >= kFar ? 0 : floor;  // nothing is known
      plan.floor = is_minimized_ ? floor : -floor;
      plan.gap = floor == 0 ? 0 : (best - floor) / std::abs(floor);
    }
    plan.why_not = WhyNot();
    return plan;
  }

  std::string Words(const ServingPoint& point) const {
    return fmt::format("tp {}, {} {}, {} tokens a step", point.tp, point.replicas,
                       point.replicas == 1 ? "replica" : "replicas", point.max_batched_tokens);
  }

  std::vector<std::string> WhyNot() {
    std::vector<std::string> lines;
    if (found_.nearest_miss && found_.best.empty()) {
      lines.push_back(NearestMiss(found_.nearest_miss->point));
    } else if (found_.missed > 0) {
      lines.push_back(fmt::format("evaluated, and short of a target: {}", found_.missed));
      if (found_.nearest_miss) {
        lines.push_back(NearestMiss(found_.nearest_miss->point));
      }
    }
    if (const auto rejecting = std::count(rejects_.begin(), rejects_.end(), 1); rejecting > 0) {
      lines.push_back(fmt::format("requests are rejected (requests.rejected above 0): {} {}",
                                  rejecting, rejecting == 1 ? "candidate" : "candidates"));
    }
    for (const auto& [tp, reason] : memory_reasons_) {
      lines.push_back(reason);
    }
    for (const auto& [reason, count] : space_.reasons) {
      lines.push_back(fmt::format("illegal: {} ({} candidates)", reason, count));
    }
    for (const auto& [target, count] : bounded_) {
      lines.push_back(fmt::format("out of reach of {}: {} candidates", target, count));
    }
    if (found_.bounded > 0) {
      lines.push_back(fmt::format("cannot beat those listed: {} candidates", found_.bounded));
    }
    return lines;
  }

  std::string NearestMiss(size_t i) {
    const Result<const Candidate*> candidate = Simulated(i);
    std::string text = "nearest miss: " + Words(space_.points[i]);
    if (!candidate) {
      return text;
    }
    if (const double rejected = Rejected((*candidate)->report); rejected > 0) {
      text += fmt::format("; requests.rejected is {:.4g} (asked 0)", rejected);
    }
    for (const sim::Target& target : targets_) {
      const sim::Metric* const metric = (*candidate)->report.Find(target.metric);
      if (metric == nullptr) {
        text += fmt::format("; {}: nothing was answered", target.metric);
      } else if (MissOf(metric->value, target) > 0) {
        text += fmt::format("; {} is {} (asked {})", target.metric,
                            metric->unit == "s" ? Format(Seconds::FromBase(metric->value))
                                                : fmt::format("{:.4g}", metric->value),
                            target.written);
      }
    }
    return text;
  }

  const ServingSpace space_;
  const std::string objective_;
  const std::vector<sim::Target> targets_;
  const hardware::Catalog& catalog_;
  const PlanOptions& options_;
  const bool is_minimized_;
  const double best_throughput_;
  std::vector<OpenCandidate> open_;
  int64_t out_of_memory_ = 0;
  std::map<int64_t, std::string> memory_reasons_;  // by tp
  std::map<std::string, int64_t> bounded_;         // by target
  std::vector<std::optional<sim::Report>> fresh_;  // by point: of the round under way
  std::vector<char> rejects_;                      // by point: 1 where requests were rejected
  SearchResult found_;
  std::optional<size_t> incumbent_;
  std::map<size_t, Candidate> simulated_;
};

Status CheckName(const std::string& name, const std::vector<std::string>& names,
                 std::string_view what) {
  if (std::find(names.begin(), names.end(), name) != names.end()) {
    return {};
  }
  return InvalidArgument(fmt::format("not {} of a serving plan: {}", what, name),
                         SuggestName(name, names));
}

}  // namespace

Result<Plan> PlanServing(const Node& document, const hardware::Catalog& catalog,
                         const PlanOptions& options) {
  const std::vector<std::string> objectives = ObjectiveNames();
  const std::string objective = options.minimize.value_or("gpus");
  RETURN_IF_ERROR(CheckName(objective, objectives, "an objective"));
  ASSIGN_OR_RETURN(ServingSpace space, ReadServingSpace(document, catalog));
  std::vector<sim::Target> targets = space.base.targets;
  targets.insert(targets.end(), options.targets.begin(), options.targets.end());
  std::vector<std::string> metrics = objectives;
  metrics.insert(metrics.end(), {"kv_cache.blocks", "memory.peak", "requests.rejected"});
  for (const sim::Target& target : targets) {
    RETURN_IF_ERROR(CheckName(target.metric, metrics, "a metric"));
  }
  return ServingPlanner(std::move(space), objective, std::move(targets), catalog, options).Make();
}

}  // namespace ridgeline::planner
