/// result.json, schema ridgeline.result/1 (configs/schemas/result.schema.json): one schema for
/// simulate, plan and whatif.
#include <nlohmann/json.hpp>

#include "base/evidence.h"
#include "service/report/build_version.h"
#include "service/report/plan_result.h"
#include "service/report/simulation_result.h"
#include "service/report/what_if_result.h"

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

Json CandidateOf(const sim::Report& report, size_t number) {
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
  Json evidence = Json::object();
  for (size_t i = 0; i < sim::kNumEvidence; ++i) {
    evidence[std::string(EvidenceName(static_cast<Evidence>(i)))] = report.evidence.at(i);
  }
  Json unmeasured = Json::array();
  for (const sim::UnmeasuredOperation& operation : report.unmeasured) {
    unmeasured.push_back({{"what", operation.what},
                          {"share", operation.share},
                          {"evidence", EvidenceName(operation.evidence)}});
  }
  return {{"id", "c" + std::to_string(number)},
          {"title", report.title},
          {"settings", std::move(settings)},
          {"metrics", std::move(metrics)},
          {"breakdown", {{"time", Shares(report.time)}, {"memory", Shares(report.memory)}}},
          {"evidence",
           {{"calibration", report.calibration ? Json(report.calibration->name) : Json()},
            {"time", std::move(evidence)},
            {"unmeasured", std::move(unmeasured)}}},
          {"assumptions", std::move(assumptions)}};
}

/// Name and hash of the measurements; null where there are none.
Json CalibrationOf(const sim::Report& report) {
  if (!report.calibration) {
    return nullptr;
  }
  const sim::UsedCalibration& used = *report.calibration;
  return {{"name", used.name},
          {"sha256", used.sha256},
          {"gpu", used.gpu},
          {"transferred", used.is_transferred}};
}

Json Warnings(const std::vector<Error>& list) {
  Json warnings = Json::array();
  for (const Error& warning : list) {
    warnings.push_back(
        {{"message", warning.message}, {"hint", warning.hint}, {"path", warning.path}});
  }
  return warnings;
}

/// What every answer begins with.
Json Begin(uint64_t seed, const std::vector<Input>& read, bool is_feasible) {
  const BuildVersion build = CurrentBuild();
  Json inputs = Json::array();
  for (const Input& input : read) {
    inputs.push_back({{"name", input.name}, {"sha256", input.sha256}});
  }
  return {{"schema", "ridgeline.result/1"},
          {"tool", {{"version", build.version}, {"commit", build.commit}}},
          {"seed", seed},
          {"inputs", std::move(inputs)},
          {"outcome", is_feasible ? "feasible" : "infeasible"}};
}

Json TargetOf(const sim::Target& target) {
  return {{"metric", target.metric},
          {"relation", target.is_upper_bound ? "<=" : ">="},
          {"value", target.value},
          {"written", target.written}};
}

/// A name may hold any bytes that the user's file system allows: replaces what is not UTF-8.
std::string Text(const Json& document) {
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json Search(const planner::Plan& plan) {
  const planner::SearchCounts& counts = plan.counts;
  Json search = {{"considered", counts.considered},
                 {"illegal", counts.illegal},
                 {"out_of_memory", counts.out_of_memory},
                 {"bounded", counts.bounded},
                 {"evaluated", counts.evaluated},
                 {"partial", plan.is_partial},
                 {"searched", plan.searched}};
  // Nothing is proven of a search without an answer, or stopped where no bound is known.
  if (plan.is_feasible && plan.floor > 0) {
    search["floor"] = {{plan.objective, plan.floor}};
    search["gap"] = plan.gap;
  }
  search["why_not"] = plan.why_not;
  return search;
}

}  // namespace

std::string RenderJson(const SimulationResult& result) {
  Json document = Begin(result.seed, result.inputs, IsFeasible(result));
  document["calibration"] = CalibrationOf(result.report);
  document["candidates"] = Json::array({CandidateOf(result.report, 1)});
  if (!result.targets.empty()) {
    Json targets = Json::array();
    for (const TargetOutcome& outcome : result.targets) {
      Json target = TargetOf(outcome.target);
      if (outcome.value) {
        target["measured"] = *outcome.value;
      }
      target["met"] = outcome.is_met;
      targets.push_back(std::move(target));
    }
    document["targets"] = std::move(targets);
  }
  document["warnings"] = Warnings(result.report.warnings);
  return Text(document);
}

std::string RenderJson(const PlanResult& result) {
  const planner::Plan& plan = result.plan;
  Json document = Begin(result.seed, result.inputs, plan.is_feasible);
  document["title"] = plan.title;
  document["objective"] = {{"metric", plan.objective},
                           {"direction", plan.is_minimized ? "minimize" : "maximize"}};
  Json targets = Json::array();
  for (const sim::Target& target : plan.targets) {
    targets.push_back(TargetOf(target));
  }
  document["targets"] = std::move(targets);
  Json candidates = Json::array();
  for (const planner::Candidate& candidate : plan.candidates) {
    Json entry = CandidateOf(candidate.report, candidates.size() + 1);
    Json searched = Json::object();
    for (const auto& [path, value] : candidate.settings) {
      searched[path] = value;
      entry["settings"][path] = value;
    }
    entry["searched"] = std::move(searched);
    candidates.push_back(std::move(entry));
  }
  document["calibration"] =
      plan.candidates.empty() ? Json() : CalibrationOf(plan.candidates.front().report);
  document["candidates"] = std::move(candidates);
  document["search"] = Search(plan);
  document["warnings"] =
      plan.candidates.empty() ? Json::array() : Warnings(plan.candidates.front().report.warnings);
  return Text(document);
}

std::string RenderJson(const WhatIfResult& result) {
  const planner::WhatIf& what_if = result.what_if;
  Json document = Begin(result.seed, result.inputs, what_if.base.fits);
  document["headline"] = what_if.metric;
  Json candidates = Json::array({CandidateOf(what_if.base, 1)});
  const sim::Metric* const before = what_if.base.Find(what_if.metric);
  for (const planner::Variant& variant : what_if.variants) {
    Json changes = Json::object();
    for (const auto& [path, value] : variant.changes) {
      changes[path] = value;
    }
    const size_t number = candidates.size() + 1;
    if (!variant.report) {
      const Error error = variant.error.value_or(Error{});
      candidates.push_back(
          {{"id", "c" + std::to_string(number)},
           {"changes", std::move(changes)},
           {"error", {{"message", error.message}, {"hint", error.hint}, {"path", error.path}}}});
      continue;
    }
    Json entry = CandidateOf(*variant.report, number);
    entry["changes"] = std::move(changes);
    const sim::Metric* const after = variant.report->Find(what_if.metric);
    if (before != nullptr && after != nullptr) {
      entry["difference"] = after->value - before->value;
    }
    Json causes = Json::array();
    for (const planner::Difference& cause : variant.explained_by) {
      causes.push_back({{"name", cause.name}, {"title", cause.title}, {"change", cause.change}});
    }
    entry["explained_by"] = std::move(causes);
    candidates.push_back(std::move(entry));
  }
  document["calibration"] = CalibrationOf(what_if.base);
  document["candidates"] = std::move(candidates);
  if (what_if.is_partial) {
    document["partial"] = true;
  }
  document["warnings"] = Warnings(what_if.base.warnings);
  return Text(document);
}

}  // namespace ridgeline::report
