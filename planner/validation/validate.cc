#include "planner/validation/validate.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/nearest_name.h"
#include "planner/validation/field_map.h"
#include "planner/validation/measured_serving.h"
#include "planner/validation/prediction.h"
#include "planner/validation/score.h"
#include "planner/validation/serving_logs.h"
#include "sim/simulate.h"

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

/// A suite as read: scenarios, formulas or logs of serving.
struct LoadedSuite {
  std::optional<Suite> suite = {};
  std::optional<FieldMap> formulas = {};
  std::optional<ServingLogs> logs = {};

  size_t num_cases() const {
    return suite ? suite->cases.size() : formulas ? formulas->cases.size() : logs->runs.size();
  }
};

Result<LoadedSuite> Load(const fs::path& path, const hardware::Catalog& catalog) {
  if (path.extension() == ".csv") {
    ASSIGN_OR_RETURN(const SourceMappings mappings, ReadMappings(catalog));
    ASSIGN_OR_RETURN(Suite suite, ReadCsvSuite(path, mappings));
    return LoadedSuite{.suite = std::move(suite)};
  }
  ASSIGN_OR_RETURN(const Node document, ReadDocument(path));
  if (IsFieldMap(document)) {
    ASSIGN_OR_RETURN(FieldMap formulas, ReadFieldMap(document));
    return LoadedSuite{.formulas = std::move(formulas)};
  }
  if (IsServingLogs(document)) {
    ASSIGN_OR_RETURN(ServingLogs logs, ReadServingLogs(document, path.parent_path()));
    return LoadedSuite{.logs = std::move(logs)};
  }
  ASSIGN_OR_RETURN(Suite suite, ReadYamlSuite(document));
  return LoadedSuite{.suite = std::move(suite)};
}

CaseOutcome Skipped(const Case& one, SkipKind kind, std::string reason) {
  return {.id = one.id,
          .group = one.group,
          .metric = one.measured.empty() ? std::string() : one.measured.front().metric,
          .measured = one.measured.empty() ? 0.0 : one.measured.front().value,
          .assumed = one.assumed,
          .tags = one.tags,
          .skip = kind,
          .reason = std::move(reason)};
}

/// The first line that a reader needs: messages of all errors, without places.
std::string ReasonOf(const Error& error) {
  std::string reason = error.path.empty() ? error.message : error.path + ": " + error.message;
  for (const Error& other : error.others) {
    reason += "; " + other.message;
  }
  return reason;
}

/// "suite.yaml:7:15: " when the mistake stands in the suite itself; the scenario of a table's row
/// is made by a mapping, and its place would lead nowhere.
std::string PlaceOf(const Case& one, const Error& error) {
  if (!error.where || error.where->source == nullptr || error.where->source != one.where.source) {
    return {};
  }
  return fmt::format("{}:{}:{}: ", error.where->source->name, error.where->line,
                     error.where->column);
}

/// UNIMPLEMENTED wherever it stands among the errors of a document: nothing the user can repair.
const Error* FindUnimplemented(const Error& error) {
  if (error.code == ErrorCode::kUnimplemented) {
    return &error;
  }
  for (const Error& other : error.others) {
    if (other.code == ErrorCode::kUnimplemented) {
      return &other;
    }
  }
  return nullptr;
}

/// Said once, whether or not the message says it.
std::string NotBuilt(const std::string& message) {
  constexpr std::string_view kNotBuilt = "not built yet: ";
  return message.starts_with(kNotBuilt) ? message : std::string(kNotBuilt) + message;
}

CaseOutcome SkippedFor(const Case& one, const Error& error) {
  if (const Error* unimplemented = FindUnimplemented(error)) {
    return Skipped(one, SkipKind::kUnimplemented, NotBuilt(unimplemented->message));
  }
  return Skipped(one, SkipKind::kError, "error: " + PlaceOf(one, error) + ReasonOf(error));
}

void AddFactors(const sim::Report& report, std::vector<sim::Assumption>& factors) {
  for (const sim::Assumption& one : report.assumptions) {
    if (one.source == "default") {
      continue;  // listed among what each case assumed
    }
    const bool is_known =
        std::any_of(factors.begin(), factors.end(), [&one](const sim::Assumption& known) {
          return known.what == one.what && known.value == one.value && known.source == one.source;
        });
    if (!is_known) {
      factors.push_back(one);
    }
  }
}

}  // namespace

