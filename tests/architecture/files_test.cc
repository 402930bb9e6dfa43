/// One concept, one pair of files, found by its name, and no file too long to read.
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "tests/architecture/source_tree.h"

namespace ridgeline::architecture {
namespace {

constexpr size_t kMostLines = 520;

TEST(FilesTest, NoSourceIsLongerThanOneCanRead) {
  for (const std::filesystem::path& file : Sources(true)) {
    EXPECT_LE(Lines(file).size(), kMostLines) << file;
  }
}

TEST(FilesTest, NamesSayWhatIsInside) {
  const std::set<std::string> empty_words = {"util", "utils",   "common",  "helper", "helpers",
                                             "misc", "manager", "handler", "stuff"};
  for (const std::filesystem::path& file : Sources(true)) {
    for (const std::filesystem::path& part : file) {
      std::string word;
      for (const char c : part.stem().string() + "_") {
        if (c != '_') {
          word += c;
          continue;
        }
        EXPECT_FALSE(empty_words.contains(word)) << file;
        word.clear();
      }
    }
  }
}

// "Typing the name finds it": a header's name occurs once in the tree.
TEST(FilesTest, HeaderNamesAreUnique) {
  std::map<std::string, std::filesystem::path> seen;
  for (const std::filesystem::path& file : Sources(false)) {
    if (file.extension() == ".h") {
      const auto [earlier, is_new] = seen.emplace(file.filename().string(), file);
      EXPECT_TRUE(is_new) << file << " and " << earlier->second;
    }
  }
}

TEST(FilesTest, EveryFolderHasAPage) {
  std::set<std::filesystem::path> folders;
  std::vector<std::string> roots = kBoxes;
  roots.insert(roots.end(), {"tests", "configs"});
  for (const std::string& root : roots) {
    for (const std::filesystem::path& file : FilesUnder(root)) {
      for (std::filesystem::path folder = file.parent_path(); !folder.empty();
           folder = folder.parent_path()) {
        folders.insert(folder);
      }
    }
  }
  for (const std::filesystem::path& folder : folders) {
    // A test folder mirrors the source that it tests, whose page speaks for both; corpora are data;
    // folders below service/proto spell out package names.
    const std::string path = folder.string();
    if (path.starts_with("tests/") || path.find("corpus") != std::string::npos ||
        path.starts_with("service/proto/")) {
      continue;
    }
    EXPECT_TRUE(std::filesystem::exists(kRoot / folder / "README.md")) << folder;
  }
}

TEST(FilesTest, NoWarningIsSilencedWithoutAReason) {
  for (const std::filesystem::path& file : Sources(true)) {
    if (file == "tests/architecture/files_test.cc") {
      continue;
    }
    for (const std::string& line : Lines(file)) {
      EXPECT_EQ(line.find("#pragma GCC diagnostic ignored"), std::string::npos) << file;
    }
  }
}

}  // namespace
}  // namespace ridgeline::architecture
