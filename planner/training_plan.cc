#include "planner/training_plan.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <optional>
#include <stop_token>
#include <utility>

#include <fmt/format.h>
#include <tbb/enumerable_thread_specific.h>

#include "base/check.h"
#include "planner/evaluate.h"
#include "planner/for_each_index.h"
#include "planner/objective.h"
#include "planner/search.h"
#include "planner/training_costs.h"
#include "planner/training_legality.h"
#include "planner/training_space.h"
#include "planner/why_not.h"
#include "sim/simulate.h"

namespace ridgeline::planner {
namespace {

class TrainingPlanner {
 public:
  TrainingPlanner(TrainingSpace space, StepMetric objective, std::vector<StepTarget> targets,
                  const hardware::Catalog& catalog, const PlanOptions& options)
      : space_(std::move(space)),
        objective_(std::move(objective)),
        targets_(std::move(targets)),
        catalog_(catalog),
        options_(options) {}

  Result<Plan> Make() {
    ASSIGN_OR_RETURN(legal_, FindLegalPoints(space_, options_.stop));
    if (!legal_.points.empty()) {
      ReportProgress("costs", 0, legal_.points.size());
      ASSIGN_OR_RETURN(const TrainingCosts costs,
                       TrainingCosts::Of(space_, legal_.points, options_.jobs, options_.stop));
      ReportProgress("bounds", 0, legal_.points.size());
      const TrainingEvaluator fresh(space_, legal_.points, costs);
      Evaluators evaluators(fresh);
      RETURN_IF_ERROR(ScreenAll(evaluators));
      ASSIGN_OR_RETURN(found_, SearchOpen(evaluators));
    }
    return Write();
  }

 private:
  using Evaluators = tbb::enumerable_thread_specific<TrainingEvaluator>;

  void ReportProgress(std::string_view phase, size_t done, size_t total) const {
    if (options_.progress != nullptr) {
      options_.progress->Report(phase, static_cast<double>(done), static_cast<double>(total),
                                "candidates");
    }
  }

  /// Memory and bounds of every legal point, and what is left to search.
  Status ScreenAll(Evaluators& evaluators) {
    const std::vector<TrainingPoint>& points = legal_.points;
    screenings_.resize(points.size());
    std::vector<std::optional<Error>> errors(points.size());
    constexpr size_t kBlock = 64;
    ForEachIndex((points.size() + kBlock - 1) / kBlock, options_.jobs, [&](size_t block) {
      TrainingEvaluator& evaluator = evaluators.local();
      const size_t end = std::min(points.size(), (block + 1) * kBlock);
      for (size_t i = block * kBlock; i < end && !options_.stop.IsRequested(); ++i) {
        Result<Screening> screening = evaluator.Screen(i);
        if (screening) {
          screenings_[i] = *screening;
        } else {
          errors[i] = std::move(screening).error();
        }
      }
    });
    RETURN_IF_ERROR(options_.stop.Check());
    for (std::optional<Error>& error : errors) {
      if (error) {
        return Fail(*std::move(error));
      }
    }
    for (size_t i = 0; i < points.size(); ++i) {
      Sort(i);
    }
    return {};
  }

  /// Puts a screened point into its bucket.
  void Sort(size_t point) {
    const Screening& screening = screenings_[point];
    if (!screening.fits_clock) {
      ++too_long_;
      return;
    }
    if (!screening.fits_memory) {
      ++out_of_memory_;
      if (!nearest_memory_ ||
          screening.facts.allocated < screenings_[*nearest_memory_].facts.allocated) {
        nearest_memory_ = point;
      }
      return;
    }
    for (const StepTarget& target : targets_) {
      if (target.IsEasedByTime() && !target.IsMet(screening.facts)) {
        ++misses_by_bound_;
        NoteMiss(point, target, screening.facts, true);
        return;
      }
    }
    open_.push_back({.bound = RankOf(point, screening.facts), .point = point});
  }

  void NoteMiss(size_t point, const StepTarget& target, const StepFacts& facts, bool is_bound) {
    const double miss = target.Miss(facts);
    if (!nearest_miss_ || miss < nearest_miss_->miss) {
      nearest_miss_ = Miss{.point = point,
                           .miss = miss,
                           .metric = target.metric.name(),
                           .value = target.metric.Of(facts),
                           .target = target.written,
                           .is_bound = is_bound};
    }
  }

  Rank RankOf(size_t point, const StepFacts& facts) const {
    const double value = objective_.Of(facts);
    return {.objective = objective_.is_minimized() ? value : -value,
            .step = facts.makespan,
            .index = legal_.points[point].index};
  }

  StepFacts FactsOf(size_t point, engine::Picoseconds makespan) const {
    StepFacts facts = screenings_[point].facts;
    facts.makespan = makespan;
    return facts;
  }

