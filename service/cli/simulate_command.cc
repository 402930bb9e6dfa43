#include <algorithm>
#include <filesystem>
#include <optional>
#include <ostream>
#include <vector>

#include <fmt/format.h>

#include "base/diagnostic.h"
#include "service/cli/answer_file.h"
#include "service/cli/asked_again.h"
#include "service/cli/commands.h"
#include "service/cli/exit_code.h"
#include "service/cli/remote.h"
#include "service/cli/resolved_text.h"
#include "service/cli/scenario_files.h"
#include "service/cli/standard_error.h"
#include "service/report/simulation_result.h"
#include "sim/simulate.h"

namespace ridgeline::cli {
namespace {

bool IsForPeople(report::OutputFormat format) {
  return format == report::OutputFormat::kTable || format == report::OutputFormat::kWide;
}

constexpr std::string_view kChakraEnding = ".et";

/// "step.et" is "step.0.et", "step.1.et" ...: one a pipeline rank. None unless asked for.
Result<std::vector<AnswerFile>> OpenChakra(const CommandLine& line, const sim::Scenario& scenario) {
  std::vector<AnswerFile> files;
  if (!line.trace_file.ends_with(kChakraEnding)) {
    return files;
  }
  if (!scenario.training) {
    return Unimplemented("not built yet: Chakra traces of anything but a training step",
                         "write a .json: a Chrome trace");
  }
  const std::string prefix =
      line.trace_file.substr(0, line.trace_file.size() - kChakraEnding.size());
  for (int64_t rank = 0; rank < scenario.training->layout.pp; ++rank) {
    ASSIGN_OR_RETURN(AnswerFile file,
                     AnswerFile::Open("--trace", fmt::format("{}.{}.et", prefix, rank)));
    files.push_back(std::move(file));
  }
  return files;
}

/// Runs the scenario here; trace and requests go to their files once it is done.
Result<sim::Report> Run(const Session& session, const sim::Scenario& scenario) {
  const CommandLine& line = session.line;
  if (line.trace_file.ends_with(".gz")) {
    return Unimplemented("not built yet: compressed traces: " + line.trace_file,
                         "write a .json and compress it");
  }
  if (!line.requests_file.empty() && !scenario.serving) {
    return InvalidArgument("--requests needs a scenario with requests: this one serves none",
                           "drop it, or simulate a scenario with a serving block");
  }
  if (!line.trace_file.empty() && line.trace_file == line.requests_file) {
    return InvalidArgument("--trace and --requests name one file: " + line.trace_file,
                           "give each a file of its own");
  }
  const bool wants_chakra = line.trace_file.ends_with(kChakraEnding);
  ASSIGN_OR_RETURN(std::vector<AnswerFile> ranks, OpenChakra(line, scenario));
  ASSIGN_OR_RETURN(AnswerFile trace,
                   AnswerFile::Open("--trace", wants_chakra ? "" : line.trace_file));
  ASSIGN_OR_RETURN(AnswerFile requests, AnswerFile::Open("--requests", line.requests_file));
  std::vector<std::string> chakra;
  ASSIGN_OR_RETURN(sim::Report report,
                   sim::Simulate(scenario, {.stop = session.stop,
                                            .progress = session.progress,
                                            .executor = sim::Executor::kStaticSweep,
                                            .trace = trace.stream(),
                                            .requests = requests.stream(),
                                            .chakra = wants_chakra ? &chakra : nullptr,
                                            .fast_forward = !line.is_stepwise}));
  RETURN_IF_ERROR(trace.Commit());
  for (size_t rank = 0; rank < std::min(ranks.size(), chakra.size()); ++rank) {
    *ranks[rank].stream() << chakra[rank];
    RETURN_IF_ERROR(ranks[rank].Commit());
  }
  if (wants_chakra) {
    session.Note(fmt::format("wrote {} Chakra traces: ridgeline replay {}", ranks.size(),
                             line.trace_file.substr(0, line.trace_file.size() - 3)));
  } else if (!line.trace_file.empty()) {
    session.Note(fmt::format("wrote {}: open it at ui.perfetto.dev", line.trace_file));
  }
  RETURN_IF_ERROR(requests.Commit());
  if (!line.requests_file.empty()) {
    session.Note(fmt::format("wrote {}: one line a request", line.requests_file));
  }
  return report;
}

/// Where this kind of scenario says how the work is spread.
std::string_view Block(sim::ReportKind kind) {
  switch (kind) {
    case sim::ReportKind::kTraining:
      return "training.parallelism";
    case sim::ReportKind::kServing:
      return "serving.scheduler";
    case sim::ReportKind::kForward:
      return "forward";
    case sim::ReportKind::kTraffic:
      return "traffic";
  }
  return {};
}

/// The commands that a reader of this answer is likely to want, each about the same scenario. They
/// depend on how the question was asked, so they go to standard error.
std::string NextSteps(const CommandLine& line, const sim::Report& report) {
  const std::string question = AskedAgain(line);
  std::string steps;
  const auto add = [&steps](const std::string& step) {
    steps += (steps.empty() ? "\nnext: " : "\n      ") + step;
  };
  const bool is_serving = report.kind == sim::ReportKind::kServing;
  if (!report.fits && report.kind == sim::ReportKind::kTraining) {
    const auto recompute = report.settings.find("training.recompute");
    if (recompute == report.settings.end() || recompute->second != "full") {
      add(question + " --set training.recompute=full");
    }
  }
  if (line.output != report::OutputFormat::kWide) {
    add(question + " -o wide");
  }
  if (line.trace_file.empty()) {
    add(question + (is_serving ? " --trace requests.json" : " --trace step.json"));
  }
  if (is_serving && line.requests_file.empty()) {
    add(question + " --requests requests.csv");
  }
  add(fmt::format("ridgeline explain {}", Block(report.kind)));
  return steps;
}

Result<report::SimulationResult> SimulateHere(const Session& session, const Question& question) {
  ASSIGN_OR_RETURN(const sim::Scenario scenario,
                   sim::ResolveScenario(question.document, session.catalog));
  ASSIGN_OR_RETURN(sim::Report report, Run(session, scenario));
  ASSIGN_OR_RETURN(std::vector<report::TargetOutcome> targets,
                   report::JudgeTargets(report, scenario.targets));
  return report::SimulationResult{.report = std::move(report),
                                  .seed = scenario.seed,
                                  .inputs = question.inputs,
                                  .targets = std::move(targets)};
}

/// Here, unless --server names another place.
Result<report::SimulationResult> Answer(const Session& session) {
  const CommandLine& line = session.line;
  if (line.server.empty()) {
    ASSIGN_OR_RETURN(const Question question, ReadQuestion(line, session.catalog));
    return SimulateHere(session, question);
  }
  if (!line.trace_file.empty() || !line.requests_file.empty()) {
    return Unimplemented(fmt::format("not built yet: {} of a run on a server",
                                     line.trace_file.empty() ? "--requests" : "--trace"),
                         "run it here, without --server");
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> paths,
                   ScenarioPaths(line.arguments, session.catalog));
  return SimulateOnServer(session, paths);
}

}  // namespace

Result<int> Simulate(Session& session) {
  const CommandLine& line = session.line;
  if (line.is_dry_run) {
    ASSIGN_OR_RETURN(const Question question, ReadQuestion(line, session.catalog));
    ASSIGN_OR_RETURN(const sim::Scenario scenario,
                     sim::ResolveScenario(question.document, session.catalog));
    session.out = ResolvedText(scenario, line.output);
    return kExitDone;
  }
  ASSIGN_OR_RETURN(const report::SimulationResult result, Answer(session));
  if (!IsForPeople(line.output) && !line.is_quiet) {
    // json has the warnings inside; whoever looks at csv should see them too.
    for (const Error& warning : result.report.warnings) {
      Tell(RenderDiagnostic(Severity::kWarning, warning, session.has_color));
    }
  }
  session.out = report::Render(result, line.output);
  if (IsForPeople(line.output)) {
    session.closing_note = NextSteps(line, result.report);
  }
  return report::IsFeasible(result) ? kExitDone : kExitAnswerIsNo;
}

}  // namespace ridgeline::cli
