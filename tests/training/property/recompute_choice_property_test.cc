// The choice of what to recompute against every choice that there is.
#include <algorithm>
#include <optional>
#include <utility>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "sim/training/recompute_choice.h"

namespace ridgeline::training {
namespace {

std::vector<LikeLayers> AnyGroups() {
  std::vector<LikeLayers> groups;
  const int count = *rc::gen::inRange(1, 4);
  for (int i = 0; i < count; ++i) {
    LikeLayers group{.count = *rc::gen::inRange<int64_t>(1, 4), .options = {}};
    const int options = *rc::gen::inRange(1, 4);
    for (int option = 0; option < options; ++option) {
      group.options.push_back(
          {.kept = Bytes::FromBase(*rc::gen::inRange(0, 20)), .time = *rc::gen::inRange(0, 20)});
    }
    groups.push_back(std::move(group));
  }
  return groups;
}

/// Least time of all assignments that keep at most `budget`.
std::optional<engine::Picoseconds> BruteForce(const std::vector<RecomputeOption>& layer_options,
                                              const std::vector<size_t>& begins, size_t layer,
                                              double budget) {
  if (budget < 0) {
    return std::nullopt;
  }
  if (layer + 1 == begins.size()) {
    return 0;
  }
  std::optional<engine::Picoseconds> best;
  for (size_t i = begins[layer]; i < begins[layer + 1]; ++i) {
    const auto rest =
        BruteForce(layer_options, begins, layer + 1, budget - layer_options[i].kept.base());
    if (rest && (!best || *rest + layer_options[i].time < *best)) {
      best = *rest + layer_options[i].time;
    }
  }
  return best;
}

RC_GTEST_PROP(RecomputeChoiceProperty, TheFirstPlanThatFitsIsTheBestOfAll, ()) {
  const std::vector<LikeLayers> groups = AnyGroups();
  std::vector<RecomputeOption> options;
  std::vector<size_t> begins = {0};
  for (const LikeLayers& group : groups) {
    for (int64_t layer = 0; layer < group.count; ++layer) {
      options.insert(options.end(), group.options.begin(), group.options.end());
      begins.push_back(options.size());
    }
  }
  const auto budget = static_cast<double>(*rc::gen::inRange(0, 120));
  const std::vector<RecomputePlan> plans = UndominatedPlans(groups);
  const auto plan = std::find_if(plans.begin(), plans.end(), [&](const RecomputePlan& each) {
    return each.kept.base() <= budget;
  });
  const auto best = BruteForce(options, begins, 0, budget);
  RC_ASSERT((plan != plans.end()) == best.has_value());
  if (!best) {
    return;
  }
  RC_ASSERT(plan->time == *best);
  // Its counts are its sums.
  Bytes kept;
  engine::Picoseconds time = 0;
  for (size_t group = 0; group < groups.size(); ++group) {
    int64_t layers = 0;
    for (size_t option = 0; option < groups[group].options.size(); ++option) {
      const int64_t count = plan->counts[group][option];
      layers += count;
      kept += static_cast<double>(count) * groups[group].options[option].kept;
      time += count * groups[group].options[option].time;
    }
    RC_ASSERT(layers == groups[group].count);
  }
  RC_ASSERT(kept == plan->kept);
  RC_ASSERT(time == plan->time);
}

}  // namespace
}  // namespace ridgeline::training