  Result<SearchResult> SearchOpen(Evaluators& evaluators) {
    const SearchRequest request = {
        .keep = options_.keep,
        .jobs = options_.jobs,
        .stop = options_.stop,
        .evaluate = [&](size_t point) { return Evaluate(evaluators.local(), point); },
        .on_round = [&](const EvaluatedCandidate* best, size_t decided,
                        size_t total) { return AfterRound(best, decided, total); }};
    ASSIGN_OR_RETURN(SearchResult result, Search(std::move(open_), request));
    if (result.best.empty() && result.is_partial()) {
      RETURN_IF_ERROR(options_.stop.Check());
    }
    return result;
  }

  Result<EvaluatedCandidate> Evaluate(TrainingEvaluator& evaluator, size_t point) const {
    ASSIGN_OR_RETURN(const engine::Picoseconds makespan, evaluator.StepTime(point, options_.stop));
    CHECK(makespan >= screenings_[point].facts.makespan, "a step of {} ps below its bound of {} ps",
          makespan, screenings_[point].facts.makespan);
    const StepFacts facts = FactsOf(point, makespan);
    double miss = 0;
    for (const StepTarget& target : targets_) {
      miss = std::max(miss, target.Miss(facts));
    }
    return EvaluatedCandidate{.rank = RankOf(point, facts), .point = point, .miss = miss};
  }

  Status AfterRound(const EvaluatedCandidate* best, size_t decided, size_t total) {
    ReportProgress("search", decided, total);
    if (best == nullptr || (incumbent_ && *incumbent_ == best->point)) {
      return {};
    }
    const Result<const Candidate*> simulated = Simulated(*best, options_.stop);
    if (!simulated && options_.stop.IsRequested()) {
      return {};  // the search sees the stop itself
    }
    ASSIGN_OR_RETURN(const Candidate* const candidate, simulated);
    incumbent_ = best->point;
    if (options_.on_incumbent) {
      options_.on_incumbent(*candidate);
    }
    return {};
  }

  /// The candidate as `simulate` reports it; each once.
  Result<const Candidate*> Simulated(const EvaluatedCandidate& found, const Stop& stop) {
    const auto known = simulated_.find(found.point);
    if (known != simulated_.end()) {
      return &known->second;
    }
    const TrainingSettings& settings = legal_.points[found.point].settings;
    const Result<sim::Scenario> scenario =
        sim::ResolveScenario(DocumentOf(space_, settings), catalog_);
    CHECK(scenario.has_value(), "a legal candidate does not resolve: {}",
          scenario ? "" : scenario.error().message);
    ASSIGN_OR_RETURN(sim::Report report, sim::Simulate(*scenario, {.stop = stop}));
    const sim::Metric* const step = report.Find("step_time");
    const double seconds = engine::ToSeconds(found.rank.step).base();
    CHECK(report.fits && step != nullptr && step->value == seconds,
          "simulate and the search disagree: fits {}, {} s against {} s", report.fits,
          step != nullptr ? step->value : 0.0, seconds);
    Candidate candidate{.settings = SettingsText(space_, settings), .report = std::move(report)};
    return &simulated_.emplace(found.point, std::move(candidate)).first->second;
  }

  std::string Title() const {
    return fmt::format("{} on {} x {}", space_.training().model.name, fmt::join(space_.gpus, ", "),
                       space_.scenario.cluster.gpu.name);
  }

  double Value(double rank_objective) const {
    return objective_.is_minimized() ? rank_objective : -rank_objective;
  }

  Result<Plan> Write() {
    Plan plan;
    plan.title = Title();
    plan.objective = objective_.name();
    plan.is_minimized = objective_.is_minimized();
    plan.targets = space_.scenario.targets;
    plan.targets.insert(plan.targets.end(), options_.targets.begin(), options_.targets.end());
    plan.searched = ChoicesText(space_);
    plan.is_feasible = !found_.best.empty();
    plan.is_partial = found_.is_partial();
    RETURN_IF_ERROR(AddCandidates(plan));
    plan.counts.illegal = legal_.illegal + too_long_;
    plan.counts.out_of_memory = out_of_memory_;
    plan.counts.bounded = misses_by_bound_ + found_.bounded;
    plan.counts.evaluated = found_.evaluated;
    plan.counts.considered = plan.counts.illegal + plan.counts.out_of_memory + plan.counts.bounded +
                             plan.counts.evaluated;
    if (plan.is_feasible) {
      const double best = best_written_->objective;
      const double floor = found_.least_open ? std::min(best, found_.least_open->objective) : best;
      plan.floor = Value(floor);
      plan.gap = plan.floor == 0 ? 0 : (best - floor) / std::abs(floor);
    }
    plan.why_not = WriteWhyNot();
    return plan;
  }

