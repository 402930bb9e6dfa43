#include "planner/what_if.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <mutex>

#include <fmt/format.h>

#include "planner/for_each_index.h"
#include "sim/scenario.h"
#include "sim/simulate.h"

namespace ridgeline::planner {
namespace {

/// Which value of which variation: one entry for each key that a variant changes.
using Choice = std::vector<std::pair<size_t, size_t>>;

Result<std::vector<Choice>> Choices(const std::vector<Variation>& variations, bool one_at_a_time) {
  std::vector<Choice> choices;
  const auto refuse = [](size_t count) {
    return InvalidArgument(fmt::format("more than {} variants: {}", kMaxVariants, count),
                           "vary fewer values, or one key at a time");
  };
  if (one_at_a_time) {
    for (size_t key = 0; key < variations.size(); ++key) {
      for (size_t value = 0; value < variations[key].values.size(); ++value) {
        choices.push_back({{key, value}});
      }
    }
    if (choices.size() > kMaxVariants) {
      return refuse(choices.size());
    }
    return choices;
  }
  size_t count = variations.empty() ? 0 : 1;
  for (const Variation& variation : variations) {
    count *= variation.values.size();
    if (count > kMaxVariants) {
      return refuse(count);
    }
  }
  for (size_t index = 0; index < count; ++index) {
    Choice choice(variations.size());
    size_t rest = index;
    for (size_t key = variations.size(); key-- > 0;) {
      choice[key] = {key, rest % variations[key].values.size()};
      rest /= variations[key].values.size();
    }
    choices.push_back(std::move(choice));
  }
  return choices;
}

Result<sim::Report> SimulateVariant(const Node& document, const std::vector<Variation>& variations,
                                    const Choice& choice, const hardware::Catalog& catalog,
                                    const Stop& stop) {
  RETURN_IF_ERROR(stop.Check());
  Node changed = document;
  for (const auto& [key, value] : choice) {
    const Variation& variation = variations[key];
    RETURN_IF_ERROR(SetPath(changed, variation.path, variation.values[value], variation.origin));
  }
  ASSIGN_OR_RETURN(const sim::Scenario scenario, sim::ResolveScenario(changed, catalog));
  return sim::Simulate(scenario, {.stop = stop});
}

bool IsStop(const Error& error) {
  return error.code == ErrorCode::kCancelled || error.code == ErrorCode::kDeadlineExceeded;
}

/// A name that nothing has is a slip of the pen and not a variant that fails.
bool IsUnknownName(const Error& error) { return error.code == ErrorCode::kNotFound; }

/// A path given twice, a key that no scenario has, a value that its key cannot hold: mistakes of
/// the question. What a value makes of the rest of the scenario is an answer, and a row.
Status CheckVariations(const Node& document, const std::vector<Variation>& variations) {
  for (size_t i = 0; i < variations.size(); ++i) {
    const Variation& variation = variations[i];
    for (size_t j = 0; j < i; ++j) {
      if (variations[j].path == variation.path) {
        return InvalidArgument(
            fmt::format("{}: a key is varied twice: {}", variation.origin, variation.path),
            "write its values in one list");
      }
    }
    for (const std::string& value : variation.values) {
      Node changed = document;
      RETURN_IF_ERROR(SetPath(changed, variation.path, value, variation.origin));
      RETURN_IF_ERROR(Decode<sim::ScenarioDocument>(changed));
    }
  }
  return {};
}

int64_t Picoseconds(double seconds) { return std::llround(seconds * 1e12); }

}  // namespace

std::string HeadlineMetric(sim::ReportKind kind) {
  switch (kind) {
    case sim::ReportKind::kTraining:
      return "step_time";
    case sim::ReportKind::kServing:
      return "e2el.mean";
    case sim::ReportKind::kForward:
      return "pass_time";
  }
  return {};
}

std::vector<Difference> Explain(const sim::Report& base, const sim::Report& variant) {
  const sim::Metric* const before = base.Find(HeadlineMetric(base.kind));
  const sim::Metric* const after = variant.Find(HeadlineMetric(base.kind));
  if (before == nullptr || after == nullptr) {
    return {};
  }
  struct Change {
    const sim::Share* share = nullptr;  // names it
    int64_t picoseconds = 0;
  };
  std::vector<Change> changes;
  const auto add = [&changes](const sim::Share& share, int64_t picoseconds) {
    for (Change& change : changes) {
      if (change.share->name == share.name) {
        change.picoseconds += picoseconds;
        return;
      }
    }
    changes.push_back({&share, picoseconds});
  };
  for (const sim::Share& share : base.time) {
    add(share, -Picoseconds(share.value));
  }
  for (const sim::Share& share : variant.time) {
    add(share, Picoseconds(share.value));
  }
  const int64_t whole = Picoseconds(after->value) - Picoseconds(before->value);
  int64_t open = whole;
  for (const Change& change : changes) {
    open -= change.picoseconds;
  }
  std::stable_sort(changes.begin(), changes.end(), [](const Change& a, const Change& b) {
    return std::abs(a.picoseconds) > std::abs(b.picoseconds);
  });
  std::vector<Difference> differences;
  // Rounding leaves each share open to half a picosecond, and a double to its last digits: that
  // much goes to the largest cause. More is something that the shares do not tell.
  const auto rounding = static_cast<int64_t>(base.time.size() + variant.time.size()) + 1 +
                        Picoseconds((std::abs(after->value) + std::abs(before->value)) * 1e-12);
  if (std::abs(open) <= rounding && !changes.empty()) {
    changes.front().picoseconds += open;
    open = 0;
  }
  for (const Change& change : changes) {
    if (change.picoseconds != 0) {
      differences.push_back({.name = change.share->name,
                             .title = change.share->title,
                             .change = static_cast<double>(change.picoseconds) * 1e-12});
    }
  }
  if (open != 0) {
    differences.push_back({.name = "unattributed",
                           .title = "not attributed",
                           .change = static_cast<double>(open) * 1e-12});
  }
  return differences;
}

Result<WhatIf> CompareVariants(const Node& document, const std::vector<Variation>& variations,
                               const hardware::Catalog& catalog, const WhatIfOptions& options) {
  ASSIGN_OR_RETURN(const std::vector<Choice> choices, Choices(variations, options.one_at_a_time));
  ASSIGN_OR_RETURN(const sim::Scenario scenario, sim::ResolveScenario(document, catalog));
  RETURN_IF_ERROR(CheckVariations(document, variations));

  const size_t total = choices.size() + 1;
  std::vector<Result<sim::Report>> reports(total, Fail(Error{}));
  std::mutex mutex;  // of the count and of options.progress
  size_t done = 0;
  ForEachIndex(total, options.jobs, [&](size_t i) {
    // The base is simulated from the same document as the variants: the first of them all.
    reports[i] = i == 0
                     ? sim::Simulate(scenario, {.stop = options.stop})
                     : SimulateVariant(document, variations, choices[i - 1], catalog, options.stop);
    const std::lock_guard lock(mutex);
    ++done;
    if (options.progress != nullptr) {
      options.progress->Report("what if", static_cast<double>(done), static_cast<double>(total),
                               "scenarios");
    }
  });

  if (!reports[0]) {
    return Fail(std::move(reports[0]).error());
  }
  WhatIf answer{.base = *std::move(reports[0]), .metric = {}, .variants = {}};
  answer.metric = HeadlineMetric(answer.base.kind);
  for (size_t i = 0; i < choices.size(); ++i) {
    Variant variant;
    for (const auto& [key, value] : choices[i]) {
      variant.changes.emplace_back(variations[key].path, variations[key].values[value]);
    }
    if (Result<sim::Report>& report = reports[i + 1]; report) {
      variant.explained_by = Explain(answer.base, *report);
      variant.report = *std::move(report);
    } else if (IsUnknownName(report.error())) {
      return Fail(std::move(report).error());
    } else {
      answer.is_partial = answer.is_partial || IsStop(report.error());
      variant.error = std::move(report).error();
    }
    answer.variants.push_back(std::move(variant));
  }
  return answer;
}

}  // namespace ridgeline::planner
