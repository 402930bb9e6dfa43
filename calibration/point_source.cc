#include "calibration/point_source.h"

#include <algorithm>
#include <cctype>
#include <string>

#include <fmt/format.h>

#include "calibration/gz_text.h"
#include "calibration/imported_ops.h"
#include "calibration/nccl_tests_log.h"
#include "calibration/nsys_export.h"

namespace ridgeline::calibration {
namespace {

Status NeedsGpu(const std::filesystem::path& path, std::string_view what, std::string_view gpu) {
  if (gpu.empty()) {
    return InvalidArgument(
        fmt::format("{} does not name the catalog's GPU: {}", what, path.string()),
        "give --gpu NAME; names: ridgeline list gpus");
  }
  return {};
}

Status CheckDevices(const std::filesystem::path& path, const std::vector<Measurement>& points,
                    std::string_view gpu) {
  for (const Measurement& point : points) {
    if (!MayBe(point.device, gpu)) {
      return InvalidArgument(
          fmt::format("{} was taken on {}, not on {}", path.string(), point.device, gpu),
          "give the --gpu that ran; names: ridgeline list gpus");
    }
  }
  return {};
}

}  // namespace

bool MayBe(std::string_view device, std::string_view gpu) {
  const auto is_digit = [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; };
  while (!device.empty()) {
    const size_t end = std::min(device.find_first_of(" -"), device.size());
    const std::string_view word = device.substr(0, end);
    device.remove_prefix(std::min(end + 1, device.size()));
    const size_t letters =
        static_cast<size_t>(std::find_if(word.begin(), word.end(), is_digit) - word.begin());
    const size_t digits =
        static_cast<size_t>(std::find_if_not(word.begin() + static_cast<std::ptrdiff_t>(letters),
                                             word.end(), is_digit) -
                            word.begin()) -
        letters;
    // "H100", "GH200", "L40S"; not "HBM3", "80GB", "SXM4".
    if (letters >= 1 && letters <= 2 && digits >= 2) {
      std::string chip;
      for (const char c : word) {
        chip += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      }
      // As one of the dash-separated words: "h100-sxm", "our-h100".
      return fmt::format("-{}-", gpu).find(fmt::format("-{}-", chip)) != std::string::npos;
    }
  }
  return true;
}

Result<ImportedPoints> ReadPointSource(const std::filesystem::path& path, std::string_view gpu,
                                       const TraceFacts& facts) {
  if (IsImportedOpsName(path)) {
    return ReadImportedOps(path);
  }
  if (IsSqlite(path)) {
    RETURN_IF_ERROR(NeedsGpu(path, "a trace", gpu));
    ASSIGN_OR_RETURN(ImportedPoints result, ReadNsysExport(path, gpu, facts));
    RETURN_IF_ERROR(CheckDevices(path, result.points, gpu));
    return result;
  }
  ASSIGN_OR_RETURN(const std::string text, ReadText(path));
  if (IsNcclTestsLog(text)) {
    RETURN_IF_ERROR(NeedsGpu(path, "a log of nccl-tests", gpu));
    ASSIGN_OR_RETURN(ImportedPoints result, ReadNcclTestsLog(path.string(), text, gpu));
    RETURN_IF_ERROR(CheckDevices(path, result.points, gpu));
    return result;
  }
  ImportedPoints result;
  ASSIGN_OR_RETURN(result.points, ParseMeasurements(path.string(), text));
  result.rows = static_cast<int64_t>(result.points.size());
  return result;
}

}  // namespace ridgeline::calibration
