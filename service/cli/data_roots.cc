#include "service/cli/data_roots.h"

namespace ridgeline::cli {

std::vector<std::filesystem::path> DataRoots(const std::vector<std::filesystem::path>& own) {
  std::vector<std::filesystem::path> roots = own;
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  std::vector<std::filesystem::path> shipped;
  if (!error) {
    shipped.push_back(program.parent_path().parent_path() / "share" / "ridgeline");
  }
  shipped.emplace_back(RIDGELINE_SOURCE_CONFIGS);
  for (const std::filesystem::path& folder : shipped) {
    // One of the two suffices: an installed program must not mix in a source tree's versions.
    if (std::filesystem::is_directory(folder, error)) {
      roots.push_back(folder);
      break;
    }
  }
  return roots;
}

}  // namespace ridgeline::cli
