#include "planner/why_not.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/grouped_number.h"
#include "base/units_text.h"
#include "sim/training/training_memory.h"

namespace ridgeline::planner {
namespace {

/// "tp 8, pp 4, micro_batch 1": the last word of each path.
std::string Words(const std::map<std::string, std::string>& settings) {
  std::string words;
  for (const auto& [path, value] : settings) {
    words +=
        fmt::format("{}{} {}", words.empty() ? "" : ", ", path.substr(path.rfind('.') + 1), value);
  }
  return words.empty() ? "the configuration" : words;
}

std::string MemoryLine(const NearMemory& near, Bytes capacity) {
  const Bytes peak = near.peak;
  return fmt::format("the closest to fitting needs {} of {} a GPU, {} too much: {}", Format(peak),
                     Format(capacity), Format(peak - capacity), Words(near.settings));
}

std::string MissLine(const NearMiss& near) {
  return fmt::format("the closest to the target {} has {} {}{:.6g}: {}", near.target, near.metric,
                     near.is_bound ? "no better than " : "", near.value, Words(near.settings));
}

}  // namespace

std::vector<std::string> WriteLines(const WhyNot& why) {
  std::vector<std::string> lines;
  if (!why.is_feasible && why.nearest_miss) {
    lines.push_back(MissLine(*why.nearest_miss));
  }
  if (!why.is_feasible && why.nearest_memory) {
    lines.push_back(MemoryLine(*why.nearest_memory, why.capacity));
  }
  std::vector<Reason> reasons = why.illegal;
  const auto add = [&](std::string text, int64_t candidates) {
    if (candidates > 0) {
      reasons.push_back({.text = std::move(text), .candidates = candidates});
    }
  };
  add("one step would take longer than the simulated clock counts", why.too_long);
  add("out of memory", why.out_of_memory);
  add("could not meet a target, by the bound", why.misses_by_bound);
  add("missed a target", why.missed);
  add("could not beat the best, by the bound", why.bounded);
  std::stable_sort(reasons.begin(), reasons.end(),
                   [](const Reason& a, const Reason& b) { return a.candidates > b.candidates; });
  for (const Reason& reason : reasons) {
    lines.push_back(fmt::format("{} ({} candidate{})", reason.text, Grouped(reason.candidates),
                                reason.candidates == 1 ? "" : "s"));
  }
  return lines;
}

}  // namespace ridgeline::planner