  /// The kept ones with their reports. A step of a million sequences takes seconds to report, so a
  /// stopped search makes one more report at most, and only when that is a moment's work; none when
  /// it was cancelled and nobody reads it. It is an error when none can be shown.
  Status AddCandidates(Plan& plan) {
    constexpr std::chrono::milliseconds kMoment(50);
    for (const EvaluatedCandidate& best : found_.best) {
      if (options_.stop.IsRequested() && !plan.candidates.empty() &&
          !simulated_.contains(best.point)) {
        plan.is_partial = true;
        continue;
      }
      Result<const Candidate*> candidate = Simulated(best, options_.stop);
      const Status stop = options_.stop.Check();
      const bool is_read =
          stop || stop.error().code != ErrorCode::kCancelled || options_.is_read_when_cancelled;
      if (!candidate && !stop && is_read && !has_made_last_report_) {
        has_made_last_report_ = true;
        candidate = Simulated(best, Stop(std::stop_token(), Stop::Clock::now() + kMoment));
      }
      if (!candidate && options_.stop.IsRequested()) {
        plan.is_partial = true;
        continue;
      }
      RETURN_IF_ERROR(candidate);
      if (plan.candidates.empty()) {
        best_written_ = best.rank;
      }
      plan.candidates.push_back(**candidate);
    }
    return plan.candidates.empty() && plan.is_feasible ? options_.stop.Check() : Status();
  }

  std::vector<std::string> WriteWhyNot() {
    WhyNot why;
    why.illegal = legal_.reasons;
    why.too_long = too_long_;
    why.out_of_memory = out_of_memory_;
    why.misses_by_bound = misses_by_bound_;
    why.bounded = found_.bounded;
    why.missed = found_.missed;
    why.is_feasible = !found_.best.empty();
    why.capacity = space_.scenario.cluster.gpu.memory.capacity;
    const auto words = [&](size_t point) {
      return SettingsText(space_, legal_.points[point].settings);
    };
    if (nearest_memory_) {
      why.nearest_memory = NearMemory{.settings = words(*nearest_memory_),
                                      .peak = screenings_[*nearest_memory_].facts.peak};
    }
    if (found_.nearest_miss) {
      const EvaluatedCandidate& near = *found_.nearest_miss;
      const StepFacts facts = FactsOf(near.point, near.rank.step);
      for (const StepTarget& target : targets_) {
        if (target.Miss(facts) == near.miss) {
          NoteMiss(near.point, target, facts, false);
        }
      }
    }
    if (nearest_miss_) {
      why.nearest_miss = NearMiss{.settings = words(nearest_miss_->point),
                                  .metric = nearest_miss_->metric,
                                  .value = nearest_miss_->value,
                                  .target = nearest_miss_->target,
                                  .is_bound = nearest_miss_->is_bound};
    }
    return WriteLines(why);
  }

  struct Miss {
    size_t point = 0;
    double miss = 0;
    std::string metric;
    double value = 0;
    std::string target;
    bool is_bound = false;
  };

  const TrainingSpace space_;
  const StepMetric objective_;
  const std::vector<StepTarget> targets_;
  const hardware::Catalog& catalog_;
  const PlanOptions& options_;
  LegalPoints legal_;
  std::vector<Screening> screenings_;  // by point
  std::vector<OpenCandidate> open_;
  int64_t too_long_ = 0;
  int64_t out_of_memory_ = 0;
  int64_t misses_by_bound_ = 0;
  std::optional<size_t> nearest_memory_;
  std::optional<Miss> nearest_miss_;
  SearchResult found_;
  std::optional<size_t> incumbent_;
  std::optional<Rank> best_written_;  // of the first candidate in the answer
  bool has_made_last_report_ = false;
  std::map<size_t, Candidate> simulated_;
};

Result<std::vector<StepTarget>> TargetsOf(const TrainingSpace& space, const PlanOptions& options) {
  std::vector<sim::Target> asked = space.scenario.targets;
  asked.insert(asked.end(), options.targets.begin(), options.targets.end());
  std::vector<StepTarget> targets;
  for (const sim::Target& target : asked) {
    ASSIGN_OR_RETURN(StepMetric metric, StepMetric::Named(target.metric, space.scenario));
    targets.push_back({.metric = std::move(metric),
                       .is_upper_bound = target.is_upper_bound,
                       .value = target.value,
                       .written = target.written});
  }
  return targets;
}

}  // namespace

Result<Plan> PlanTraining(const Node& document, const hardware::Catalog& catalog,
                          const PlanOptions& options) {
  RETURN_IF_ERROR(options.stop.Check());
  ASSIGN_OR_RETURN(TrainingSpace space, ReadTrainingSpace(document, catalog));
  ASSIGN_OR_RETURN(StepMetric objective,
                   StepMetric::Named(options.minimize.value_or("step_time"), space.scenario));
  ASSIGN_OR_RETURN(std::vector<StepTarget> targets, TargetsOf(space, options));
  return TrainingPlanner(std::move(space), std::move(objective), std::move(targets), catalog,
                         options)
      .Make();
}

}  // namespace ridgeline::planner
