/// result.json, schema ridgeline.result/1 (configs/schemas/result.schema.json).
#include <nlohmann/json.hpp>

#include "base/evidence.h"
#include "service/report/build_version.h"
#include "service/report/simulation_result.h"

namespace ridgeline::report {
namespace {

using Json = nlohmann::ordered_json;

Json Shares(const std::vector<sim::Share>& shares) {
  Json list = Json::array();
  for (const sim::Share& share : shares) {
    list.push_back({{"name", share.name}, {"title", share.title}, {"value", share.value}});
  }
  return list;
}

Json Candidate(const sim::Report& report) {
  Json settings = Json::object();
  for (const auto& [path, value] : report.settings) {
    settings[path] = value;
  }
  Json metrics = Json::array();
  for (const sim::Metric& metric : report.metrics) {
    metrics.push_back({{"name", metric.name},
                       {"value", metric.value},
                       {"unit", metric.unit},
                       {"low", metric.low},
                       {"high", metric.high},
                       {"evidence", EvidenceName(metric.evidence)}});
  }
  Json assumptions = Json::array();
  for (const sim::Assumption& assumption : report.assumptions) {
    assumptions.push_back(
        {{"what", assumption.what}, {"value", assumption.value}, {"source", assumption.source}});
  }
  return {{"id", "c1"},
          {"title", report.title},
          {"settings", std::move(settings)},
          {"metrics", std::move(metrics)},
          {"breakdown", {{"time", Shares(report.time)}, {"memory", Shares(report.memory)}}},
          {"assumptions", std::move(assumptions)}};
}

}  // namespace

std::string RenderJson(const SimulationResult& result) {
  const BuildVersion build = CurrentBuild();
  Json inputs = Json::array();
  for (const Input& input : result.inputs) {
    inputs.push_back({{"name", input.name}, {"sha256", input.sha256}});
  }
  Json warnings = Json::array();
  for (const Error& warning : result.report.warnings) {
    warnings.push_back(
        {{"message", warning.message}, {"hint", warning.hint}, {"path", warning.path}});
  }
  const Json document = {{"schema", "ridgeline.result/1"},
                         {"tool", {{"version", build.version}, {"commit", build.commit}}},
                         {"seed", result.seed},
                         {"inputs", std::move(inputs)},
                         {"outcome", result.report.fits ? "feasible" : "infeasible"},
                         {"candidates", Json::array({Candidate(result.report)})},
                         {"warnings", std::move(warnings)}};
  // A name may hold any bytes that the user's file system allows: replace what is not UTF-8.
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace ridgeline::report
