#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "base/diagnostic.h"
#include "service/cli/commands.h"
#include "service/cli/exit_code.h"
#include "service/cli/resolved_text.h"
#include "service/cli/scenario_files.h"
#include "service/report/simulation_result.h"
#include "sim/simulate.h"

namespace ridgeline::cli {
namespace {

bool IsForPeople(report::OutputFormat format) {
  return format == report::OutputFormat::kTable || format == report::OutputFormat::kWide;
}

Error CannotWrite(const std::string& file) {
  return {.code = ErrorCode::kInvalidArgument,
          .message = fmt::format("cannot write {}: {}", file,
                                 std::strerror(errno)),  // NOLINT(concurrency-mt-unsafe)
          .hint = "name a place that can be written with --trace"};
}

/// Runs the scenario; the trace goes to its file only once the run is done, so that a run that
/// fails leaves an earlier trace alone.
Result<sim::Report> Run(const Session& session, const sim::Scenario& scenario) {
  const std::string& file = session.line.trace_file;
  if (file == "-") {
    return tl::unexpected(
        Error{.code = ErrorCode::kInvalidArgument,
              .message = "--trace needs a file: standard output holds the answer"});
  }
  if (file.ends_with(".gz")) {
    return tl::unexpected(Error{.code = ErrorCode::kUnimplemented,
                                .message = "not built yet: compressed traces: " + file,
                                .hint = "write a .json and compress it"});
  }
  std::ofstream target;
  if (!file.empty()) {
    // Opened before the run: a bad path should cost no time.
    target.open(file, std::ios::binary | std::ios::app);
    if (!target) {
      return tl::unexpected(CannotWrite(file));
    }
    target.close();
  }
  std::ostringstream trace;
  const sim::RunOptions options{.stop = session.stop,
                                .progress = session.progress,
                                .executor = sim::Executor::kStaticSweep,
                                .trace = file.empty() ? nullptr : &trace};
  ASSIGN_OR_RETURN(sim::Report report, sim::Simulate(scenario, options));
  if (!file.empty()) {
    target.open(file, std::ios::binary | std::ios::trunc);
    target << trace.str();
    target.close();
    if (!target) {
      return tl::unexpected(CannotWrite(file));
    }
    session.Note(fmt::format("wrote {}: open it at ui.perfetto.dev", file));
  }
  return report;
}

/// Three commands that a reader of this answer is likely to want.
std::vector<std::string> NextSteps(const Session& session, const sim::Report& report) {
  std::string files;
  for (const std::string& argument : session.line.arguments) {
    files += " " + argument;
  }
  std::vector<std::string> steps;
  if (!report.fits) {
    steps.push_back("ridgeline simulate" + files + " --set training.recompute=full");
  }
  if (session.line.output != report::OutputFormat::kWide) {
    steps.push_back("ridgeline simulate" + files + " -o wide");
  }
  if (session.line.trace_file.empty()) {
    steps.push_back("ridgeline simulate" + files + " --trace step.json");
  }
  steps.emplace_back("ridgeline explain training.parallelism");
  return steps;
}

}  // namespace

Result<int> Simulate(Session& session) {
  const CommandLine& line = session.line;
  ASSIGN_OR_RETURN(const std::vector<std::string> paths,
                   ScenarioPaths(line.arguments, session.catalog));
  ASSIGN_OR_RETURN(Node document, sim::ReadScenarioFiles(paths, line.overrides));
  const std::vector<report::Input> inputs = HashInputs(line.arguments, paths, document);
  if (line.seed) {
    RETURN_IF_ERROR(SetPath(document, "seed", std::to_string(*line.seed), "--seed"));
  }
  ASSIGN_OR_RETURN(const sim::Scenario scenario, sim::ResolveScenario(document, session.catalog));
  if (line.is_dry_run) {
    session.out = ResolvedText(scenario, line.output);
    return kExitDone;
  }
  ASSIGN_OR_RETURN(sim::Report report, Run(session, scenario));
  if (!IsForPeople(line.output) && !line.is_quiet) {
    // json has the warnings inside; whoever looks at csv should see them too.
    for (const Error& warning : report.warnings) {
      fmt::print(stderr, "{}", RenderDiagnostic(Severity::kWarning, warning, session.has_color));
    }
  }
  const bool fits = report.fits;
  report::SimulationResult result{
      .report = std::move(report), .seed = scenario.seed, .inputs = inputs, .next_steps = {}};
  result.next_steps = NextSteps(session, result.report);
  session.out = report::Render(result, line.output);
  return fits ? kExitDone : kExitAnswerIsNo;
}

}  // namespace ridgeline::cli