std::vector<std::string> ShippedSuites(const hardware::Catalog& catalog) {
  std::vector<std::string> names;
  for (const fs::path& file : ShippedFiles(catalog)) {
    names.push_back(file.stem().string());
  }
  return names;
}

std::vector<CaseOutcome> RunCase(const Case& one, const Suite& suite,
                                 const hardware::Catalog& catalog, const Stop& stop,
                                 std::vector<sim::Assumption>& factors) {
  if (one.skip != SkipKind::kNone) {
    return {Skipped(one, one.skip, one.reason)};
  }
  const Result<sim::Scenario> scenario = sim::ResolveScenario(one.scenario, catalog);
  if (!scenario) {
    CaseOutcome outcome = SkippedFor(one, scenario.error());
    for (const Measurement& measurement : one.measured) {
      const auto tolerance = suite.tolerance.find(measurement.metric);
      if (tolerance != suite.tolerance.end()) {
        outcome.tolerance = tolerance->second;
      }
    }
    return {std::move(outcome)};
  }
  if (!scenario->training) {
    return {Skipped(one, SkipKind::kUnimplemented,
                    "not built yet: suites of other work than training")};
  }
  const Result<sim::Report> report = sim::Simulate(*scenario, {.stop = stop});
  if (!report) {
    return {SkippedFor(one, report.error())};
  }
  AddFactors(*report, factors);
  std::vector<CaseOutcome> outcomes;
  for (const Measurement& measurement : one.measured) {
    const Result<Prediction> prediction = PredictMetric(measurement, one.flops, *scenario, *report);
    if (!prediction) {
      outcomes.push_back(SkippedFor(one, prediction.error()));
      outcomes.back().metric = measurement.metric;
      continue;
    }
    const auto tolerance = suite.tolerance.find(measurement.metric);
    CaseOutcome outcome{.id = one.id,
                        .group = one.group,
                        .metric = measurement.metric,
                        .measured = measurement.value,
                        .predicted = prediction->value,
                        .low = prediction->low,
                        .high = prediction->high,
                        .evidence = prediction->evidence,
                        .is_rate = IsRate(measurement.metric),
                        .is_class = measurement.metric == "oom",
                        .fits = report->fits,
                        .assumed = one.assumed,
                        .tags = one.tags,
                        .measured_mfu = MeasuredMfu(measurement, one.flops, *scenario)};
    if (tolerance != suite.tolerance.end()) {
      outcome.tolerance = tolerance->second;
    }
    for (const sim::FilledDefault& filled : scenario->defaults) {
      outcome.assumed.push_back({filled.path, filled.value});
    }
    outcomes.push_back(std::move(outcome));
  }
  return outcomes;
}

Result<ValidationReport> Validate(const std::vector<std::string>& names,
                                  const hardware::Catalog& catalog, const Stop& stop,
                                  Progress* progress) {
  std::vector<LoadedSuite> loaded;
  double total = 0.0;
  for (const std::string& name : names.empty() ? ShippedSuites(catalog) : names) {
    ASSIGN_OR_RETURN(const fs::path path, FindSuite(name, catalog));
    ASSIGN_OR_RETURN(LoadedSuite one, Load(path, catalog));
    total += static_cast<double>(one.num_cases());
    loaded.push_back(std::move(one));
  }
  ValidationReport report;
  double done = 0.0;
  for (const LoadedSuite& one : loaded) {
    if (one.formulas) {
      report.suites.push_back(EvaluateFieldMap(*one.formulas, catalog));
      done += static_cast<double>(one.formulas->cases.size());
      continue;
    }
    if (one.logs) {
      report.suites.push_back(EvaluateServingLogs(*one.logs, stop, report.factors));
      done += static_cast<double>(one.logs->runs.size());
      report.is_partial = stop.IsRequested();
      if (report.is_partial) {
        break;
      }
      continue;
    }
    SuiteOutcome outcome{.name = one.suite->name, .source = one.suite->source};
    for (const Case& next : one.suite->cases) {
      if (stop.IsRequested()) {
        report.is_partial = true;
        break;
      }
      for (CaseOutcome& result : RunCase(next, *one.suite, catalog, stop, report.factors)) {
        outcome.cases.push_back(std::move(result));
      }
      if (progress != nullptr) {
        progress->Report("validating " + one.suite->name, ++done, total, "cases");
      }
    }
    Summarise(outcome);
    report.suites.push_back(std::move(outcome));
    if (report.is_partial) {
      break;
    }
  }
  return report;
}

}  // namespace ridgeline::validation
