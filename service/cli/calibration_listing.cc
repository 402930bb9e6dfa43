#include "service/cli/calibration_listing.h"

#include <cmath>
#include <fstream>
#include <iterator>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/nearest_name.h"
#include "base/sha256.h"
#include "calibration/profile.h"
#include "service/calibrations/calibration_source.h"
#include "service/report/metric_text.h"

namespace ridgeline::cli {
namespace {

using calibration::FittedTable;
using report::Align;
using report::OutputFormat;
using report::Table;

/// What `--calibration` takes beside profiles is none to describe, and none to suggest.
Result<std::filesystem::path> Find(const hardware::Catalog& catalog, const std::string& name) {
  if (name == calibrations::kAuto || name == calibrations::kNone) {
    return InvalidArgument(
        fmt::format("no profile, but a word of --calibration: {} ({})", name,
                    name == calibrations::kNone ? "nothing measured, the roofline answers"
                                                : "the profile of the GPU, or the nearest"),
        "names: ridgeline list calibrations");
  }
  Result<std::filesystem::path> path = calibrations::FindProfile(catalog.roots(), name);
  if (!path && path.error().message.starts_with("unknown")) {
    path.error().hint = SuggestName(name, calibrations::ProfileNames(catalog.roots()));
  }
  return path;
}

/// Fitted numbers are known to no more digits.
double Rounded(double value) { return std::round(value * 1e5) / 1e5; }

Table TablesForPeople(const calibration::Profile& profile) {
  Table table{.columns = {{"table"},
                          {"shapes", Align::kRight},
                          {"median error", Align::kRight},
                          {"p90", Align::kRight},
                          {"in range", Align::kRight},
                          {"condition"},
                          {"source"},
                          {"library"}},
              .rows = {}};
  for (const FittedTable& fitted : profile.tables) {
    table.rows.push_back({TableTitle(fitted), std::to_string(fitted.shapes.size()),
                          report::PercentText(fitted.unseen.median),
                          report::PercentText(fitted.unseen.p90),
                          report::PercentText(fitted.unseen.coverage), Describe(fitted.condition),
                          fitted.source, fitted.library});
  }
  return table;
}

/// The same in the names and numbers of programs.
Table TablesForPrograms(const calibration::Profile& profile) {
  Table table{.columns = {{"table"},
                          {"shapes", Align::kRight},
                          {"median_error", Align::kRight},
                          {"p90", Align::kRight},
                          {"coverage", Align::kRight},
                          {"condition"},
                          {"source"},
                          {"library"},
                          {"variant"}},
              .rows = {}};
  for (const FittedTable& fitted : profile.tables) {
    table.rows.push_back({TableTitle(fitted), std::to_string(fitted.shapes.size()),
                          fmt::format("{}", Rounded(fitted.unseen.median)),
                          fmt::format("{}", Rounded(fitted.unseen.p90)),
                          fmt::format("{}", Rounded(fitted.unseen.coverage)),
                          Describe(fitted.condition), fitted.source, fitted.library,
                          fitted.variant});
  }
  return table;
}

std::string SustainedText(const calibration::SustainedLaw& law) {
  if (law.points == 0) {
    return "not measured: long runs are priced as bursts";
  }
  return fmt::format(
      "log(sustained / burst time) = max(0, {:.4f} {} {:.4f} u), u = share of peak arithmetic; "
      "9 of 10 within {:.1f} %, {} points",
      law.constant, law.slope < 0 ? "-" : "+", std::abs(law.slope), 100 * std::expm1(law.error),
      law.points);
}

std::string Heading(const std::string& name, const calibration::Profile& profile,
                    const std::string& sha256) {
  return fmt::format(
      "{}\n\n"
      "gpu        {} ({}), measured on {}\n"
      "sha256     {}\n"
      "sustained  {}\n\n",
      name, profile.gpu, profile.architecture,
      profile.device.empty() ? "a device without a name" : profile.device, sha256,
      SustainedText(profile.sustained));
}

std::string Json(const std::string& name, const calibration::Profile& profile,
                 const std::string& sha256) {
  nlohmann::ordered_json object = {{"name", name},
                                   {"gpu", profile.gpu},
                                   {"architecture", profile.architecture},
                                   {"device", profile.device},
                                   {"sha256", sha256},
                                   {"sustained", nullptr}};
  if (const calibration::SustainedLaw& law = profile.sustained; law.points > 0) {
    object["sustained"] = {{"constant", law.constant},
                           {"slope", law.slope},
                           {"error", law.error},
                           {"points", law.points}};
  }
  object["tables"] = nlohmann::ordered_json::parse(
      report::RenderTable(TablesForPrograms(profile), OutputFormat::kJson));
  return object.dump(2) + "\n";
}

}  // namespace

Result<Table> CalibrationsTable(const hardware::Catalog& catalog) {
  Table table{.columns = {{"name"},
                          {"gpu"},
                          {"tables", Align::kRight},
                          {"shapes", Align::kRight},
                          {"device"}},
              .rows = {}};
  for (const std::string& name : calibrations::ProfileNames(catalog.roots())) {
    ASSIGN_OR_RETURN(const std::filesystem::path path, Find(catalog, name));
    ASSIGN_OR_RETURN(const calibration::Profile profile, calibration::ReadProfile(path));
    size_t shapes = 0;
    for (const FittedTable& fitted : profile.tables) {
      shapes += fitted.shapes.size();
    }
    table.rows.push_back({name, profile.gpu, std::to_string(profile.tables.size()),
                          std::to_string(shapes), profile.device});
  }
  return table;
}

Result<std::string> CalibrationText(const hardware::Catalog& catalog, const std::string& name,
                                    OutputFormat format) {
  ASSIGN_OR_RETURN(const std::filesystem::path path, Find(catalog, name));
  ASSIGN_OR_RETURN(const calibration::Profile profile, calibration::ReadProfile(path));
  std::ifstream file(path, std::ios::binary);
  const std::string sha256 = Sha256(std::string{std::istreambuf_iterator<char>(file), {}});
  switch (format) {
    case OutputFormat::kTable:
    case OutputFormat::kWide:
      return Heading(path.stem().string(), profile, sha256) +
             report::RenderTable(TablesForPeople(profile), format);
    case OutputFormat::kMarkdown:
      return report::RenderTable(TablesForPeople(profile), format);
    case OutputFormat::kJson:
      return Json(path.stem().string(), profile, sha256);
    case OutputFormat::kJsonl:
    case OutputFormat::kCsv:
      break;
  }
  return report::RenderTable(TablesForPrograms(profile), format);
}

}  // namespace ridgeline::cli
