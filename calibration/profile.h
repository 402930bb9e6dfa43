/// A fitted profile: every cost table of one GPU, in one file of at most 1 MB that loads in a few
/// milliseconds.
///
/// Form: a line "ridgeline-calibration 3" with the CRC-32 of what follows it, a line of JSON (who,
/// where, and for each table its pattern, fitted numbers and accuracy: `head -2` shows them), then
/// one zlib stream of the tables' columns and trees, each value a zigzag varint of the difference
/// to the row before. Gzipped CSV takes half as much again and has to be parsed; nobody reads
/// either, and the points themselves are text, beside the profile.
///
/// Times are stored to 0.0125 %, errors when left out to 1/255 of the square root.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "calibration/cost_table.h"
#include "calibration/sustained_law.h"

namespace ridgeline::calibration {

struct Profile {
  std::string gpu;                  // catalog name of the GPU that was measured
  std::string architecture;         // of that GPU
  std::string device;               // as its driver calls it; may be empty
  std::string note;                 // where the points come from
  SustainedLaw sustained = {};      // what long runs add
  std::vector<FittedTable> tables;  // in order of preference within a pattern
};

std::string EncodeProfile(const Profile& profile);
/// kInvalidArgument: not a profile, of a newer version, or damaged.
Result<Profile> DecodeProfile(std::string_view bytes);

/// The file's ending, after the profile's name.
inline constexpr std::string_view kProfileEnding = ".calibration";
Result<Profile> ReadProfile(const std::filesystem::path& path);
Status WriteProfile(const std::filesystem::path& path, const Profile& profile);

}  // namespace ridgeline::calibration
