#include "service/server/simulator_calls.h"

#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <ridgeline/v1/services.pb.h>

#include "planner/what_if.h"
#include "service/api/convert.h"
#include "service/report/target_outcome.h"
#include "service/server/scenario_request.h"
#include "sim/scenario.h"
#include "sim/simulate.h"

namespace ridgeline::server {

Status Validate(const v1::ValidateRequest& request, const CallContext& context,
                v1::ValidateResponse& response) {
  ASSIGN_OR_RETURN(const Node document, ReadScenario(request.scenario()));
  ASSIGN_OR_RETURN(const sim::Scenario scenario, sim::ResolveScenario(document, context.catalog));
  response.mutable_resolved()->set_name("resolved.yaml");
  response.mutable_resolved()->set_content(WriteYaml(scenario.resolved));
  for (const sim::FilledDefault& filled : scenario.defaults) {
    v1::FilledDefault& added = *response.add_defaults();
    added.set_path(filled.path);
    added.set_value(filled.value);
  }
  return {};
}

Status Simulate(const v1::SimulateRequest& request, const CallContext& context,
                EventSink<v1::SimulateEvent>& sink) {
  ASSIGN_OR_RETURN(const Node document, ReadScenario(request.scenario()));
  ASSIGN_OR_RETURN(const sim::Scenario scenario, sim::ResolveScenario(document, context.catalog));
  EventProgress<v1::SimulateEvent> progress(sink);
  sim::RunOptions options;
  options.stop = context.stop();
  options.progress = &progress;
  report::SimulationResult result;
  ASSIGN_OR_RETURN(result.report, sim::Simulate(scenario, options));
  result.seed = scenario.seed;
  result.inputs = InputsOf(request.scenario());
  ASSIGN_OR_RETURN(result.targets, report::JudgeTargets(result.report, scenario.targets));
  v1::SimulateEvent event;
  api::ToMessage(result, *event.mutable_result());
  sink.Send(std::move(event));
  return {};
}

Status WhatIf(const v1::WhatIfRequest& request, const CallContext& context,
              EventSink<v1::WhatIfEvent>& sink) {
  ASSIGN_OR_RETURN(const Node document, ReadScenario(request.scenario()));
  std::vector<planner::Variation> variations;
  for (int i = 0; i < request.vary_size(); ++i) {
    ASSIGN_OR_RETURN(planner::Variation variation,
                     planner::ParseVariation(request.vary(i), fmt::format("--vary[{}]", i + 1)));
    variations.push_back(std::move(variation));
  }
  EventProgress<v1::WhatIfEvent> progress(sink);
  planner::WhatIfOptions options;
  options.stop = context.stop();
  options.progress = &progress;
  options.jobs = context.jobs;
  options.one_at_a_time = request.one_at_a_time();
  report::WhatIfResult result;
  ASSIGN_OR_RETURN(result.what_if,
                   planner::CompareVariants(document, variations, context.catalog, options));
  RETURN_IF_ERROR(context.stop().Check());  // a part of the variants is no answer
  result.seed = SeedOf(document);
  result.inputs = InputsOf(request.scenario());
  v1::WhatIfEvent event;
  api::ToMessage(result, *event.mutable_result());
  sink.Send(std::move(event));
  return {};
}

}  // namespace ridgeline::server
