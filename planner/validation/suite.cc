#include "planner/validation/suite.h"

#include <algorithm>
#include <array>
#include <set>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "base/diagnostic.h"
#include "base/nearest_name.h"
#include "planner/validation/measured_value.h"
#include "planner/validation/published_csv.h"

namespace ridgeline::validation {
namespace {

struct CaseDocument {
  std::string id;
  AnyValue scenario;
  std::map<std::string, AnyValue> measured;
  std::string group;
  std::optional<Ratio> spread;
  std::vector<std::string> tags;
};

struct PairDocument {
  std::string from;
  std::string to;
  std::string what;
  std::string metric;
};

struct SuiteDocument {
  std::string name;
  std::string source;
  std::optional<HeldOutRule> held_out;
  std::map<std::string, Ratio> tolerance;
  std::vector<PairDocument> pairs;
  std::vector<CaseDocument> cases;
};

const Schema<CaseDocument>& SchemaOf(Tag<CaseDocument>) {
  static const Schema<CaseDocument> schema =
      Schema<CaseDocument>("one scenario beside what was measured")
          .Required("id", &CaseDocument::id, "unique in the suite")
          .Required("scenario", &CaseDocument::scenario, "a scenario document")
          .Required("measured", &CaseDocument::measured, "metric -> value with unit")
          .Optional("group", &CaseDocument::group, "its kind: eager, compile, ddp, tp ...")
          .Optional("spread", &CaseDocument::spread,
                    "of the measured time, relative: smaller differences decide nothing",
                    {.at_least = std::optional(Ratio{0.0})})
          .Optional("tags", &CaseDocument::tags, "words to group by");
  return schema;
}

const Schema<PairDocument>& SchemaOf(Tag<PairDocument>) {
  static const Schema<PairDocument> schema =
      Schema<PairDocument>("two cases that differ in one thing")
          .Required("from", &PairDocument::from, "the id of a case")
          .Required("to", &PairDocument::to, "the id of another")
          .Required("what", &PairDocument::what, "what differs: compiled, recompute full ...")
          .Optional("metric", &PairDocument::metric,
                    "that both measured; without one step_time or pass_time");
  return schema;
}

const Schema<SuiteDocument>& SchemaOf(Tag<SuiteDocument>) {
  static const Schema<SuiteDocument> schema =
      Schema<SuiteDocument>("scenarios beside what was measured")
          .Required("name", &SuiteDocument::name, "of the suite")
          .Required("source", &SuiteDocument::source, "who measured, on what")
          .Optional("held_out", &SuiteDocument::held_out, "which cases no one is fitted to")
          .Optional("tolerance", &SuiteDocument::tolerance,
                    "metric -> largest relative error that passes")
          .Optional("pairs", &SuiteDocument::pairs, "cases whose difference is judged")
          .Required("cases", &SuiteDocument::cases, "what was measured");
  return schema;
}

constexpr std::array<std::string_view, 5> kPublishedMetrics = {
    "step_time_s", "tokens_per_s_per_gpu", "tflops_per_gpu", "mfu", "oom"};

void AddError(const Node& where, std::string path, Error error, Diagnostics& diagnostics) {
  error.where = where.where;
  error.path = std::move(path);
  diagnostics.Add(std::move(error));
}

Error Invalid(std::string message, std::string hint = {}) {
  return {
      .code = ErrorCode::kInvalidArgument, .message = std::move(message), .hint = std::move(hint)};
}

/// Values only where they may be seen: a mistake in a withheld one is not even reported.
void ReadMeasured(const CaseDocument& document, bool is_withheld, Case& out,
                  Diagnostics& diagnostics) {
  for (const auto& [metric, written] : document.measured) {
    out.metrics.push_back(metric);
    if (is_withheld) {
      continue;
    }
    Result<double> value = ParseMeasured(metric, written.node);
    if (!value) {
      AddError(written.node, "cases." + document.id + ".measured." + metric,
               {.code = ErrorCode::kInvalidArgument,
                .message = std::move(value.error().message),
                .hint = std::move(value.error().hint)},
               diagnostics);
      continue;
    }
    out.measured.push_back({.metric = metric, .value = *value, .style = MetricStyle::kReport});
  }
}

/// What a case is when it does not say.
std::string KindOf(const Node& scenario) {
  for (const char* kind : {"training", "forward", "serving"}) {
    if (scenario.Find(kind) != nullptr) {
      return kind;
    }
  }
  return {};
}

bool Has(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// The time of a step or a pass, or else the first thing that both measured; empty: none.
std::string SharedMetric(const Case& from, const Case& to) {
  std::vector<std::string> candidates = {"step_time", "pass_time"};
  candidates.insert(candidates.end(), from.metrics.begin(), from.metrics.end());
  for (const std::string& metric : candidates) {
    if (metric != "oom" && Has(from.metrics, metric) && Has(to.metrics, metric)) {
      return metric;
    }
  }
  return {};
}

/// Reads the pairs of a suite whose cases are read.
class PairReader {
 public:
  PairReader(const Suite& suite, Diagnostics& diagnostics) : diagnostics_(diagnostics) {
    for (const Case& one : suite.cases) {
      cases_.emplace(one.id, &one);
      ids_.push_back(one.id);
    }
  }

  std::optional<CasePair> Read(const PairDocument& pair, const Node& node, size_t index) {
    const std::string path = fmt::format("pairs[{}]", index);
    const Case* const from = FindCase(pair.from, *node.Find("from"), path + ".from");
    const Case* const to = FindCase(pair.to, *node.Find("to"), path + ".to");
    if (from == nullptr || to == nullptr) {
      return std::nullopt;
    }
    if (from == to) {
      AddError(node, path, Invalid("a pair of one case with itself: " + pair.from), diagnostics_);
      return std::nullopt;
    }
    CasePair read{.from = pair.from,
                  .to = pair.to,
                  .what = pair.what,
                  .metric = pair.metric.empty() ? SharedMetric(*from, *to) : pair.metric,
                  .is_held_out = from->is_held_out || to->is_held_out};
    if (read.metric.empty()) {
      AddError(node, path, Invalid("no metric that both cases measured"), diagnostics_);
      return std::nullopt;
    }
    for (const Case* one : {from, to}) {
      if (!Has(one->metrics, read.metric) || read.metric == "oom") {
        AddError(*node.Find("metric"), path + ".metric",
                 Invalid(fmt::format("{} did not measure {}", one->id, read.metric),
                         SuggestName(read.metric, one->metrics)),
                 diagnostics_);
        return std::nullopt;
      }
    }
    const auto [first, second] = std::minmax(read.from, read.to);
    if (!known_.insert({first, second, read.metric}).second) {
      AddError(node, path,
               Invalid(fmt::format("duplicate pair: {} to {}", read.from, read.to),
                       "a pair stands once for each metric"),
               diagnostics_);
      return std::nullopt;
    }
    return read;
  }

 private:
  const Case* FindCase(const std::string& id, const Node& where, std::string path) {
    const auto found = cases_.find(id);
    if (found != cases_.end()) {
      return found->second;
    }
    AddError(where, std::move(path), Invalid("no case has this id: " + id, SuggestName(id, ids_)),
             diagnostics_);
    return nullptr;
  }

  Diagnostics& diagnostics_;
  std::map<std::string, const Case*> cases_;
  std::vector<std::string> ids_;
  std::set<std::tuple<std::string, std::string, std::string>> known_;
};

}  // namespace

bool IsRate(const std::string& metric) {
  return metric.starts_with("tokens_per_") || metric == "mfu" || metric == "hfu" ||
         metric == "tflops_per_gpu" || metric == "model_flops_per_gpu" ||
         metric.ends_with("_throughput");
}

bool StatesHalves(const Node& document) { return document.Find("held_out") != nullptr; }

Result<Suite> ReadYamlSuite(const Node& document, Half half) {
  ASSIGN_OR_RETURN(const SuiteDocument read, Decode<SuiteDocument>(document));
  if (half != Half::kAll && !read.held_out) {
    return Fail({.code = ErrorCode::kFailedPrecondition,
                 .message = "the suite does not say which cases are held out: " + read.name,
                 .where = document.Find("name")->where,
                 .hint = "write held_out: odd-sha256, or use --half all",
                 .path = "held_out"});
  }
  Suite suite{.name = read.name,
              .source = read.source,
              .held_out = read.held_out,
              .half = half,
              .is_by_metric = true};
  Diagnostics diagnostics;
  std::set<std::string> ids;
  std::set<std::string> metrics;
  for (size_t i = 0; i < read.cases.size(); ++i) {
    const CaseDocument& one = read.cases[i];
    const Node& node = document.Find("cases")->items[i];
    Case out{.id = one.id,
             .group = one.group.empty() ? KindOf(one.scenario.node) : one.group,
             .scenario = one.scenario.node,
             .is_held_out = read.held_out && IsHeldOut(*read.held_out, one.id),
             .spread = one.spread ? std::optional(one.spread->value) : std::nullopt,
             .tags = one.tags,
             .where = one.scenario.node.where};
    const std::string path = fmt::format("cases[{}]", i);
    if (!ids.insert(one.id).second) {
      AddError(*node.Find("id"), path + ".id", Invalid("duplicate id: " + one.id), diagnostics);
    }
    if (one.measured.empty()) {
      AddError(*node.Find("measured"), path + ".measured",
               Invalid("a case without a measurement: " + one.id), diagnostics);
    }
    ReadMeasured(one, half == Half::kFit && out.is_held_out, out, diagnostics);
    metrics.insert(out.metrics.begin(), out.metrics.end());
    suite.cases.push_back(std::move(out));
  }
  for (const auto& [metric, tolerance] : read.tolerance) {
    if (!metrics.contains(metric)) {
      AddError(*document.Find("tolerance"), "tolerance",
               Invalid("tolerance of a metric that no case measures: " + metric,
                       SuggestName(metric, std::vector(metrics.begin(), metrics.end()))),
               diagnostics);
    }
    suite.tolerance.emplace(metric, tolerance.value);
  }
  PairReader pairs(suite, diagnostics);
  for (size_t i = 0; i < read.pairs.size(); ++i) {
    std::optional<CasePair> pair = pairs.Read(read.pairs[i], document.Find("pairs")->items[i], i);
    if (pair) {
      suite.pairs.push_back(*std::move(pair));
    }
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
             .metrics = {row.metric_name},
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
