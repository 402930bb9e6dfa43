#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/child_process.h"
#include "base/nearest_name.h"
#include "service/cli/calibrate_actions.h"
#include "service/cli/exit_code.h"

namespace ridgeline::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kProgram = "ridgeline_measure";
constexpr const char* kDefaultFolder = "measured";
constexpr double kDefaultSeconds = 570;

/// As calibration/measure/run.sh knows them.
const std::vector<std::string>& FamilyNames() {
  static const std::vector<std::string> names = {
      "check",     "host",  "sustained", "gemm", "hbm",         "moe",         "experts",
      "attention", "paged", "beside",    "peer", "collectives", "beside-ranks"};
  return names;
}

/// The script that measures family after family: installed beside the data, or in the source tree.
Result<fs::path> FindScript(const Session& session) {
  for (const fs::path& root : session.catalog.roots()) {
    for (const fs::path& path :
         {root / "measure" / "run.sh", root.parent_path() / "calibration" / "measure" / "run.sh"}) {
      if (IsProgram(path)) {
        return path;
      }
    }
  }
  return NotFound("calibration/measure/run.sh is not here",
                  "copy the folder calibration/measure of the source tree to this host");
}

/// A driver makes these; a container that is not given a GPU lacks them.
bool HasDevice() {
  std::error_code error;
  return fs::exists("/dev/nvidiactl", error) || fs::exists("/dev/dxg", error);
}

Status CheckFamilies(const std::string& families) {
  std::string_view rest = families;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(','), rest.size());
    const std::string name(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const std::vector<std::string>& names = FamilyNames();
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      return InvalidArgument("--families does not know: " + name, SuggestName(name, names));
    }
  }
  return {};
}

tl::unexpected<Error> NoGpu(std::string why) {
  return Fail({.code = ErrorCode::kFailedPrecondition,
               .message = "no GPU to measure here: " + std::move(why),
               .hint = "run this on a host that has one; the points can be fitted anywhere"});
}

/// What runs Python scripts, and whether it can time attention and experts.
Status CheckPython(Session& session) {
  const char* const variable = std::getenv("PYTHON");  // NOLINT(concurrency-mt-unsafe)
  const std::string python = variable == nullptr ? "python3" : variable;
  const Result<ChildResult> runs =
      RunChild({python, "-c", "pass"}, ChildOutput::kKept, session.stop);
  if (!runs || runs->exit_code != 0) {
    return InvalidArgument("measuring needs Python: " + python + " does not run",
                           "PYTHON=/path/to/python3 names another");
  }
  const std::string& families = session.line.families;
  std::string without;  // families that PyTorch times
  for (const std::string_view family : {"attention", "experts", "paged"}) {
    if (families.empty() || families.find(family) != std::string::npos) {
      without += (without.empty() ? "" : ", ") + std::string(family);
    }
  }
  if (without.empty()) {
    return {};
  }
  ASSIGN_OR_RETURN(const ChildResult torch,
                   RunChild({python, "-c", "import torch"}, ChildOutput::kKept, session.stop));
  if (torch.exit_code != 0) {
    session.Note(
        fmt::format("{} will not be measured: {} has no PyTorch; "
                    "PYTHON=/path/to/python3 names one that has",
                    without, python));
  }
  return {};
}

/// Files of points in a folder, sorted.
std::vector<std::string> PointFiles(const fs::path& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".jsonl") && name != "devices.jsonl" && !name.starts_with("check-")) {
      files.push_back(entry.path().string());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

Result<int> CalibrateMeasure(Session& session, Words arguments) {
  if (arguments.size() > 1) {
    return InvalidArgument(
        fmt::format("calibrate measure takes one folder, not {}", arguments.size()),
        "ridgeline calibrate measure points/ --families gemm,attention");
  }
  RETURN_IF_ERROR(CheckFamilies(session.line.families));
  const std::string folder = arguments.empty() ? kDefaultFolder : arguments.front();
  std::error_code error;
  if (fs::exists(folder, error) && !fs::is_directory(folder, error)) {
    return InvalidArgument("calibrate measure writes a folder, and this is a file: " + folder);
  }
  const std::optional<fs::path> program = FindProgram(kProgram);
  if (!program && !HasDevice()) {
    return NoGpu("no NVIDIA driver");
  }
  if (!program) {
    return Fail({.code = ErrorCode::kFailedPrecondition,
                 .message = fmt::format("{} is neither beside this program nor in PATH", kProgram),
                 .hint = "it is built where a CUDA toolkit is found: cmake --build BUILD --target "
                         "ridgeline_measure; or copy it here from such a host"});
  }
  ASSIGN_OR_RETURN(const fs::path script, FindScript(session));
  ASSIGN_OR_RETURN(const ChildResult devices,
                   RunChild({program->string(), "--list"}, ChildOutput::kKept, session.stop));
  if (devices.out.find(R"("kind":"device")") == std::string::npos) {
    return NoGpu(fmt::format("{} --list finds none", program->string()));
  }
  RETURN_IF_ERROR(CheckPython(session));
  const double seconds = session.line.budget ? session.line.budget->base() : kDefaultSeconds;
  if (seconds < 1) {
    return InvalidArgument("--budget must be at least 1 s");
  }
  std::vector<std::string> words = {"bash", script.string(), program->string(), folder,
                                    fmt::format("{:.0f}", std::floor(seconds))};
  if (!session.line.families.empty()) {
    words.push_back(session.line.families);
  }
  session.Note(fmt::format("measuring for {:.0f} s into {}/; ^C stops, the same command goes on",
                           std::floor(seconds), folder));
  ASSIGN_OR_RETURN(const ChildResult measured,
                   RunChild(words, ChildOutput::kToStandardError, session.stop));
  if (measured.exit_code != 0) {
    return Fail(
        {.code = ErrorCode::kFailedPrecondition,
         .message = fmt::format("{} ended with exit code {}", script.string(), measured.exit_code),
         .hint = fmt::format("{}/log.txt says why", folder)});
  }
  const std::vector<std::string> files = PointFiles(folder);
  if (files.empty()) {
    return Fail({.code = ErrorCode::kFailedPrecondition,
                 .message = "nothing was measured",
                 .hint = fmt::format("{}/log.txt says why", folder)});
  }
  session.out = fmt::format("{}\n", fmt::join(files, "\n"));
  session.closing_note =
      fmt::format("next: ridgeline calibrate fit {} --gpu NAME --write NAME.calibration",
                  fmt::join(files, " "));
  return kExitDone;
}

}  // namespace ridgeline::cli
