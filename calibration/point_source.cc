#include "calibration/point_source.h"

#include <fstream>
#include <string>

#include <fmt/format.h>

#include "calibration/gz_text.h"
#include "calibration/nccl_tests_log.h"

namespace ridgeline::calibration {

Result<ImportedPoints> ReadPointSource(const std::filesystem::path& path, std::string_view gpu) {
  if (IsImportedOpsName(path)) {
    return ReadImportedOps(path);
  }
  constexpr std::string_view kSqliteMagic = "SQLite format 3";
  std::string head(kSqliteMagic.size(), '\0');
  std::ifstream(path, std::ios::binary)
      .read(head.data(), static_cast<std::streamsize>(head.size()));
  if (head == kSqliteMagic) {
    return Unimplemented(
        fmt::format("import of Nsight Systems exports: {}", path.string()),
        "a trace names kernels, not the shapes they ran on; time the operations themselves with "
        "calibration/measure");
  }
  ImportedPoints result;
  ASSIGN_OR_RETURN(const std::string text, ReadText(path));
  if (IsNcclTestsLog(text)) {
    if (gpu.empty()) {
      return InvalidArgument(
          "a log of nccl-tests does not name the catalog's GPU: " + path.string(), "give --gpu");
    }
    ASSIGN_OR_RETURN(result.points, ParseNcclTestsLog(text, gpu));
  } else {
    ASSIGN_OR_RETURN(result.points, ReadMeasurements(path));
  }
  result.rows = static_cast<int64_t>(result.points.size());
  return result;
}

}  // namespace ridgeline::calibration
