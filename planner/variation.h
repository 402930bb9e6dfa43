/// One key and the values that it takes, from what a person writes: `--vary PATH=LIST`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ridgeline::planner {

struct Variation {
  std::string path;
  std::vector<std::string> values;  // each as YAML, ready for SetPath
  std::string origin = "--vary";    // names it in messages: "--vary[1]"
};

inline constexpr size_t kMaxVariationValues = 1000;

/// "training.parallelism.tp=2,4,8"; ranges "1-64*2" (1, 2, 4 ... 64), "200-800+200 Gb/s" (200, 400,
/// 600, 800 Gb/s), "1-4" (1, 2, 3, 4); a unit after a range or on the last value holds for every
/// number before it that has none. Commas inside quotes, brackets and braces separate nothing, so
/// that a value may be any YAML: "training.parallelism={tp: 2, pp: 4},{tp: 8}". Errors name
/// `origin` and the value: no '=', no path, an empty value, a range that runs backwards or stands
/// still, more than kMaxVariationValues values.
Result<Variation> ParseVariation(std::string_view text, const std::string& origin);

}  // namespace ridgeline::planner
