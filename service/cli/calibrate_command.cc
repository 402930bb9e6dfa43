#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/grouped_number.h"
#include "base/nearest_name.h"
#include "service/cli/calibrate_actions.h"
#include "service/cli/exit_code.h"

namespace ridgeline::cli {
namespace {

struct Action {
  std::string_view name;
  Result<int> (*run)(Session&, Words);
};
constexpr std::array<Action, 4> kActions = {{{"measure", CalibrateMeasure},
                                             {"import", CalibrateImport},
                                             {"fit", CalibrateFit},
                                             {"check", CalibrateCheck}}};

/// A flag that is accepted and ignored is a wrong answer, so each action refuses the others'.
Status CheckFlagsOf(std::string_view action, const CommandLine& line) {
  struct Given {
    std::string_view flag;
    bool is_given;
    std::string_view actions;
  };
  for (const Given& given : {Given{"--write", !line.write_file.empty(), "import fit"},
                             Given{"--profile", !line.profile_file.empty(), "check"},
                             Given{"--takes-busy", line.takes_busy, "fit"},
                             Given{"--assume", !line.trace_facts.empty(), "import fit check"},
                             Given{"--families", !line.families.empty(), "measure"},
                             Given{"--budget", line.budget.has_value(), "measure"}}) {
    if (given.is_given && given.actions.find(action) == std::string_view::npos) {
      return InvalidArgument(fmt::format("calibrate {} takes no {}", action, given.flag),
                             fmt::format("{} belongs to: {}", given.flag, given.actions));
    }
  }
  return {};
}

/// All or nothing: a file that was there stays until the new one is whole.
Status ReplaceFile(const std::string& path, const std::string& content) {
  const std::string part = path + ".part";
  std::ofstream file(part, std::ios::binary | std::ios::trunc);
  file << content;
  file.close();
  std::error_code error;
  if (file) {
    std::filesystem::rename(part, path, error);
  }
  if (!file || error) {
    std::filesystem::remove(part, error);
    return InvalidArgument("cannot write " + path);
  }
  return {};
}

}  // namespace

Result<int> CalibrateImport(Session& session, Words files) {
  if (files.empty()) {
    return InvalidArgument("calibrate import needs files",
                           "ridgeline calibrate import all_reduce.log --gpu h100-sxm");
  }
  ASSIGN_OR_RETURN(const std::vector<calibration::Measurement> points, ReadPoints(session, files));
  if (!session.line.gpu.empty()) {
    ASSIGN_OR_RETURN(const hardware::Gpu gpu, GpuOf(session, "import"));
    if (std::ranges::any_of(points, [&](const calibration::Measurement& point) {
          return point.gpu != gpu.name && point.gpu != session.line.gpu;
        })) {
      return InvalidArgument(
          fmt::format("not all of these points are of {}: {}", gpu.name, GpusIn(points)),
          "a file that names its GPU keeps it: drop --gpu, or import that file by itself");
    }
  }
  std::string lines;
  for (const calibration::Measurement& point : points) {
    lines += calibration::MeasurementLine(point) + "\n";
  }
  if (session.line.write_file.empty()) {
    session.out = std::move(lines);
    return kExitDone;
  }
  RETURN_IF_ERROR(ReplaceFile(session.line.write_file, lines));
  session.Note(fmt::format("{} points written to {}", Grouped(static_cast<int64_t>(points.size())),
                           session.line.write_file));
  return kExitDone;
}

Result<int> Calibrate(Session& session) {
  const std::vector<std::string>& words = session.line.arguments;
  const std::string& name = words.front();
  for (const Action& action : kActions) {
    if (action.name == name) {
      RETURN_IF_ERROR(CheckFlagsOf(name, session.line));
      return action.run(session, Words(words).subspan(1));
    }
  }
  std::vector<std::string> names;
  for (const Action& action : kActions) {
    names.emplace_back(action.name);
  }
  return InvalidArgument("calibrate does not know: " + name, SuggestName(name, names));
}

}  // namespace ridgeline::cli
