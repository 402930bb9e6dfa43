// Documents as files: what can be wrong before a byte is parsed.
#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iostream>
#include <istream>
#include <sstream>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/document.h"
#include "base/nearest_name.h"

namespace ridgeline {
namespace {

Result<std::string> ReadAll(std::istream& stream, const std::string& name) {
  std::string text;
  std::array<char, 1 << 16> buffer;
  while (stream) {
    stream.read(buffer.data(), buffer.size());
    text.append(buffer.data(), static_cast<size_t>(stream.gcount()));
    if (text.size() > kMaxDocumentBytes) {
      break;  // ParseDocument says so; no more than a buffer beyond the limit is ever held
    }
  }
  if (stream.bad()) {
    return Fail({.code = ErrorCode::kUnavailable, .message = "reading failed: " + name});
  }
  return text;
}

/// The file in the same folder whose name is nearest, as it would be written.
std::string SuggestFile(const std::filesystem::path& path) {
  constexpr int kMostLookedAt = 1000;
  std::error_code error;
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  std::vector<std::string> names;
  std::filesystem::directory_iterator entry(folder, error);
  for (; !error && entry != std::filesystem::directory_iterator() && names.size() < kMostLookedAt;
       entry.increment(error)) {
    if (entry->path().filename() != path.filename()) {  // a link to nothing is listed, too
      names.push_back(entry->path().filename().string());
    }
  }
  std::sort(names.begin(), names.end());
  const std::optional<std::string> nearest = NearestName(path.filename().string(), names);
  return nearest ? fmt::format("did you mean {}?", (path.parent_path() / *nearest).string())
                 : std::string();
}

}  // namespace

Result<Node> ReadDocument(const std::filesystem::path& path) {
  if (path == "-") {
    ASSIGN_OR_RETURN(std::string text, ReadAll(std::cin, "-"));
    return ParseDocument("-", std::move(text));
  }
  const std::string name = path.string();
  std::error_code error;
  std::error_code unasked;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (std::filesystem::is_symlink(std::filesystem::symlink_status(path, unasked)) &&
      error == std::errc::no_such_file_or_directory) {
    return NotFound(fmt::format("a link to a file that is not there: {}", name));
  }
  if (error && error != std::errc::no_such_file_or_directory &&
      error != std::errc::not_a_directory) {
    return InvalidArgument(
        fmt::format("cannot be opened for reading: {}: {}", name, error.message()));
  }
  if (!std::filesystem::exists(status)) {
    return NotFound(fmt::format("no such file: {}", name), SuggestFile(path));
  }
  if (std::filesystem::is_directory(status)) {
    return InvalidArgument(fmt::format("a directory, not a file: {}", name));
  }
  std::ifstream stream(path, std::ios::binary);
  if (!stream) {
    const std::error_code why(errno, std::generic_category());
    return InvalidArgument(
        fmt::format("cannot be opened for reading: {}: {}", name, why.message()));
  }
  ASSIGN_OR_RETURN(std::string text, ReadAll(stream, name));
  return ParseDocument(name, std::move(text));
}

}  // namespace ridgeline
