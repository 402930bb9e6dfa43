/// A suite: scenarios beside what was measured. Read from YAML (DESIGN 8) or from a CSV of
/// published rows (published_csv.h), which the mapping files of configs/validation/sources turn
/// into scenarios.
///
///     name: our-pytorch-steps
///     source: measured on one H100 SXM, PyTorch 2.11
///     tolerance: {step_time: 10 %, memory.allocated: 5 %}
///     cases:
///       - id: llama-8b-12l-6k
///         scenario: {cluster: {...}, training: {...}}
///         measured: {step_time: 250 ms, memory.allocated: 45 GB}
///
/// Measured values have the unit of their metric; `oom: true` says that it ran out of memory.
/// Optional, of a suite:
///
///     held_out: odd-sha256     # a case is held out when the sha256 of its id ends in an odd digit
///     pairs:                   # two cases that differ in one thing: is their difference right?
///       - {from: llama-8b-12l-6k-eager, to: llama-8b-12l-6k, what: compiled}
///
/// (a pair's `metric` is step_time or pass_time unless it says another), and of a case:
///
///     group: compile           # its kind; without one "training", "forward" or "serving"
///     spread: 0.6 %            # of the measured time, relative: what repeating it moves
///
/// Who fits asks for Half::kFit, and the measured values of held-out cases are never read from the
/// document: a Suite that does not hold them cannot leak them.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/config_reader.h"
#include "base/document.h"
#include "base/result.h"
#include "planner/validation/flop_convention.h"
#include "planner/validation/source_mapping.h"
#include "planner/validation/suite_half.h"

namespace ridgeline::validation {

/// What a metric is, so that text can be read and errors can be signed.
enum class MetricStyle {
  kReport,    // a metric of sim::Report, in its base unit
  kPublished  // step_time_s, tokens_per_s_per_gpu, tflops_per_gpu, mfu (percent), oom
};

struct Measurement {
  std::string metric = {};
  double value = 0.0;  // base units (kReport) or as published
  MetricStyle style = MetricStyle::kReport;
};

struct Case {
  std::string id = {};
  std::string group = {};  // mapping, or the case's kind
  Node scenario = {};
  std::vector<std::string> metrics = {};   // names of what was measured, values withheld or not
  std::vector<Measurement> measured = {};  // empty when withheld
  bool is_held_out = false;
  std::optional<double> spread = {};  // relative
  FlopConvention flops = {};
  std::vector<Assumed> assumed = {};
  std::vector<std::string> tags = {};
  SkipKind skip = SkipKind::kNone;
  std::string reason = {};
  SourceLocation where = {};
};

/// Two cases of one suite that differ in one thing.
struct CasePair {
  std::string from = {};
  std::string to = {};
  std::string what = {};     // "compiled"
  std::string metric = {};   // that both measured
  bool is_held_out = false;  // either of the two is
};

struct Suite {
  std::string name = {};
  std::string source = {};
  std::optional<HeldOutRule> held_out = {};  // unset: no halves
  Half half = Half::kAll;                    // that was asked for
  bool is_by_metric = false;                 // metrics of reports, scored apart
  std::vector<CasePair> pairs = {};
  std::map<std::string, double> tolerance = {};  // relative, by metric
  std::vector<Case> cases = {};
};

/// Reads a suite document; all errors at once: unknown keys, a duplicate id, a metric that nobody
/// knows (with the nearest), a value without the unit of its metric, a tolerance of a metric that
/// no case has, a negative spread, a pair of unknown cases, of one case twice, twice the same, or
/// without a metric that both measured. A `half` of a suite that states none: FailedPrecondition.
Result<Suite> ReadYamlSuite(const Node& document, Half half = Half::kAll);
/// Whether a document says how it divides itself.
bool StatesHalves(const Node& document);
/// Every row becomes a case, simulated or with the reason why not; none is dropped.
Result<Suite> ReadCsvSuite(const std::filesystem::path& path, const SourceMappings& mappings);

/// True for rates, of which more is faster.
bool IsRate(const std::string& metric);

}  // namespace ridgeline::validation
