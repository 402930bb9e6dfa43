#include "service/cli/calibration_listing.h"

#include <fmt/format.h>

#include "calibration/profile.h"
#include "service/calibrations/calibration_source.h"

namespace ridgeline::cli {
namespace {

using report::Align;
using report::Table;

Result<calibration::Profile> Read(const hardware::Catalog& catalog, const std::string& name) {
  ASSIGN_OR_RETURN(const std::filesystem::path path,
                   calibrations::FindProfile(catalog.roots(), name));
  return calibration::ReadProfile(path);
}

std::string Percent(double share) { return fmt::format("{:.1f} %", 100 * share); }

}  // namespace

Result<Table> CalibrationsTable(const hardware::Catalog& catalog) {
  Table table{.columns = {{"name"},
                          {"gpu"},
                          {"tables", Align::kRight},
                          {"shapes", Align::kRight},
                          {"device"}},
              .rows = {}};
  for (const std::string& name : calibrations::ProfileNames(catalog.roots())) {
    ASSIGN_OR_RETURN(const calibration::Profile profile, Read(catalog, name));
    size_t shapes = 0;
    for (const calibration::FittedTable& fitted : profile.tables) {
      shapes += fitted.shapes.size();
    }
    table.rows.push_back({name, profile.gpu, std::to_string(profile.tables.size()),
                          std::to_string(shapes), profile.device});
  }
  return table;
}

Result<Table> CalibrationTable(const hardware::Catalog& catalog, const std::string& name) {
  ASSIGN_OR_RETURN(const calibration::Profile profile, Read(catalog, name));
  Table table{.columns = {{"table"},
                          {"shapes", Align::kRight},
                          {"median error", Align::kRight},
                          {"p90", Align::kRight},
                          {"in range", Align::kRight},
                          {"condition"},
                          {"source"},
                          {"library"}},
              .rows = {}};
  for (const calibration::FittedTable& fitted : profile.tables) {
    table.rows.push_back({TableTitle(fitted), std::to_string(fitted.shapes.size()),
                          Percent(fitted.unseen.median), Percent(fitted.unseen.p90),
                          Percent(fitted.unseen.coverage), Describe(fitted.condition),
                          fitted.source, fitted.library});
  }
  return table;
}

}  // namespace ridgeline::cli
