#include <filesystem>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/grouped_number.h"
#include "calibration/accuracy.h"
#include "calibration/fit.h"
#include "calibration/profile.h"
#include "service/calibrations/calibration_source.h"
#include "service/cli/calibrate_actions.h"
#include "service/cli/exit_code.h"
#include "service/report/metric_text.h"

namespace ridgeline::cli {
namespace {

using calibration::Accuracy;
using calibration::AccuracyRow;
using calibration::Measurement;
using report::Align;
using report::OutputFormat;
using report::Table;
using Json = nlohmann::ordered_json;

/// The shipped profile of the GPU, or what the user named.
Result<std::filesystem::path> ProfilePath(const Session& session, const hardware::Gpu& gpu) {
  if (!session.line.profile_file.empty()) {
    if (std::filesystem::exists(session.line.profile_file)) {
      return std::filesystem::path(session.line.profile_file);
    }
    return calibrations::FindProfile(session.catalog.roots(), session.line.profile_file);
  }
  Result<std::filesystem::path> found =
      calibrations::FindProfile(session.catalog.roots(), gpu.name);
  if (!found) {
    return NotFound("no profile of this GPU is shipped: " + gpu.name,
                    "give one with --profile FILE; ridgeline calibrate fit makes it");
  }
  return found;
}

Json JsonOf(const AccuracyRow& row) {
  return {{"family", row.family},
          {"source", row.source},
          {"measured_time", row.band},
          {"points", row.points},
          {"median_error", row.median},
          {"p90_error", row.p90},
          {"mape", row.mape},
          {"worst", row.worst},
          {"bias", row.bias},
          {"coverage", row.coverage},
          {"half_width", row.median_half_width},
          {"extrapolated", row.extrapolated},
          {"worst_case", row.worst_case.empty() ? Json(nullptr) : Json::parse(row.worst_case)}};
}

std::string JsonText(const Accuracy& accuracy, const std::string& gpu, const std::string& profile,
                     size_t held_out, bool is_lines) {
  Json rows = Json::array();
  std::string lines;
  for (const AccuracyRow& row : accuracy.rows) {
    rows.push_back(JsonOf(row));
    lines += rows.back().dump() + "\n";
  }
  return is_lines ? lines
                  : Json{{"schema", "ridgeline.calibration_check/1"},
                         {"gpu", gpu},
                         {"profile", profile},
                         {"held_out", held_out},
                         {"without_price", accuracy.unpriced},
                         {"rows", std::move(rows)}}
                            .dump(2) +
                        "\n";
}

Table TableOf(const Accuracy& accuracy) {
  Table table{.columns = {{"family"},
                          {"measured time"},
                          {"points", Align::kRight},
                          {"median", Align::kRight},
                          {"p90", Align::kRight},
                          {"in range", Align::kRight},
                          {"half-width", Align::kRight},
                          {"extrapolated", Align::kRight},
                          {"bias", Align::kRight, true},
                          {"mape", Align::kRight, true},
                          {"worst", Align::kRight, true},
                          {"source", Align::kLeft, true},
                          {"worst case", Align::kLeft, true}},
              .rows = {}};
  for (const AccuracyRow& row : accuracy.rows) {
    table.rows.push_back(
        {row.family, row.band, std::to_string(row.points), report::PercentText(row.median),
         report::PercentText(row.p90), report::PercentText(row.coverage),
         report::PercentText(row.median_half_width), std::to_string(row.extrapolated),
         report::PercentText(row.bias), report::PercentText(row.mape),
         report::PercentText(row.worst), row.source, row.worst_case});
  }
  return table;
}

}  // namespace

Result<int> CalibrateCheck(Session& session, Words files) {
  ASSIGN_OR_RETURN(const hardware::Gpu gpu, GpuOf(session, "check"));
  ASSIGN_OR_RETURN(const std::filesystem::path path, ProfilePath(session, gpu));
  ASSIGN_OR_RETURN(const calibration::Profile profile, calibration::ReadProfile(path));
  ASSIGN_OR_RETURN(std::vector<Measurement> points, GivenOrShippedPoints(session, files, gpu));
  const std::string all = GpusIn(points);
  std::erase_if(points, [&](const Measurement& point) { return point.gpu != gpu.name; });
  if (points.empty()) {
    return InvalidArgument(fmt::format("no points of {}: these are of {}", gpu.name, all),
                           "--gpu is the GPU that was measured");
  }
  const size_t count = points.size();
  const calibration::SplitPoints split = calibration::SplitHeldOut(std::move(points));
  if (split.held_out.empty()) {
    return InvalidArgument(
        fmt::format("none of the {} points is held out: no shape here is new to a fit", count),
        "half of all shapes are held out; give more of them");
  }
  RETURN_IF_ERROR(session.stop.Check());
  const Accuracy accuracy = calibration::MeasureAccuracy(split.held_out, profile, gpu);
  const std::string name = path.filename().string();
  session.Note(fmt::format("{}: {} held-out points, which fitting has not seen{}", name,
                           Grouped(static_cast<int64_t>(split.held_out.size())),
                           accuracy.unpriced == 0
                               ? ""
                               : fmt::format("; {} of them without a price (skipped when measured, "
                                             "of a variant, or in no table)",
                                             Grouped(accuracy.unpriced))));
  const OutputFormat format = session.line.output;
  session.out = format == OutputFormat::kJson || format == OutputFormat::kJsonl
                    ? JsonText(accuracy, gpu.name, name, split.held_out.size(),
                               format == OutputFormat::kJsonl)
                    : RenderTable(TableOf(accuracy), format);
  return kExitDone;
}

}  // namespace ridgeline::cli
