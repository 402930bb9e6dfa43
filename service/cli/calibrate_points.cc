#include <algorithm>
#include <filesystem>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/grouped_number.h"
#include "base/nearest_name.h"
#include "calibration/gz_text.h"
#include "calibration/imported_ops.h"
#include "calibration/nccl_tests_log.h"
#include "calibration/nsys_export.h"
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

/// What the user tells of files that leave it open.
struct Told {
  calibration::TraceFacts trace;
  std::optional<CollectiveKind> collective;  // of logs
};

/// "op=all_reduce" is for logs; all else is for traces.
Result<Told> ToldBy(const CommandLine& line) {
  constexpr std::string_view kOp = "op=";
  Told told;
  for (const std::string& fact : line.trace_facts) {
    if (!fact.starts_with(kOp)) {
      RETURN_IF_ERROR(calibration::AddTraceFact(fact, told.trace));
      continue;
    }
    const std::string name = fact.substr(kOp.size());
    std::vector<std::string> names;
    for (const CollectiveKind kind :
         {CollectiveKind::kAllReduce, CollectiveKind::kAllGather, CollectiveKind::kReduceScatter,
          CollectiveKind::kAllToAll, CollectiveKind::kBroadcast, CollectiveKind::kSend}) {
      names.emplace_back(CollectiveName(kind));
      if (names.back() == name) {
        told.collective = kind;
      }
    }
    if (!told.collective) {
      return InvalidArgument("--assume op is no collective: " + name, SuggestName(name, names));
    }
  }
  return told;
}

/// A log whose collective was told. Any other file says itself what ran, and is refused.
Result<calibration::ImportedPoints> ReadLogOf(CollectiveKind kind, const std::string& path,
                                              const std::string& gpu) {
  std::string text;
  if (!calibration::IsImportedOpsName(path) && !calibration::IsSqlite(path)) {
    ASSIGN_OR_RETURN(text, calibration::ReadText(path));
  }
  if (!calibration::IsNcclTestsLog(text)) {
    return InvalidArgument("--assume op=... is for logs of nccl-tests, and this is none: " + path,
                           "import it by itself");
  }
  if (gpu.empty()) {
    return InvalidArgument("a log of nccl-tests does not name the catalog's GPU: " + path,
                           "give --gpu NAME; names: ridgeline list gpus");
  }
  ASSIGN_OR_RETURN(calibration::ImportedPoints read,
                   calibration::ReadNcclTestsLog(path, text, gpu, kind));
  for (const calibration::Measurement& point : read.points) {
    if (!calibration::MayBe(point.device, gpu)) {
      return InvalidArgument(fmt::format("{} was taken on {}, not on {}", path, point.device, gpu),
                             "give the --gpu that ran; names: ridgeline list gpus");
    }
  }
  return read;
}

Result<calibration::ImportedPoints> ReadSource(const std::string& path, const std::string& gpu,
                                               const Told& told) {
  if (told.collective) {
    return ReadLogOf(*told.collective, path, gpu);
  }
  Result<calibration::ImportedPoints> read = calibration::ReadPointSource(path, gpu, told.trace);
  // A text that does not begin as JSON (a word, as of true, may) was taken for JSON lines because
  // its name says nothing else.
  constexpr int kLongestWord = 6;
  if (!read && read.error().message == "not JSON" && read.error().where &&
      read.error().where->line == 1 && read.error().where->column <= kLongestWord) {
    read.error().message = "neither JSON lines nor a log of nccl-tests";
    read.error().hint =
        "a public table is known by its name, SYSTEM__ENGINE-VERSION__FAMILY.csv, as "
        "h100_sxm__vllm-0.24.0__gemm.csv.gz; systems: a100_sxm, h100_sxm, h200_sxm";
  }
  return read;
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
  ASSIGN_OR_RETURN(const Told told, ToldBy(session.line));
  if (!session.line.gpu.empty()) {
    RETURN_IF_ERROR(GpuOf(session, "import"));  // a name that is known
  }
  std::vector<calibration::Measurement> points;
  for (const std::string& file : files) {
    RETURN_IF_ERROR(session.stop.Check());
    const std::string path = file == "-" ? "/dev/stdin" : file;
    ASSIGN_OR_RETURN(calibration::ImportedPoints read, ReadSource(path, session.line.gpu, told));
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
