#include "service/api/convert.h"

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ridgeline/v1/types.pb.h>

#include "service/api/diagnostic_message.h"

namespace ridgeline::api {
namespace {

using Settings = google::protobuf::Map<std::string, std::string>;

void SetSettings(const std::map<std::string, std::string>& settings, Settings& message) {
  for (const auto& [path, value] : settings) {
    message[path] = value;
  }
}

v1::Evidence EvidenceMessage(Evidence evidence) {
  switch (evidence) {
    case Evidence::kMeasured:
      return v1::EVIDENCE_MEASURED;
    case Evidence::kInterpolated:
      return v1::EVIDENCE_INTERPOLATED;
    case Evidence::kExtrapolated:
      return v1::EVIDENCE_EXTRAPOLATED;
    case Evidence::kAnalytic:
      return v1::EVIDENCE_ANALYTIC;
  }
  return v1::EVIDENCE_UNSPECIFIED;
}

/// What a newer peer may say and we do not know counts as the weakest evidence.
Evidence EvidenceOf(v1::Evidence evidence) {
  switch (evidence) {
    case v1::EVIDENCE_MEASURED:
      return Evidence::kMeasured;
    case v1::EVIDENCE_INTERPOLATED:
      return Evidence::kInterpolated;
    case v1::EVIDENCE_EXTRAPOLATED:
      return Evidence::kExtrapolated;
    default:
      return Evidence::kAnalytic;
  }
}

v1::ReportKind KindMessage(sim::ReportKind kind) {
  switch (kind) {
    case sim::ReportKind::kTraining:
      return v1::REPORT_KIND_TRAINING;
    case sim::ReportKind::kServing:
      return v1::REPORT_KIND_SERVING;
    case sim::ReportKind::kForward:
      return v1::REPORT_KIND_FORWARD;
    case sim::ReportKind::kTraffic:
      return v1::REPORT_KIND_TRAFFIC;
  }
  return v1::REPORT_KIND_UNSPECIFIED;
}

sim::ReportKind KindOf(v1::ReportKind kind) {
  switch (kind) {
    case v1::REPORT_KIND_SERVING:
      return sim::ReportKind::kServing;
    case v1::REPORT_KIND_FORWARD:
      return sim::ReportKind::kForward;
    case v1::REPORT_KIND_TRAFFIC:
      return sim::ReportKind::kTraffic;
    default:
      return sim::ReportKind::kTraining;
  }
}

template <class Messages>
void SetShares(const std::vector<sim::Share>& shares, Messages& messages) {
  for (const sim::Share& share : shares) {
    v1::Share& message = *messages.Add();
    message.set_name(share.name);
    message.set_title(share.title);
    message.set_value(share.value);
  }
}

template <class Messages>
std::vector<sim::Share> SharesOf(const Messages& messages) {
  std::vector<sim::Share> shares;
  for (const v1::Share& message : messages) {
    shares.push_back({.name = message.name(), .title = message.title(), .value = message.value()});
  }
  return shares;
}

/// The name in our own words, which outlive a message; none for a newer peer's.
std::string_view BoundOf(std::string_view name) {
  constexpr std::array<std::string_view, 4> kBounds = {"compute", "memory", "latency", "network"};
  const auto* const found = std::find(kBounds.begin(), kBounds.end(), name);
  return found == kBounds.end() ? std::string_view() : *found;
}

void SetTables(const sim::Report& report, v1::Report& message) {
  for (const sim::OperationPosition& operation : report.operations) {
    v1::OperationPosition& added = *message.add_operations();
    added.set_name(operation.name);
    added.set_bound(std::string(operation.bound));
    added.set_intensity(operation.intensity);
    added.set_seconds(operation.seconds);
    added.set_share(operation.share);
    added.set_of_bound(operation.of_bound);
  }
  for (const sim::CommunicationUse& use : report.communication) {
    v1::CommunicationUse& added = *message.add_communication();
    added.set_name(use.name);
    added.set_busy(use.busy);
    added.set_exposed(use.exposed);
    added.set_bytes(use.bytes);
    added.set_ranks(use.ranks);
    added.set_where(use.where);
  }
}

void ReadTables(const v1::Report& message, sim::Report& report) {
  for (const v1::OperationPosition& operation : message.operations()) {
    report.operations.push_back({.name = operation.name(),
                                 .bound = BoundOf(operation.bound()),
                                 .intensity = operation.intensity(),
                                 .seconds = operation.seconds(),
                                 .share = operation.share(),
                                 .of_bound = operation.of_bound()});
  }
  for (const v1::CommunicationUse& use : message.communication()) {
    report.communication.push_back({.name = use.name(),
                                    .busy = use.busy(),
                                    .exposed = use.exposed(),
                                    .bytes = use.bytes(),
                                    .ranks = use.ranks(),
                                    .where = use.where()});
  }
}

template <class Messages>
void SetInputs(const std::vector<report::Input>& inputs, Messages& messages) {
  for (const report::Input& input : inputs) {
    v1::Input& message = *messages.Add();
    message.set_name(input.name);
    message.set_sha256(input.sha256);
  }
}

template <class Messages>
std::vector<report::Input> InputsOf(const Messages& messages) {
  std::vector<report::Input> inputs;
  for (const v1::Input& message : messages) {
    inputs.push_back({.name = message.name(), .sha256 = message.sha256()});
  }
  return inputs;
}

void SetTarget(const sim::Target& target, v1::Target& message) {
  message.set_metric(target.metric);
  message.set_is_upper_bound(target.is_upper_bound);
  message.set_value(target.value);
  message.set_written(target.written);
}

sim::Target TargetOf(const v1::Target& message) {
  return {.metric = message.metric(),
          .is_upper_bound = message.is_upper_bound(),
          .value = message.value(),
          .written = message.written()};
}

void SetPlan(const planner::Plan& plan, v1::Plan& message) {
  message.set_title(plan.title);
  message.set_objective(plan.objective);
  message.set_is_minimized(plan.is_minimized);
  for (const sim::Target& target : plan.targets) {
    SetTarget(target, *message.add_targets());
  }
  message.set_is_feasible(plan.is_feasible);
  message.set_is_partial(plan.is_partial);
  for (const planner::Candidate& candidate : plan.candidates) {
    ToMessage(candidate, *message.add_candidates());
  }
  v1::SearchCounts& counts = *message.mutable_counts();
  counts.set_considered(plan.counts.considered);
  counts.set_illegal(plan.counts.illegal);
  counts.set_out_of_memory(plan.counts.out_of_memory);
  counts.set_bounded(plan.counts.bounded);
  counts.set_evaluated(plan.counts.evaluated);
  for (const std::string& path : plan.searched) {
    message.add_searched(path);
  }
  message.set_floor(plan.floor);
  message.set_gap(plan.gap);
  for (const std::string& reason : plan.why_not) {
    message.add_why_not(reason);
  }
}

planner::Plan PlanOf(const v1::Plan& message) {
  const v1::SearchCounts& counts = message.counts();
  planner::Plan plan;
  plan.title = message.title();
  plan.objective = message.objective();
  plan.is_minimized = message.is_minimized();
  plan.is_feasible = message.is_feasible();
  plan.is_partial = message.is_partial();
  plan.counts = {.considered = counts.considered(),
                 .illegal = counts.illegal(),
                 .out_of_memory = counts.out_of_memory(),
                 .bounded = counts.bounded(),
                 .evaluated = counts.evaluated()};
  plan.searched = {message.searched().begin(), message.searched().end()};
  plan.floor = message.floor();
  plan.gap = message.gap();
  plan.why_not = {message.why_not().begin(), message.why_not().end()};
  for (const v1::Target& target : message.targets()) {
    plan.targets.push_back(TargetOf(target));
  }
  for (const v1::Candidate& candidate : message.candidates()) {
    plan.candidates.push_back(FromMessage(candidate));
  }
  return plan;
}

void SetVariant(const planner::Variant& variant, v1::Variant& message) {
  for (const auto& [path, value] : variant.changes) {
    v1::Change& change = *message.add_changes();
    change.set_path(path);
    change.set_value(value);
  }
  if (variant.report) {
    ToMessage(*variant.report, *message.mutable_report());
  } else if (variant.error) {
    ToMessage(*variant.error, Severity::kError, *message.mutable_error());
  }
  for (const planner::Difference& difference : variant.explained_by) {
    v1::Difference& added = *message.add_explained_by();
    added.set_name(difference.name);
    added.set_title(difference.title);
    added.set_change(difference.change);
  }
}

planner::Variant VariantOf(const v1::Variant& message) {
  planner::Variant variant;
  for (const v1::Change& change : message.changes()) {
    variant.changes.emplace_back(change.path(), change.value());
  }
  if (message.has_report()) {
    variant.report = FromMessage(message.report());
  } else if (message.has_error()) {
    variant.error = FromMessage(message.error());
  }
  for (const v1::Difference& difference : message.explained_by()) {
    variant.explained_by.push_back(
        {.name = difference.name(), .title = difference.title(), .change = difference.change()});
  }
  return variant;
}

}  // namespace

void ToMessage(const sim::Report& report, v1::Report& message) {
  message.set_kind(KindMessage(report.kind));
  message.set_title(report.title);
  SetSettings(report.settings, *message.mutable_settings());
  for (const sim::Metric& metric : report.metrics) {
    v1::Metric& added = *message.add_metrics();
    added.set_name(metric.name);
    added.set_value(metric.value);
    added.set_unit(metric.unit);
    added.set_low(metric.low);
    added.set_high(metric.high);
    added.set_evidence(EvidenceMessage(metric.evidence));
  }
  SetShares(report.time, *message.mutable_time());
  SetShares(report.memory, *message.mutable_memory());
  for (const sim::Assumption& assumption : report.assumptions) {
    v1::Assumption& added = *message.add_assumptions();
    added.set_what(assumption.what);
    added.set_value(assumption.value);
    added.set_source(assumption.source);
  }
  for (const Error& warning : report.warnings) {
    ToMessage(warning, Severity::kWarning, *message.add_warnings());
  }
  message.set_fits(report.fits);
  if (report.calibration) {
    v1::Calibration& used = *message.mutable_calibration();
    used.set_name(report.calibration->name);
    used.set_sha256(report.calibration->sha256);
    used.set_gpu(report.calibration->gpu);
    used.set_is_transferred(report.calibration->is_transferred);
  }
  for (size_t i = 0; i < report.evidence.size(); ++i) {
    v1::EvidenceShare& added = *message.add_evidence();
    added.set_evidence(EvidenceMessage(static_cast<Evidence>(i)));
    added.set_share(report.evidence.at(i));
  }
  for (const sim::UnmeasuredOperation& operation : report.unmeasured) {
    v1::UnmeasuredOperation& added = *message.add_unmeasured();
    added.set_what(operation.what);
    added.set_share(operation.share);
    added.set_evidence(EvidenceMessage(operation.evidence));
  }
  SetTables(report, message);
}

sim::Report FromMessage(const v1::Report& message) {
  sim::Report report;
  report.kind = KindOf(message.kind());
  report.title = message.title();
  report.settings = {message.settings().begin(), message.settings().end()};
  report.time = SharesOf(message.time());
  report.memory = SharesOf(message.memory());
  report.fits = message.fits();
  for (const v1::Metric& metric : message.metrics()) {
    report.metrics.push_back({.name = metric.name(),
                              .value = metric.value(),
                              .unit = metric.unit(),
                              .low = metric.low(),
                              .high = metric.high(),
                              .evidence = EvidenceOf(metric.evidence())});
  }
  for (const v1::Assumption& assumption : message.assumptions()) {
    report.assumptions.push_back(
        {.what = assumption.what(), .value = assumption.value(), .source = assumption.source()});
  }
  for (const v1::Diagnostic& warning : message.warnings()) {
    report.warnings.push_back(FromMessage(warning));
  }
  if (message.has_calibration()) {
    const v1::Calibration& used = message.calibration();
    report.calibration = {.name = used.name(),
                          .sha256 = used.sha256(),
                          .gpu = used.gpu(),
                          .is_transferred = used.is_transferred()};
  }
  for (const v1::EvidenceShare& share : message.evidence()) {
    report.evidence.at(static_cast<size_t>(EvidenceOf(share.evidence()))) += share.share();
  }
  for (const v1::UnmeasuredOperation& operation : message.unmeasured()) {
    report.unmeasured.push_back({.what = operation.what(),
                                 .share = operation.share(),
                                 .evidence = EvidenceOf(operation.evidence())});
  }
  ReadTables(message, report);
  return report;
}

void ToMessage(const report::SimulationResult& result, v1::SimulationResult& message) {
  ToMessage(result.report, *message.mutable_report());
  message.set_seed(result.seed);
  SetInputs(result.inputs, *message.mutable_inputs());
  for (const report::TargetOutcome& outcome : result.targets) {
    v1::TargetOutcome& added = *message.add_targets();
    SetTarget(outcome.target, *added.mutable_target());
    if (outcome.value) {
      added.set_value(*outcome.value);
    }
    added.set_unit(outcome.unit);
    added.set_is_met(outcome.is_met);
  }
}

report::SimulationResult FromMessage(const v1::SimulationResult& message) {
  report::SimulationResult result{.report = FromMessage(message.report()),
                                  .seed = message.seed(),
                                  .inputs = InputsOf(message.inputs())};
  for (const v1::TargetOutcome& outcome : message.targets()) {
    result.targets.push_back(
        {.target = TargetOf(outcome.target()),
         .value = outcome.has_value() ? std::optional(outcome.value()) : std::nullopt,
         .unit = outcome.unit(),
         .is_met = outcome.is_met()});
  }
  return result;
}

void ToMessage(const planner::Candidate& candidate, v1::Candidate& message) {
  SetSettings(candidate.settings, *message.mutable_settings());
  ToMessage(candidate.report, *message.mutable_report());
}

planner::Candidate FromMessage(const v1::Candidate& message) {
  return {.settings = {message.settings().begin(), message.settings().end()},
          .report = FromMessage(message.report())};
}

void ToMessage(const report::PlanResult& result, v1::PlanResult& message) {
  SetPlan(result.plan, *message.mutable_plan());
  message.set_seed(result.seed);
  SetInputs(result.inputs, *message.mutable_inputs());
}

report::PlanResult FromMessage(const v1::PlanResult& message) {
  return {
      .plan = PlanOf(message.plan()), .seed = message.seed(), .inputs = InputsOf(message.inputs())};
}

void ToMessage(const report::WhatIfResult& result, v1::WhatIfResult& message) {
  v1::WhatIf& what_if = *message.mutable_what_if();
  ToMessage(result.what_if.base, *what_if.mutable_base());
  what_if.set_metric(result.what_if.metric);
  for (const planner::Variant& variant : result.what_if.variants) {
    SetVariant(variant, *what_if.add_variants());
  }
  message.set_seed(result.seed);
  SetInputs(result.inputs, *message.mutable_inputs());
}

report::WhatIfResult FromMessage(const v1::WhatIfResult& message) {
  report::WhatIfResult result;
  result.what_if.base = FromMessage(message.what_if().base());
  result.what_if.metric = message.what_if().metric();
  result.seed = message.seed();
  result.inputs = InputsOf(message.inputs());
  for (const v1::Variant& variant : message.what_if().variants()) {
    result.what_if.variants.push_back(VariantOf(variant));
  }
  return result;
}

}  // namespace ridgeline::api
