#include "planner/validation/suite.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/diagnostic.h"
#include "base/nearest_name.h"
#include "base/units_text.h"
#include "planner/validation/published_csv.h"

namespace ridgeline::validation {
namespace {

struct CaseDocument {
  std::string id;
  AnyValue scenario;
  std::map<std::string, AnyValue> measured;
  std::vector<std::string> tags;
};

struct SuiteDocument {
  std::string name;
  std::string source;
  std::map<std::string, Ratio> tolerance;
  std::vector<CaseDocument> cases;
};

const Schema<CaseDocument>& SchemaOf(Tag<CaseDocument>) {
  static const Schema<CaseDocument> schema =
      Schema<CaseDocument>("one scenario beside what was measured")
          .Required("id", &CaseDocument::id, "unique in the suite")
          .Required("scenario", &CaseDocument::scenario, "a scenario document")
          .Required("measured", &CaseDocument::measured, "metric -> value with unit")
          .Optional("tags", &CaseDocument::tags, "words to group by");
  return schema;
}

const Schema<SuiteDocument>& SchemaOf(Tag<SuiteDocument>) {
  static const Schema<SuiteDocument> schema =
      Schema<SuiteDocument>("scenarios beside what was measured")
          .Required("name", &SuiteDocument::name, "of the suite")
          .Required("source", &SuiteDocument::source, "who measured, on what")
          .Optional("tolerance", &SuiteDocument::tolerance,
                    "metric -> largest relative error that passes")
          .Required("cases", &SuiteDocument::cases, "what was measured");
  return schema;
}

/// Names that a measurement may have, for did-you-mean.
std::vector<std::string> ReportMetrics() {
  return {"step_time",
          "tokens_per_second",
          "tokens_per_second_per_gpu",
          "model_flops_per_gpu",
          "mfu",
          "hfu",
          "memory.peak",
          "memory.allocated",
          "memory.weights",
          "memory.gradients",
          "memory.optimizer",
          "memory.activations",
          "pass_time",
          "oom"};
}

constexpr std::array<std::string_view, 5> kPublishedMetrics = {
    "step_time_s", "tokens_per_s_per_gpu", "tflops_per_gpu", "mfu", "oom"};

template <class Q>
Result<double> InBaseUnits(const std::string& text) {
  ASSIGN_OR_RETURN(const Q value, ParseQuantity<Q>(text));
  return value.base();
}

/// The value in the metric's base unit. NotFound for a metric that has no unit known here.
Result<double> ParseMeasured(const std::string& metric, const std::string& text) {
  if (metric == "step_time" || metric == "pass_time" || metric.starts_with("time.")) {
    return InBaseUnits<Seconds>(text);
  }
  if (metric.starts_with("memory.")) {
    return InBaseUnits<Bytes>(text);
  }
  if (metric == "model_flops_per_gpu") {
    return InBaseUnits<FlopsPerSecond>(text);
  }
  if (metric == "mfu" || metric == "hfu") {
    return ParseRatio(text);
  }
  if (metric.starts_with("tokens_per_second")) {
    return ParseNumber(text);
  }
  if (metric == "oom") {
    return text == "true" || text == "1"
               ? Result<double>(1.0)
               : (text == "false" || text == "0"
                      ? Result<double>(0.0)
                      : InvalidArgument("expected true or false: " + text));
  }
  return NotFound("unknown metric: " + metric, SuggestName(metric, ReportMetrics()));
}

void ReadMeasured(const CaseDocument& document, Case& out, Diagnostics& diagnostics) {
  for (const auto& [metric, written] : document.measured) {
    Result<double> value = ParseMeasured(metric, written.node.scalar);
    const bool is_positive = value && (metric == "oom" || *value > 0.0);
    if (!is_positive) {
      diagnostics.Add({.code = ErrorCode::kInvalidArgument,
                       .message = value ? "expected a positive value: " + written.node.scalar
                                        : std::move(value.error().message),
                       .where = written.node.where,
                       .hint = value ? std::string() : std::move(value.error().hint),
                       .path = "cases." + document.id + ".measured." + metric});
      continue;
    }
    out.measured.push_back({.metric = metric, .value = *value, .style = MetricStyle::kReport});
  }
}

}  // namespace

bool IsRate(const std::string& metric) {
  return metric.starts_with("tokens_per_") || metric == "mfu" || metric == "hfu" ||
         metric == "tflops_per_gpu" || metric == "model_flops_per_gpu" ||
         metric.ends_with("_throughput");
}

Result<Suite> ReadYamlSuite(const Node& document) {
  ASSIGN_OR_RETURN(const SuiteDocument read, Decode<SuiteDocument>(document));
  Suite suite{.name = read.name, .source = read.source};
  Diagnostics diagnostics;
  std::set<std::string> ids;
  std::set<std::string> metrics;
  for (const CaseDocument& one : read.cases) {
    Case out{.id = one.id,
             .group = {},
             .scenario = one.scenario.node,
             .tags = one.tags,
             .where = one.scenario.node.where};
    if (!ids.insert(one.id).second) {
      diagnostics.Add({.code = ErrorCode::kInvalidArgument,
                       .message = "duplicate id: " + one.id,
                       .where = one.scenario.node.where});
    }
    if (one.measured.empty()) {
      diagnostics.Add({.code = ErrorCode::kInvalidArgument,
                       .message = "a case without a measurement: " + one.id,
                       .where = one.scenario.node.where});
    }
    ReadMeasured(one, out, diagnostics);
    for (const Measurement& measurement : out.measured) {
      metrics.insert(measurement.metric);
    }
    suite.cases.push_back(std::move(out));
  }
  for (const auto& [metric, tolerance] : read.tolerance) {
    if (!metrics.contains(metric)) {
      diagnostics.Add({.code = ErrorCode::kInvalidArgument,
                       .message = "tolerance of a metric that no case measures: " + metric,
                       .where = document.Find("tolerance")->where,
                       .path = "tolerance"});
    }
    suite.tolerance.emplace(metric, tolerance.value);
  }
  RETURN_IF_ERROR(diagnostics.Take());
  return suite;
}

Result<Suite> ReadCsvSuite(const std::filesystem::path& path, const SourceMappings& mappings) {
  ASSIGN_OR_RETURN(const CsvTable table, ReadCsv(path));
  ASSIGN_OR_RETURN(const std::vector<PublishedRow> rows, ReadPublishedRows(table));
  Suite suite{.name = path.stem().string(),
              .source = "published rows of " + path.filename().string()};
  for (const PublishedRow& row : rows) {
    MappedRow mapped = mappings.Map(row);
    Case out{.id = row.id,
             .group = mapped.mapping,
             .scenario = std::move(mapped.scenario),
             .measured = {{.metric = row.metric_name,
                           .value = row.metric_value,
                           .style = MetricStyle::kPublished}},
             .flops = mapped.flops,
             .assumed = std::move(mapped.assumed),
             .skip = mapped.skip,
             .reason = std::move(mapped.reason),
             .where = row.where};
    if (row.is_core) {
      out.tags.emplace_back("core");
    }
    out.tags.emplace_back(row.moe ? "moe" : "dense");
    if (std::find(kPublishedMetrics.begin(), kPublishedMetrics.end(), row.metric_name) ==
        kPublishedMetrics.end()) {
      const bool is_stated = !row.metric_name.empty();
      out.skip = is_stated ? SkipKind::kError : SkipKind::kNotStated;
      out.reason = is_stated ? "unknown metric: " + row.metric_name : "metric not stated";
    }
    suite.cases.push_back(std::move(out));
  }
  return suite;
}

}  // namespace ridgeline::validation
