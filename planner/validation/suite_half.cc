#include "planner/validation/suite_half.h"

#include <array>
#include <utility>

#include "base/held_out.h"
#include "base/sha256.h"

namespace ridgeline::validation {

EnumTable<Half> EnumNames(Tag<Half>) {
  static constexpr std::array<std::pair<std::string_view, Half>, 3> kNames = {
      {{"all", Half::kAll}, {"fit", Half::kFit}, {"held-out", Half::kHeldOut}}};
  return kNames;
}

EnumTable<HeldOutRule> EnumNames(Tag<HeldOutRule>) {
  static constexpr std::array<std::pair<std::string_view, HeldOutRule>, 1> kNames = {
      {{"odd-sha256", HeldOutRule::kOddSha256}}};
  return kNames;
}

bool IsHeldOut(HeldOutRule rule, std::string_view id) {
  switch (rule) {
    case HeldOutRule::kOddSha256:
      return IsHeldOutDigest(Sha256(id));
  }
  return false;
}

}  // namespace ridgeline::validation
