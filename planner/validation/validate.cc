#include "planner/validation/validate.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "base/nearest_name.h"
#include "planner/for_each_index.h"
#include "planner/validation/collective_folds.h"
#include "planner/validation/collective_measurements.h"
#include "planner/validation/field_map.h"
#include "planner/validation/measured_serving.h"
#include "planner/validation/network_agreement.h"
#include "planner/validation/network_suite.h"
#include "planner/validation/run_case.h"
#include "planner/validation/score.h"
#include "planner/validation/serving_logs.h"

namespace ridgeline::validation {
namespace {

namespace fs = std::filesystem;

bool IsSuiteExtension(const fs::path& path) {
  return path.extension() == ".yaml" || path.extension() == ".yml" || path.extension() == ".json" ||
         path.extension() == ".csv";
}

std::vector<fs::path> ShippedFiles(const hardware::Catalog& catalog) {
  std::vector<fs::path> files;
  std::set<std::string> seen;
  for (const fs::path& root : catalog.roots()) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(root / "validation", error)) {
      if (IsSuiteExtension(entry.path()) && seen.insert(entry.path().stem().string()).second) {
        files.push_back(entry.path());
      }
    }
  }
  std::sort(files.begin(), files.end(),
            [](const fs::path& a, const fs::path& b) { return a.stem() < b.stem(); });
  return files;
}

Result<fs::path> FindSuite(const std::string& name, const hardware::Catalog& catalog) {
  if (name.find('/') != std::string::npos || IsSuiteExtension(name)) {
    return fs::path(name);
  }
  for (const fs::path& file : ShippedFiles(catalog)) {
    if (file.stem() == name) {
      return file;
    }
  }
  return NotFound("unknown suite: " + name, SuggestName(name, ShippedSuites(catalog)));
}

Result<SourceMappings> ReadMappings(const hardware::Catalog& catalog) {
  for (const fs::path& root : catalog.roots()) {
    std::error_code error;
    if (fs::is_directory(root / "validation" / "sources", error)) {
      return SourceMappings::Read(root / "validation" / "sources");
    }
  }
  return NotFound("no folder validation/sources under the configuration folders");
}

/// A suite as read: scenarios, formulas, logs of serving, times of collectives or cases of the
/// network.
struct LoadedSuite {
  std::optional<Suite> suite = {};
  std::optional<FieldMap> formulas = {};
  std::optional<ServingLogs> logs = {};
  std::optional<MeasuredCollectives> collectives = {};
  std::optional<NetworkSuite> network = {};

  size_t num_cases() const {
    return suite         ? suite->cases.size()
           : formulas    ? formulas->cases.size()
           : collectives ? collectives->points.size()
           : network     ? network->cases.size()
                         : logs->runs.size();
  }
};

tl::unexpected<Error> HasNoHalves(const fs::path& path) {
  return Fail({.code = ErrorCode::kFailedPrecondition,
               .message = "the suite has no halves: " + path.stem().string(),
               .hint = "--half is for suites in YAML that say held_out: odd-sha256"});
}

Result<LoadedSuite> Load(const fs::path& path, const hardware::Catalog& catalog, Half half) {
  if (path.extension() == ".csv") {
    if (half != Half::kAll) {
      return HasNoHalves(path);
    }
    ASSIGN_OR_RETURN(const SourceMappings mappings, ReadMappings(catalog));
    ASSIGN_OR_RETURN(Suite suite, ReadCsvSuite(path, mappings));
    return LoadedSuite{.suite = std::move(suite)};
  }
  ASSIGN_OR_RETURN(const Node document, ReadDocument(path));
  if (half != Half::kAll && (IsFieldMap(document) || IsServingLogs(document) ||
                             IsMeasuredCollectives(document) || IsNetworkSuite(document))) {
    return HasNoHalves(path);
  }
  if (IsFieldMap(document)) {
    ASSIGN_OR_RETURN(FieldMap formulas, ReadFieldMap(document));
    return LoadedSuite{.formulas = std::move(formulas)};
  }
  if (IsServingLogs(document)) {
    ASSIGN_OR_RETURN(ServingLogs logs, ReadServingLogs(document, path.parent_path()));
    return LoadedSuite{.logs = std::move(logs)};
  }
  if (IsMeasuredCollectives(document)) {
    ASSIGN_OR_RETURN(MeasuredCollectives collectives,
                     ReadMeasuredCollectives(document, path.parent_path()));
    return LoadedSuite{.collectives = std::move(collectives)};
  }
  if (IsNetworkSuite(document)) {
    ASSIGN_OR_RETURN(NetworkSuite network, ReadNetworkSuite(document, path.parent_path()));
    return LoadedSuite{.network = std::move(network)};
  }
  ASSIGN_OR_RETURN(Suite suite, ReadYamlSuite(document, half));
  return LoadedSuite{.suite = std::move(suite)};
}

/// Counts cases over suites and threads.
struct ProgressCount {
  explicit ProgressCount(Progress* to) : progress(to) {}
  void Add(const std::string& suite) {
    const std::lock_guard lock(mutex);
    ++done;
    if (progress != nullptr) {
      progress->Report("validating " + suite, done, total, "cases");
    }
  }
  Progress* progress;
  double done = 0.0;
  double total = 0.0;
  std::mutex mutex;
};

