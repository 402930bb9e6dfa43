#include <algorithm>
#include <filesystem>
#include <fstream>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "calibration/accuracy.h"
#include "calibration/fit.h"
#include "calibration/point_source.h"
#include "calibration/profile.h"
#include "service/cli/commands.h"
#include "service/cli/exit_code.h"

namespace ridgeline::cli {
namespace {

using calibration::Measurement;
using report::Align;
using report::Table;

constexpr std::string_view kMeasureText =
    "Measuring needs CUDA and runs as a program of its own, ridgeline_measure, which is built\n"
    "wherever a CUDA toolkit is found (calibration/measure/README.md):\n"
    "\n"
    "  cmake -S . -B build -G Ninja && ninja -C build ridgeline_measure\n"
    "  build/bin/ridgeline_measure --help\n"
    "\n"
    "It writes JSON lines after each point and goes on where it stopped. Carry the file here, "
    "then:\n"
    "\n"
    "  ridgeline calibrate fit POINTS.jsonl --gpu NAME --write NAME.calibration\n"
    "  ridgeline calibrate check POINTS.jsonl --gpu NAME --profile NAME.calibration\n";

std::string Percent(double share) { return fmt::format("{:.2f} %", 100 * share); }

/// Points of every file, in order.
Result<std::vector<Measurement>> ReadAll(Session& session, std::span<const std::string> files) {
  if (files.empty()) {
    return InvalidArgument("calibrate needs files of measured points",
                           "ridgeline calibrate fit POINTS.jsonl --gpu h100-sxm --write FILE");
  }
  std::vector<Measurement> points;
  for (const std::string& file : files) {
    RETURN_IF_ERROR(session.stop.Check());
    ASSIGN_OR_RETURN(calibration::ImportedPoints read,
                     calibration::ReadPointSource(file, session.line.gpu));
    if (read.left_out > 0) {
      session.Note(fmt::format("{}: {} of {} rows are no operation here and are left out", file,
                               read.left_out, read.rows));
    }
    std::move(read.points.begin(), read.points.end(), std::back_inserter(points));
  }
  return points;
}

Result<hardware::Gpu> GpuOf(const Session& session) {
  if (session.line.gpu.empty()) {
    return InvalidArgument("calibrate fit and check need --gpu NAME",
                           "`ridgeline list gpus` shows the names");
  }
  Reference<hardware::Gpu> reference;
  reference.name = session.line.gpu;
  return session.catalog.ResolveGpu(reference);
}

Result<int> Import(Session& session, std::span<const std::string> files) {
  ASSIGN_OR_RETURN(const std::vector<Measurement> points, ReadAll(session, files));
  std::string lines;
  for (const Measurement& point : points) {
    lines += calibration::MeasurementLine(point) + "\n";
  }
  if (session.line.write_file.empty()) {
    session.out = std::move(lines);
    return kExitDone;
  }
  std::ofstream file(session.line.write_file, std::ios::binary | std::ios::trunc);
  file << lines;
  file.close();
  if (!file) {
    return InvalidArgument("cannot write " + session.line.write_file);
  }
  session.Note(fmt::format("{} points written to {}", points.size(), session.line.write_file));
  return kExitDone;
}

Table FitTable(const calibration::Profile& profile) {
  Table table{.columns = {{"table"},
                          {"points", Align::kRight},
                          {"left out: median", Align::kRight},
                          {"p90", Align::kRight},
                          {"coverage", Align::kRight},
                          {"half-width", Align::kRight},
                          {"source"}},
              .rows = {}};
  for (const calibration::FittedTable& fitted : profile.tables) {
    const calibration::LeaveOneOut& loo = fitted.leave_one_out;
    table.rows.push_back({calibration::TableTitle(fitted), std::to_string(fitted.shapes.size()),
                          Percent(loo.median), Percent(loo.p90), Percent(loo.coverage),
                          Percent(loo.half_width), fitted.source});
  }
  return table;
}

Result<int> Fit(Session& session, std::span<const std::string> files) {
  ASSIGN_OR_RETURN(const hardware::Gpu gpu, GpuOf(session));
  ASSIGN_OR_RETURN(std::vector<Measurement> points, ReadAll(session, files));
  const calibration::SplitPoints split = calibration::SplitHeldOut(std::move(points));
  ASSIGN_OR_RETURN(
      calibration::Fitted fitted,
      calibration::Fit(split.to_fit, gpu, session.stop, {.takes_busy = session.line.takes_busy}));
  for (const calibration::FittedTable& table : fitted.profile.tables) {
    if (fitted.profile.note.find(table.source) == std::string::npos) {
      fitted.profile.note += (fitted.profile.note.empty() ? "" : "; ") + table.source;
    }
  }
  const calibration::FitCounts& counts = fitted.counts;
  session.Note(fmt::format(
      "{} points fitted ({} of them repeats); left aside: {} held out, {} skipped when measured, "
      "{} on a busy GPU, {} of another GPU or operation, {} in tables of fewer than {}",
      counts.used, counts.repeated, split.held_out.size(), counts.skipped, counts.busy,
      counts.other, counts.sparse, calibration::kFewestRows));
  if (!session.line.write_file.empty()) {
    RETURN_IF_ERROR(calibration::WriteProfile(session.line.write_file, fitted.profile));
  }
  session.out = RenderTable(FitTable(fitted.profile), session.line.output);
  return kExitDone;
}

/// The shipped profile of a GPU, or the file that the user named.
Result<std::filesystem::path> ProfilePath(const Session& session, const hardware::Gpu& gpu) {
  if (!session.line.profile_file.empty()) {
    return std::filesystem::path(session.line.profile_file);
  }
  const std::string name = gpu.name + std::string(calibration::kProfileEnding);
  for (const std::filesystem::path& root : session.catalog.roots()) {
    const std::filesystem::path path = root / "calibration" / name;
    if (std::filesystem::exists(path)) {
      return path;
    }
  }
  return NotFound("no calibration profile of this GPU is shipped: " + gpu.name,
                  "give one with --profile FILE");
}

Result<int> CheckProfile(Session& session, std::span<const std::string> files) {
  ASSIGN_OR_RETURN(const hardware::Gpu gpu, GpuOf(session));
  ASSIGN_OR_RETURN(const std::filesystem::path path, ProfilePath(session, gpu));
  ASSIGN_OR_RETURN(const calibration::Profile profile, calibration::ReadProfile(path));
  ASSIGN_OR_RETURN(std::vector<Measurement> points, ReadAll(session, files));
  std::erase_if(points, [&](const Measurement& point) { return point.gpu != gpu.name; });
  const calibration::SplitPoints split = calibration::SplitHeldOut(std::move(points));
  const calibration::Accuracy accuracy = calibration::MeasureAccuracy(split.held_out, profile, gpu);
  Table table{.columns = {{"family"},
                          {"measured time"},
                          {"points", Align::kRight},
                          {"median", Align::kRight},
                          {"p90", Align::kRight},
                          {"mape", Align::kRight},
                          {"worst", Align::kRight},
                          {"bias", Align::kRight},
                          {"coverage", Align::kRight},
                          {"half-width", Align::kRight},
                          {"extrapolated", Align::kRight},
                          {"worst case", Align::kLeft, true}},
              .rows = {}};
  for (const calibration::AccuracyRow& row : accuracy.rows) {
    table.rows.push_back({row.family, row.band, std::to_string(row.points), Percent(row.median),
                          Percent(row.p90), Percent(row.mape), Percent(row.worst),
                          Percent(row.bias), Percent(row.coverage), Percent(row.median_half_width),
                          std::to_string(row.extrapolated), row.worst_case});
  }
  session.Note(fmt::format("{} held-out points of {}; {} without a price in {}",
                           split.held_out.size(), gpu.name, accuracy.unpriced,
                           path.filename().string()));
  session.out = RenderTable(table, session.line.output);
  return kExitDone;
}

}  // namespace

Result<int> Calibrate(Session& session) {
  const std::vector<std::string>& words = session.line.arguments;
  const std::span<const std::string> files = std::span(words).subspan(1);
  const std::string& action = words.front();
  if (action == "measure") {
    session.out = kMeasureText;
    return kExitDone;
  }
  if (action == "import") {
    return Import(session, files);
  }
  if (action == "fit") {
    return Fit(session, files);
  }
  if (action == "check") {
    return CheckProfile(session, files);
  }
  return InvalidArgument("calibrate does not know: " + action, "measure, import, fit or check");
}

}  // namespace ridgeline::cli
