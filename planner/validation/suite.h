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
  std::string group = {};  // mapping
  Node scenario = {};
  std::vector<Measurement> measured = {};
  FlopConvention flops = {};
  std::vector<Assumed> assumed = {};
  std::vector<std::string> tags = {};
  SkipKind skip = SkipKind::kNone;
  std::string reason = {};
  SourceLocation where = {};
};

struct Suite {
  std::string name = {};
  std::string source = {};
  std::map<std::string, double> tolerance = {};  // relative, by metric
  std::vector<Case> cases = {};
};

/// Reads a suite document; all errors at once: unknown keys, a duplicate id, a metric that nobody
/// knows (with the nearest), a value without the unit of its metric, a tolerance of a metric that
/// no case has.
Result<Suite> ReadYamlSuite(const Node& document);
/// Every row becomes a case, simulated or with the reason why not; none is dropped.
Result<Suite> ReadCsvSuite(const std::filesystem::path& path, const SourceMappings& mappings);

/// True for rates, of which more is faster.
bool IsRate(const std::string& metric);

}  // namespace ridgeline::validation
