/// "Which configuration is best?" A scenario whose parallelism, schedule, micro-batch,
/// recomputation, sharding, replicas or scheduler are left out (searched) or given as lists
/// (restricted) is a space; the plan is its best point with the proof of how good it is.
///
/// Search: legality, then memory, then an admissible bound (no schedule beats its critical path or
/// its roofline), then evaluation; in rounds of a fixed number of best-first candidates, the
/// incumbent changing between rounds only, ties broken by the canonical order of settings, so that
/// the answer and every count are the same at any number of threads.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/document.h"
#include "base/progress.h"
#include "base/result.h"
#include "base/stop.h"
#include "hardware/catalog.h"
#include "sim/report.h"
#include "sim/target.h"

namespace ridgeline::planner {

/// One configuration, simulated.
struct Candidate {
  /// What was searched, by path: "training.parallelism.tp" -> "4".
  std::map<std::string, std::string> settings;
  sim::Report report;  // as `simulate` of the scenario with these settings gives it
};

/// Every candidate of the space is counted in exactly one of illegal, out_of_memory, bounded,
/// evaluated; their sum is `considered`.
struct SearchCounts {
  int64_t considered = 0;
  int64_t illegal = 0;
  int64_t out_of_memory = 0;
  int64_t bounded = 0;    // could not beat the incumbent, or not meet a target, by the bound
  int64_t evaluated = 0;  // taken to the number that `simulate` prints
  friend bool operator==(const SearchCounts&, const SearchCounts&) = default;
};

struct Plan {
  std::string title;         // "llama-3.1-70b on 64 x h100-sxm"
  std::string objective;     // the metric: "step_time"
  bool is_minimized = true;  // throughputs are maximised
  std::vector<sim::Target> targets;
  bool is_feasible = false;           // some candidate fits and meets every target
  bool is_partial = false;            // stopped before the space was exhausted
  std::vector<Candidate> candidates;  // the best, best first; empty when infeasible
  SearchCounts counts;
  std::vector<std::string>
      searched;        // paths, with their choices: "training.parallelism.tp: 1, 2, 4"
  double floor = 0.0;  // no candidate of the space is better than this, in the objective's unit
  double gap = 0.0;    // (best - floor) / floor; 0: proven optimal
  std::vector<std::string> why_not;  // by reason, why others were left out; for people
};

struct PlanOptions {
  Stop stop = {};
  Progress* progress = nullptr;  // may be null
  int jobs = 1;                  // threads; changes no answer
  int keep = 5;                  // candidates in the answer
  /// Whether somebody reads the partial answer of a cancelled search: whoever pressed ^C does, a
  /// client that hung up does not. A deadline's is always read.
  bool is_read_when_cancelled = true;
  /// Called from the searching thread with every better candidate, in order. May be empty.
  std::function<void(const Candidate&)> on_incumbent = {};
  std::vector<sim::Target> targets = {};               // beside the document's
  std::optional<std::string> minimize = std::nullopt;  // a metric; default: step_time, or gpus
};

/// Whether a searched key of the document is a list: a space that is no scenario by itself.
bool HasChoices(const Node& document);
/// How many configurations the document leaves to choose from, legal or not. Errors: those of the
/// document with its lists taken out.
Result<int64_t> CountConfigurations(const Node& document, const hardware::Catalog& catalog);

/// Errors: those of the document with its lists taken out, a metric that is unknown or not an
/// objective, kCancelled and kDeadlineExceeded when stopped before any candidate was evaluated
/// (else the best so far, is_partial).
Result<Plan> MakePlan(const Node& document, const hardware::Catalog& catalog,
                      const PlanOptions& options);

}  // namespace ridgeline::planner
