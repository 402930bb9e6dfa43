#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/grouped_number.h"
#include "calibration/fit.h"
#include "calibration/profile.h"
#include "service/cli/calibrate_actions.h"
#include "service/cli/exit_code.h"
#include "service/report/metric_text.h"

namespace ridgeline::cli {
namespace {

using calibration::Measurement;
using report::Align;
using report::OutputFormat;
using report::Table;
using Json = nlohmann::ordered_json;

Json JsonOf(const calibration::FittedTable& fitted) {
  return {{"table", calibration::TableTitle(fitted)},
          {"points", fitted.shapes.size()},
          {"median_error", fitted.unseen.median},
          {"p90_error", fitted.unseen.p90},
          {"coverage", fitted.unseen.coverage},
          {"half_width", fitted.unseen.half_width},
          {"source", fitted.source}};
}

std::string Rendered(const calibration::Fitted& fitted, size_t held_out, OutputFormat format) {
  if (format == OutputFormat::kJson || format == OutputFormat::kJsonl) {
    Json tables = Json::array();
    std::string lines;
    for (const calibration::FittedTable& table : fitted.profile.tables) {
      tables.push_back(JsonOf(table));
      lines += tables.back().dump() + "\n";
    }
    const calibration::FitCounts& counts = fitted.counts;
    return format == OutputFormat::kJsonl ? lines
                                          : Json{{"schema", "ridgeline.calibration_fit/1"},
                                                 {"gpu", fitted.profile.gpu},
                                                 {"counts",
                                                  {{"fitted", counts.used},
                                                   {"repeated", counts.repeated},
                                                   {"held_out", held_out},
                                                   {"skipped", counts.skipped},
                                                   {"busy", counts.busy},
                                                   {"impossible", counts.impossible},
                                                   {"other", counts.other},
                                                   {"sparse", counts.sparse}}},
                                                 {"tables", std::move(tables)}}
                                                    .dump(2) +
                                                "\n";
  }
  Table table{.columns = {{"table"},
                          {"points", Align::kRight},
                          {"left out: median", Align::kRight},
                          {"p90", Align::kRight},
                          {"in range", Align::kRight},
                          {"half-width", Align::kRight},
                          {"source"}},
              .rows = {}};
  for (const calibration::FittedTable& row : fitted.profile.tables) {
    const calibration::UnseenError& unseen = row.unseen;
    table.rows.push_back({calibration::TableTitle(row), std::to_string(row.shapes.size()),
                          report::PercentText(unseen.median), report::PercentText(unseen.p90),
                          report::PercentText(unseen.coverage),
                          report::PercentText(unseen.half_width), row.source});
  }
  return RenderTable(table, format);
}

/// Why nothing can be fitted, before anything is.
Status CheckPoints(const std::vector<Measurement>& points, const hardware::Gpu& gpu) {
  const bool has_gpu = std::any_of(points.begin(), points.end(),
                                   [&](const Measurement& point) { return point.gpu == gpu.name; });
  if (!has_gpu) {
    return InvalidArgument(
        fmt::format("no points of {}: these are of {}", gpu.name, GpusIn(points)),
        "--gpu is the GPU that was measured");
  }
  const auto held_out = std::find_if_not(points.begin(), points.end(), calibration::IsHeldOut);
  if (held_out == points.end()) {
    return Fail(
        {.code = ErrorCode::kFailedPrecondition,
         .message = fmt::format(
             "held-out points are not fitted, and all {} are held out; the first: {} {}",
             Grouped(static_cast<int64_t>(points.size())), calibration::IdOf(points.front()),
             calibration::OperationText(points.front().operation)),
         .hint = "half of all shapes (those whose id ends in an odd digit) are for "
                 "`calibrate check` alone; measure more shapes"});
  }
  return {};
}

}  // namespace

Result<int> CalibrateFit(Session& session, Words files) {
  ASSIGN_OR_RETURN(const hardware::Gpu gpu, GpuOf(session, "fit"));
  ASSIGN_OR_RETURN(std::vector<Measurement> points, GivenOrShippedPoints(session, files, gpu));
  RETURN_IF_ERROR(CheckPoints(points, gpu));
  const calibration::SplitPoints split = calibration::SplitHeldOut(std::move(points));
  ASSIGN_OR_RETURN(
      calibration::Fitted fitted,
      calibration::Fit(split.to_fit, gpu, session.stop, {.takes_busy = session.line.takes_busy}));
  std::string& note = fitted.profile.note;
  for (const calibration::FittedTable& table : fitted.profile.tables) {
    if (note.find(table.source) == std::string::npos) {
      note += (note.empty() ? "" : "; ") + table.source;
    }
  }
  const calibration::FitCounts& counts = fitted.counts;
  session.Note(fmt::format(
      "{} points fitted ({} of them repeats); left aside: {} held out, {} skipped when measured, "
      "{} on a busy GPU{}, {} faster than the vendor's peak, {} of another GPU or operation, {} in "
      "tables of fewer than {}",
      Grouped(counts.used), Grouped(counts.repeated),
      Grouped(static_cast<int64_t>(split.held_out.size())), Grouped(counts.skipped),
      Grouped(counts.busy), counts.busy > 0 ? " (--takes-busy uses them)" : "",
      Grouped(counts.impossible), Grouped(counts.other), Grouped(counts.sparse),
      calibration::kFewestRows));
  if (session.line.write_file.empty()) {
    session.Note("nothing is written: --write FILE keeps the profile");
  } else {
    RETURN_IF_ERROR(calibration::WriteProfile(session.line.write_file, fitted.profile));
    session.closing_note =
        fmt::format("wrote {}\nnext: ridgeline calibrate check{}{} --gpu {} --profile {}",
                    session.line.write_file, files.empty() ? "" : " ", fmt::join(files, " "),
                    gpu.name, session.line.write_file);
  }
  session.out = Rendered(fitted, split.held_out.size(), session.line.output);
  return kExitDone;
}

}  // namespace ridgeline::cli
