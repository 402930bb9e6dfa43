/// The two halves of a suite: cases that a model may be fitted to, and cases that it is judged on.
#pragma once

#include <string_view>

#include "base/config_reader.h"

namespace ridgeline::validation {

/// Which cases a reader asks for.
enum class Half { kAll, kFit, kHeldOut };
EnumTable<Half> EnumNames(Tag<Half>);

/// How a suite divides itself; `held_out:` of the document.
enum class HeldOutRule {
  kOddSha256  // the sha256 of the case's id ends in an odd hexadecimal digit
};
EnumTable<HeldOutRule> EnumNames(Tag<HeldOutRule>);

bool IsHeldOut(HeldOutRule rule, std::string_view id);

/// "fit" or "held-out".
constexpr std::string_view HalfName(bool is_held_out) { return is_held_out ? "held-out" : "fit"; }

}  // namespace ridgeline::validation
