#include <algorithm>
#include <filesystem>
#include <iterator>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "base/grouped_number.h"
#include "calibration/imported_ops.h"
#include "calibration/nvtx_operation.h"
#include "calibration/point_source.h"
#include "service/cli/calibrate_actions.h"

namespace ridgeline::cli {
namespace {

/// What a file's rows that are no points were, on standard error.
void TellLeftOut(const Session& session, const std::string& file,
                 const calibration::ImportedPoints& read) {
  if (read.left_out == 0) {
    return;
  }
  session.Note(fmt::format("{}: {} of {} rows are left out", file, Grouped(read.left_out),
                           Grouped(read.rows)));
  for (const calibration::LeftOut& left_out : read.reasons) {
    session.Note(fmt::format("  {} x {}{}", Grouped(left_out.count), left_out.reason,
                             left_out.hint.empty() ? "" : "; " + left_out.hint));
  }
}

}  // namespace

Result<hardware::Gpu> GpuOf(const Session& session, std::string_view action) {
  if (session.line.gpu.empty()) {
    return InvalidArgument(fmt::format("calibrate {} needs --gpu NAME", action),
                           "names: ridgeline list gpus");
  }
  Reference<hardware::Gpu> reference;
  reference.name = session.line.gpu;
  return session.catalog.ResolveGpu(reference);
}

Result<std::vector<calibration::Measurement>> ReadPoints(Session& session, Words files) {
  calibration::TraceFacts facts;
  for (const std::string& fact : session.line.trace_facts) {
    RETURN_IF_ERROR(calibration::AddTraceFact(fact, facts));
  }
  if (!session.line.gpu.empty()) {
    RETURN_IF_ERROR(GpuOf(session, "import"));  // a name that is known
  }
  std::vector<calibration::Measurement> points;
  for (const std::string& file : files) {
    RETURN_IF_ERROR(session.stop.Check());
    const std::string path = file == "-" ? "/dev/stdin" : file;
    ASSIGN_OR_RETURN(calibration::ImportedPoints read,
                     calibration::ReadPointSource(path, session.line.gpu, facts));
    TellLeftOut(session, file, read);
    std::move(read.points.begin(), read.points.end(), std::back_inserter(points));
  }
  if (points.empty()) {
    return InvalidArgument(fmt::format("no measured point in {}{}", files.front(),
                                       files.size() > 1 ? " and the other files" : ""),
                           "ridgeline calibrate --help names the kinds of files that are read");
  }
  return points;
}

std::vector<std::string> ShippedPointFiles(const Session& session, const hardware::Gpu& gpu) {
  std::map<std::string, std::string> files;  // by name: the first root that has one wins
  for (const std::filesystem::path& root : session.catalog.roots()) {
    std::error_code error;
    for (const auto& entry :
         std::filesystem::directory_iterator(root / "calibration" / "points", error)) {
      const std::string name = entry.path().filename().string();
      const bool is_own =
          name.starts_with(gpu.name + "-") && name.find(".jsonl") != std::string::npos;
      if (is_own || calibration::ImportedGpu(entry.path()) == gpu.name) {
        files.try_emplace(name, entry.path().string());
      }
    }
  }
  std::vector<std::string> paths;
  for (const auto& [name, path] : files) {
    paths.push_back(path);
  }
  return paths;
}

Result<std::vector<calibration::Measurement>> GivenOrShippedPoints(Session& session, Words files,
                                                                   const hardware::Gpu& gpu) {
  if (!files.empty()) {
    return ReadPoints(session, files);
  }
  const std::vector<std::string> shipped = ShippedPointFiles(session, gpu);
  if (shipped.empty()) {
    return NotFound(
        "no points of this GPU are shipped: " + gpu.name,
        "give files of points; on a host that has the GPU: ridgeline calibrate measure");
  }
  session.Note(fmt::format("the shipped points of {}: {} files in {}", gpu.name, shipped.size(),
                           std::filesystem::path(shipped.front()).parent_path().string()));
  // What was left out of the shipped files is no news.
  const bool was_quiet = std::exchange(session.line.is_quiet, true);
  Result<std::vector<calibration::Measurement>> points = ReadPoints(session, shipped);
  session.line.is_quiet = was_quiet;
  return points;
}

std::string GpusIn(std::span<const calibration::Measurement> points) {
  std::map<std::string, int64_t> counts;
  for (const calibration::Measurement& point : points) {
    ++counts[point.gpu];
  }
  std::string text;
  for (const auto& [gpu, count] : counts) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", gpu, Grouped(count));
  }
  return text;
}

}  // namespace ridgeline::cli
