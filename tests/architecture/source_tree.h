/// The project's own files, for the tests that read them.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace ridgeline::architecture {

inline const std::filesystem::path kRoot = RIDGELINE_SOURCE_DIR;
inline const std::vector<std::string> kBoxes = {"base", "hardware", "workloads", "calibration",
                                                "sim",  "planner",  "service"};

/// Paths relative to the root, sorted, of all files under `folder`.
inline std::vector<std::filesystem::path> FilesUnder(const std::string& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(kRoot / folder)) {
    if (entry.is_regular_file() && entry.path().string().find("__pycache__") == std::string::npos) {
      files.push_back(std::filesystem::relative(entry.path(), kRoot));
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

inline bool IsSource(const std::filesystem::path& file) {
  const std::string extension = file.extension().string();
  return extension == ".h" || extension == ".cc" || extension == ".cu" || extension == ".cuh";
}

/// All sources of the boxes, and of the tests when asked.
inline std::vector<std::filesystem::path> Sources(bool with_tests) {
  std::vector<std::filesystem::path> sources;
  std::vector<std::string> folders = kBoxes;
  if (with_tests) {
    folders.emplace_back("tests");
  }
  for (const std::string& folder : folders) {
    for (const std::filesystem::path& file : FilesUnder(folder)) {
      if (IsSource(file)) {
        sources.push_back(file);
      }
    }
  }
  return sources;
}

inline std::vector<std::string> Lines(const std::filesystem::path& file) {
  std::ifstream stream(kRoot / file);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) {
    lines.push_back(line);
  }
  return lines;
}

}  // namespace ridgeline::architecture
