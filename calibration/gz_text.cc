#include "calibration/gz_text.h"

#include <fstream>
#include <iterator>

#include <fmt/format.h>
#include <zlib.h>

#include "base/check.h"

namespace ridgeline::calibration {
namespace {

constexpr size_t kMostBytes = size_t{1} << 30;

}  // namespace

Result<std::string> ReadText(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    return NotFound(fmt::format("no such file: {}", path.string()));
  }
  if (std::filesystem::is_directory(path, error)) {
    return InvalidArgument(fmt::format("a folder, not a file: {}", path.string()),
                           fmt::format("name the files in it: {}/*.jsonl", path.string()));
  }
  // zlib's reader passes plain text through unchanged.
  const gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) {
    return InvalidArgument(fmt::format("cannot read {}", path.string()));
  }
  gzbuffer(file, 1U << 17U);
  std::string text;
  std::string part(size_t{1} << 17U, '\0');
  int got = 0;
  while ((got = gzread(file, part.data(), static_cast<unsigned>(part.size()))) > 0) {
    text.append(part, 0, static_cast<size_t>(got));
    if (text.size() > kMostBytes) {
      break;
    }
  }
  // A stream that ends early reads as an end of file; only closing tells.
  const bool is_whole = gzclose_r(file) == Z_OK && got == 0;
  if (text.size() > kMostBytes) {
    return InvalidArgument(fmt::format("larger than 1 GiB: {}", path.string()),
                           "split it by lines and give the parts");
  }
  if (!is_whole) {
    return InvalidArgument(
        fmt::format("damaged or cut off after {} bytes of text: {}", text.size(), path.string()),
        "copy it again; gzip -t FILE tells whether it is whole");
  }
  return text;
}

std::string Deflate(std::string_view bytes) {
  uLongf length = compressBound(bytes.size());
  std::string out(length, '\0');
  const int status =
      compress2(reinterpret_cast<Bytef*>(out.data()), &length,
                reinterpret_cast<const Bytef*>(bytes.data()), bytes.size(), Z_BEST_COMPRESSION);
  CHECK(status == Z_OK);
  out.resize(length);
  return out;
}

Result<std::string> Inflate(std::string_view bytes, size_t length) {
  std::string out(length, '\0');
  uLongf got = length;
  const int status = uncompress(reinterpret_cast<Bytef*>(out.data()), &got,
                                reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
  if (status != Z_OK || got != length) {
    return InvalidArgument("damaged: its compressed part does not inflate to the stated length");
  }
  return out;
}

std::string CheckSum(std::string_view bytes) {
  const uLong sum =
      crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<z_size_t>(bytes.size()));
  return fmt::format("{:08x}", sum);
}

}  // namespace ridgeline::calibration
