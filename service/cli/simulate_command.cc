#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "base/diagnostic.h"
#include "service/cli/commands.h"
#include "service/cli/exit_code.h"
#include "service/cli/resolved_text.h"
#include "service/cli/scenario_files.h"
#include "service/cli/shell_word.h"
#include "service/cli/standard_error.h"
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
  std::error_code unread;
  const bool is_new = !file.empty() && !std::filesystem::exists(file, unread);
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
  Result<sim::Report> report = sim::Simulate(scenario, options);
  if (!report && is_new) {
    std::filesystem::remove(file, unread);
  }
  if (report && !file.empty()) {
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

/// The commands that a reader of this answer is likely to want, each about the same scenario. They
/// depend on how the question was asked, so they go to standard error.
std::string NextSteps(const CommandLine& line, const sim::Report& report) {
  std::string question = "ridgeline simulate";
  for (const std::string& argument : line.arguments) {
    question += " " + ShellWord(argument);
  }
  for (const std::string& override : line.overrides) {
    question += " --set " + ShellWord(override);
  }
  for (const std::filesystem::path& folder : line.configs) {
    question += " --configs " + ShellWord(folder.string());
  }
  if (line.seed) {
    question += fmt::format(" --seed {}", *line.seed);
  }
  std::string steps;
  const auto add = [&steps](const std::string& step) {
    steps += (steps.empty() ? "\nnext: " : "\n      ") + step;
  };
  if (!report.fits) {
    const auto recompute = report.settings.find("training.recompute");
    if (recompute == report.settings.end() || recompute->second != "full") {
      add(question + " --set training.recompute=full");
    }
  }
  if (line.output != report::OutputFormat::kWide) {
    add(question + " -o wide");
  }
  if (line.trace_file.empty()) {
    add(question + " --trace step.json");
  }
  add("ridgeline explain training.parallelism");
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
      Tell(RenderDiagnostic(Severity::kWarning, warning, session.has_color));
    }
  }
  const bool fits = report.fits;
  const report::SimulationResult result{
      .report = std::move(report), .seed = scenario.seed, .inputs = inputs};
  session.out = report::Render(result, line.output);
  if (IsForPeople(line.output)) {
    session.closing_note = NextSteps(line, result.report);
  }
  return fits ? kExitDone : kExitAnswerIsNo;
}

}  // namespace ridgeline::cli
