/// The table of allowed edges: base <- sim/engine, hardware, workloads <- sim <- planner <-
/// service. hardware and workloads are siblings and never include each other; sim/engine knows base
/// only.
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "tests/architecture/source_tree.h"

namespace ridgeline::architecture {
namespace {

/// The box of a path: "sim/engine" for what is in it, else the top folder.
std::string BoxOf(const std::string& path) {
  if (path.starts_with("sim/engine/")) {
    return "sim/engine";
  }
  if (path.starts_with("calibration/measure/")) {
    return "calibration/measure";
  }
  if (path.starts_with("sim/network/simgrid/")) {
    return "sim/network/simgrid";
  }
  return path.substr(0, path.find('/'));
}

const std::map<std::string, std::set<std::string>> kAllowed = {
    {"base", {"base"}},
    {"sim/engine", {"base", "sim/engine"}},
    {"hardware", {"base", "hardware"}},
    {"workloads", {"base", "workloads"}},
    {"calibration", {"base", "hardware", "calibration"}},
    {"calibration/measure", {"base", "calibration/measure"}},
    {"sim/network/simgrid", {"base", "sim/engine", "sim/network/simgrid"}},  // a program
    {"sim", {"base", "sim/engine", "hardware", "workloads", "sim"}},
    {"planner", {"base", "sim/engine", "hardware", "workloads", "sim", "planner"}},
    {"service",
     {"base", "sim/engine", "hardware", "workloads", "sim", "planner", "calibration", "service"}},
};

/// What stands between #include's delimiters, with the first of them; empty for other lines.
std::string IncludeOf(const std::string& line) {
  constexpr std::string_view kInclude = "#include ";
  if (!line.starts_with(kInclude) || line.size() < kInclude.size() + 3) {
    return {};
  }
  const std::string rest = line.substr(kInclude.size());
  const size_t end = rest.find(rest[0] == '<' ? '>' : '"', 1);
  return rest.substr(0, end);
}

TEST(IncludesTest, EveryEdgeBetweenBoxesIsInTheTable) {
  int edges = 0;
  for (const std::filesystem::path& file : Sources(false)) {
    const std::string box = BoxOf(file.string());
    ASSERT_TRUE(kAllowed.contains(box)) << file;
    for (const std::string& line : Lines(file)) {
      const std::string include = IncludeOf(line);
      if (!include.starts_with('"')) {
        continue;
      }
      const std::string target = include.substr(1);
      EXPECT_TRUE(std::filesystem::exists(kRoot / target))
          << file << " includes " << target << ": write paths from the root";
      EXPECT_TRUE(kAllowed.at(box).contains(BoxOf(target)))
          << file << " (" << box << ") must not include " << target;
      ++edges;
    }
  }
  EXPECT_GT(edges, 100);
}

TEST(IncludesTest, HeavyLibrariesAreSeenBySourcesOnly) {
  for (const std::filesystem::path& file : Sources(false)) {
    if (file.extension() != ".h") {
      continue;
    }
    for (const std::string& line : Lines(file)) {
      for (const std::string_view library :
           {"<yaml-cpp/", "<boost/", "<nlohmann/", "<CLI/", "<simgrid/", "<grpc", "<sqlite3"}) {
        EXPECT_FALSE(IncludeOf(line).starts_with(library)) << file << ": " << line;
      }
    }
  }
}

// One expensive header, one place: it costs ten seconds of compiling each time.
TEST(IncludesTest, OneFileIncludesTheCommandLineParser) {
  std::set<std::string> users;
  for (const std::filesystem::path& file : Sources(true)) {
    for (const std::string& line : Lines(file)) {
      if (IncludeOf(line).starts_with("<CLI/")) {
        users.insert(file.string());
      }
    }
  }
  EXPECT_EQ(users, std::set<std::string>{"service/cli/command_line.cc"});
}

// A source that begins with its own header proves that the header compiles alone.
TEST(IncludesTest, EverySourceIncludesItsOwnHeaderFirst) {
  for (const std::filesystem::path& file : Sources(false)) {
    std::filesystem::path header = file;
    header.replace_extension(".h");
    if (file.extension() != ".cc" || !std::filesystem::exists(kRoot / header)) {
      continue;
    }
    std::string first;
    for (const std::string& line : Lines(file)) {
      if (first.empty()) {
        first = IncludeOf(line);
      }
    }
    EXPECT_EQ(first, "\"" + header.string()) << file;
  }
}

TEST(IncludesTest, EveryHeaderIsGuarded) {
  for (const std::filesystem::path& file : Sources(true)) {
    if (file.extension() == ".h") {
      const std::vector<std::string> lines = Lines(file);
      EXPECT_NE(std::find(lines.begin(), lines.end(), "#pragma once"), lines.end()) << file;
    }
  }
}

}  // namespace
}  // namespace ridgeline::architecture
