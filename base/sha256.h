/// SHA-256 (FIPS 180-4), to name the inputs of a result and the points of a calibration. Small
/// enough not to need a library.
#pragma once

#include <string>
#include <string_view>

namespace ridgeline {

/// 64 hexadecimal digits.
std::string Sha256(std::string_view bytes);

}  // namespace ridgeline