Result<std::vector<LoadedSuite>> LoadAll(const std::vector<std::string>& names,
                                         const hardware::Catalog& catalog, Half half) {
  std::vector<LoadedSuite> loaded;
  for (const std::string& name : names.empty() ? ShippedSuites(catalog) : names) {
    ASSIGN_OR_RETURN(const fs::path path, FindSuite(name, catalog));
    Result<LoadedSuite> one = Load(path, catalog, half);
    // Half of all shipped suites is the half of those that have halves.
    if (!one && names.empty() && half != Half::kAll &&
        one.error().code == ErrorCode::kFailedPrecondition) {
      continue;
    }
    if (!one) {
      return Fail(std::move(one).error());
    }
    loaded.push_back(*std::move(one));
  }
  if (loaded.empty() && half != Half::kAll) {
    return NotFound("no shipped suite has halves", "name one of your own");
  }
  return loaded;
}

/// Cases of the other half ran only to be one side of a pair.
void WithdrawOtherHalf(const Suite& suite, std::vector<CaseOutcome>& outcomes) {
  if (suite.half != Half::kHeldOut) {
    return;
  }
  std::vector<CaseOutcome> kept;
  const Case* last = nullptr;
  for (CaseOutcome& outcome : outcomes) {
    if (outcome.is_held_out) {
      kept.push_back(std::move(outcome));
      continue;
    }
    const auto one = std::find_if(suite.cases.begin(), suite.cases.end(),
                                  [&outcome](const Case& c) { return c.id == outcome.id; });
    if (&*one != last) {
      kept.push_back(SkippedCase(*one, SkipKind::kOtherHalf, "in the fit half"));
      last = &*one;
    }
  }
  outcomes = std::move(kept);
}

SuiteOutcome RunSuite(const Suite& suite, const hardware::Catalog& catalog,
                      const ValidateOptions& options, ProgressCount& progress,
                      ValidationReport& report) {
  std::vector<CaseRun> runs(suite.cases.size(), CaseRun{.is_cut_off = true});
  planner::ForEachIndex(runs.size(), options.jobs, [&](size_t i) {
    if (!options.stop.IsRequested()) {
      runs[i] = RunCase(suite.cases[i], suite, catalog, options.stop);
      progress.Add(suite.name);
    }
  });
  SuiteOutcome outcome{.name = suite.name,
                       .source = suite.source,
                       .has_halves = suite.held_out.has_value(),
                       .half = suite.half,
                       .is_by_metric = suite.is_by_metric};
  for (CaseRun& run : runs) {
    report.is_partial = report.is_partial || run.is_cut_off;
    AddFactors(run.factors, report.factors);
    std::move(run.outcomes.begin(), run.outcomes.end(), std::back_inserter(outcome.cases));
  }
  outcome.pairs = JudgePairs(suite, outcome.cases);
  WithdrawOtherHalf(suite, outcome.cases);
  Summarise(outcome);
  return outcome;
}

}  // namespace

std::vector<std::string> ShippedSuites(const hardware::Catalog& catalog) {
  std::vector<std::string> names;
  for (const fs::path& file : ShippedFiles(catalog)) {
    names.push_back(file.stem().string());
  }
  return names;
}

Result<ValidationReport> Validate(const std::vector<std::string>& names,
                                  const hardware::Catalog& catalog,
                                  const ValidateOptions& options) {
  ASSIGN_OR_RETURN(const std::vector<LoadedSuite> loaded, LoadAll(names, catalog, options.half));
  ProgressCount progress(options.progress);
  for (const LoadedSuite& one : loaded) {
    progress.total += static_cast<double>(one.num_cases());
  }
  ValidationReport report;
  for (const LoadedSuite& one : loaded) {
    if (one.formulas) {
      report.suites.push_back(EvaluateFieldMap(*one.formulas, catalog));
      progress.done += static_cast<double>(one.formulas->cases.size());
      continue;
    }
    if (one.collectives) {
      ASSIGN_OR_RETURN(CollectiveFolds folds, EvaluateCollectives(*one.collectives, catalog));
      report.suites.push_back(std::move(folds.suite));
      progress.done += static_cast<double>(one.collectives->points.size());
      continue;
    }
    if (one.network) {
      Result<SuiteOutcome> outcome = EvaluateNetwork(*one.network, catalog, options.stop);
      if (!outcome && options.stop.IsRequested()) {
        report.is_partial = true;
        break;
      }
      if (!outcome) {
        return Fail(std::move(outcome).error());
      }
      report.suites.push_back(*std::move(outcome));
      progress.done += static_cast<double>(one.network->cases.size());
      continue;
    }
    if (one.logs) {
      report.suites.push_back(EvaluateServingLogs(*one.logs, options.stop, report.factors));
      progress.done += static_cast<double>(one.logs->runs.size());
      report.is_partial = options.stop.IsRequested();
    } else {
      report.suites.push_back(RunSuite(*one.suite, catalog, options, progress, report));
    }
    if (report.is_partial) {
      break;
    }
  }
  return report;
}

}  // namespace ridgeline::validation
