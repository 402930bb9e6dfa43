#include <algorithm>
#include <thread>

#include <fmt/format.h>

#include "planner/plan.h"
#include "service/cli/asked_again.h"
#include "service/cli/commands.h"
#include "service/cli/exit_code.h"
#include "service/cli/remote.h"
#include "service/cli/scenario_files.h"
#include "service/report/plan_result.h"

namespace ridgeline::cli {
namespace {

Result<report::PlanResult> PlanHere(
    const Session& session, const std::function<void(const planner::Candidate&)>& on_incumbent) {
  const CommandLine& line = session.line;
  planner::PlanOptions options{.stop = session.stop,
                               .progress = session.progress,
                               .on_incumbent = on_incumbent,
                               .minimize = line.minimize};
  // Threads change no answer, so a plan takes what there is.
  const auto processors = static_cast<int>(std::thread::hardware_concurrency());
  options.jobs = line.jobs.value_or(std::max(1, processors));
  for (const std::string& written : line.targets) {
    ASSIGN_OR_RETURN(sim::Target target, sim::ParseTarget(written));
    options.targets.push_back(std::move(target));
  }
  ASSIGN_OR_RETURN(const Question question, ReadQuestion(line, session.catalog));
  ASSIGN_OR_RETURN(planner::Plan plan,
                   planner::MakePlan(question.document, session.catalog, options));
  return report::PlanResult{
      .plan = std::move(plan), .seed = question.seed, .inputs = question.inputs};
}

Result<report::PlanResult> Answer(
    const Session& session, const std::function<void(const planner::Candidate&)>& on_incumbent) {
  if (session.line.server.empty()) {
    return PlanHere(session, on_incumbent);
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> paths,
                   ScenarioPaths(session.line.arguments, session.catalog));
  return PlanOnServer(session, paths, on_incumbent);
}

/// The best candidate in full: its settings laid over the scenario that was asked about.
std::string NextStep(const CommandLine& line, const planner::Plan& plan) {
  if (plan.candidates.empty()) {
    return "\nnext: " + AskedAgain(line) + " -o wide";
  }
  CommandLine best = line;
  for (const auto& [path, value] : plan.candidates.front().settings) {
    best.overrides.push_back(fmt::format("{}={}", path, value));
  }
  return "\nnext: " + AskedAgain(best, "simulate");
}

}  // namespace

Result<int> Plan(Session& session) {
  const CommandLine& line = session.line;
  const auto tell = [&session](const planner::Candidate& candidate) {
    if (session.line.verbosity > 0) {
      session.Note("better: " + report::CandidateText(candidate));
    }
  };
  ASSIGN_OR_RETURN(const report::PlanResult result, Answer(session, tell));
  session.out = report::Render(result, line.output);
  if (result.plan.is_partial) {
    // The best so far is written; the exit code says why the search ends there.
    RETURN_IF_ERROR(session.stop.Check());
  }
  if (line.output == report::OutputFormat::kTable || line.output == report::OutputFormat::kWide) {
    session.closing_note = NextStep(line, result.plan);
  }
  return result.plan.is_feasible ? kExitDone : kExitAnswerIsNo;
}

}  // namespace ridgeline::cli
