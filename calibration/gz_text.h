/// A text file, gzipped or not, as one string; and the zlib streams of profiles.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace ridgeline::calibration {

/// The whole file or pipe, inflated when it begins as gzip does. NotFound, or kInvalidArgument when
/// it is a folder, the stream is damaged or cut off, or longer than 1 GiB once inflated.
Result<std::string> ReadText(const std::filesystem::path& path);

/// zlib at its best level; Inflate needs the length that went in.
std::string Deflate(std::string_view bytes);
Result<std::string> Inflate(std::string_view bytes, size_t length);
/// CRC-32 as eight hexadecimal digits.
std::string CheckSum(std::string_view bytes);

}  // namespace ridgeline::calibration
