#include "service/server/planner_calls.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include <ridgeline/v1/services.pb.h>

#include "planner/plan.h"
#include "service/api/convert.h"
#include "service/server/scenario_request.h"
#include "sim/target.h"

namespace ridgeline::server {
namespace {

using Clock = Stop::Clock;

/// The sooner of the client's deadline and the end of the budget.
Result<std::optional<Clock::time_point>> EndOfSearch(const v1::PlanRequest& request,
                                                     const CallContext& context) {
  if (!request.has_budget()) {
    return context.deadline;
  }
  const auto& budget = request.budget();
  constexpr int64_t kMostSeconds = 1'000'000'000;  // 30 years; beyond, the clock overflows
  if (budget.seconds() < 0 || budget.nanos() < 0 || budget.seconds() > kMostSeconds) {
    return InvalidArgument("the budget must be from 0 s to 30 years");
  }
  const Clock::time_point end = Clock::now() + std::chrono::seconds(budget.seconds()) +
                                std::chrono::nanoseconds(budget.nanos());
  return context.deadline ? std::min(*context.deadline, end) : end;
}

}  // namespace

Status Plan(const v1::PlanRequest& request, const CallContext& context,
            EventSink<v1::PlanEvent>& sink) {
  ASSIGN_OR_RETURN(const auto end, EndOfSearch(request, context));
  ASSIGN_OR_RETURN(const Node document, ReadScenario(request.scenario()));
  EventProgress<v1::PlanEvent> progress(sink);
  planner::PlanOptions options;
  options.stop = Stop(context.token, end);
  options.progress = &progress;
  options.jobs = context.jobs;
  options.is_read_when_cancelled = false;
  if (request.keep() < 0 || request.keep() > 1000) {
    return InvalidArgument("keep must be from 0 to 1000");
  }
  if (request.keep() > 0) {
    options.keep = request.keep();
  }
  for (const std::string& text : request.targets()) {
    ASSIGN_OR_RETURN(sim::Target target, sim::ParseTarget(text));
    options.targets.push_back(std::move(target));
  }
  if (request.has_minimize()) {
    options.minimize = request.minimize();
  }
  options.on_incumbent = [&sink](const planner::Candidate& candidate) {
    v1::PlanEvent event;
    api::ToMessage(candidate, *event.mutable_incumbent());
    sink.Send(std::move(event));
  };
  report::PlanResult result;
  ASSIGN_OR_RETURN(result.plan, planner::MakePlan(document, context.catalog, options));
  // Partial because of the budget is an answer; because nobody waits for it, none.
  RETURN_IF_ERROR(context.stop().Check());
  result.seed = SeedOf(document);
  result.inputs = InputsOf(request.scenario());
  v1::PlanEvent event;
  api::ToMessage(result, *event.mutable_result());
  sink.Send(std::move(event));
  return {};
}

}  // namespace ridgeline::server
