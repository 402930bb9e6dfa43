#include "planner/validation/case_groups.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/nearest_name.h"
#include "planner/validation/score.h"

namespace ridgeline::validation {
namespace {

bool Has(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

void AddOnce(const std::string& name, std::vector<std::string>& names) {
  if (!name.empty() && !Has(names, name)) {
    names.push_back(name);
  }
}

/// What the cases of a suite are told apart by, each in order of first appearance.
struct Words {
  std::vector<std::string> metrics;
  std::vector<std::string> kinds;
  std::vector<std::string> tags;
};

Words WordsOf(const SuiteOutcome& suite) {
  Words words;
  for (const CaseOutcome& c : suite.cases) {
    if (c.skip == SkipKind::kNone && !c.is_class) {
      AddOnce(c.metric, words.metrics);
    }
    AddOnce(c.group, words.kinds);
    for (const std::string& tag : c.tags) {
      AddOnce(tag, words.tags);
    }
  }
  return words;
}

std::vector<CaseGroup> PublishedGroups(const Words& words) {
  std::vector<CaseGroup> groups = {{.name = "core", .tags = {"core"}},
                                   {.name = "core dense", .tags = {"core", "dense"}},
                                   {.name = "core mixture of experts", .tags = {"core", "moe"}},
                                   {.name = "dense", .tags = {"dense"}},
                                   {.name = "mixture of experts", .tags = {"moe"}}};
  for (const std::string& mapping : words.kinds) {
    groups.push_back({.name = "source " + mapping, .kind = mapping});
  }
  return groups;
}

void AddByMetric(const CaseGroup& base, const std::vector<std::string>& metrics,
                 std::vector<CaseGroup>& groups) {
  for (const std::string& metric : metrics) {
    CaseGroup one = base;
    one.name = base.name.empty() ? metric : fmt::format("{} {}", base.name, metric);
    one.metric = metric;
    groups.push_back(std::move(one));
  }
}

std::vector<CaseGroup> HalfGroups(const SuiteOutcome& suite) {
  if (!suite.has_halves) {
    return {};
  }
  return {{.name = std::string(HalfName(false)), .is_held_out = false},
          {.name = std::string(HalfName(true)), .is_held_out = true}};
}

std::vector<CaseGroup> KindGroups(const Words& words) {
  std::vector<CaseGroup> groups;
  for (const std::string& kind : words.kinds) {
    groups.push_back({.name = kind, .kind = kind});
  }
  for (const std::string& tag : words.tags) {
    if (!Has(words.kinds, tag)) {
      groups.push_back({.name = tag, .tags = {tag}});
    }
  }
  return groups;
}

std::vector<CaseGroup> PrintedGroups(const SuiteOutcome& suite) {
  const Words words = WordsOf(suite);
  if (!suite.is_by_metric) {
    return PublishedGroups(words);
  }
  std::vector<CaseGroup> groups;
  AddByMetric({}, words.metrics, groups);
  for (const CaseGroup& half : HalfGroups(suite)) {
    groups.push_back(half);
    AddByMetric(half, words.metrics, groups);
  }
  for (const CaseGroup& kind : KindGroups(words)) {
    AddByMetric(kind, words.metrics, groups);
  }
  return groups;
}

/// Every group that a reader may ask for.
std::vector<CaseGroup> NamedGroups(const SuiteOutcome& suite) {
  std::vector<CaseGroup> groups = PrintedGroups(suite);
  if (suite.is_by_metric) {
    std::vector<CaseGroup> kinds = KindGroups(WordsOf(suite));
    std::move(kinds.begin(), kinds.end(), std::back_inserter(groups));
  }
  return groups;
}

std::vector<CaseOutcome> MembersOf(const CaseGroup& group, const SuiteOutcome& suite) {
  std::vector<CaseOutcome> members;
  std::copy_if(suite.cases.begin(), suite.cases.end(), std::back_inserter(members),
               [&group](const CaseOutcome& c) { return group.Holds(c); });
  return members;
}

SuiteOutcome Kept(const SuiteOutcome& suite, const CaseGroup& group) {
  SuiteOutcome kept = suite;
  kept.name = fmt::format("{}, {}", suite.name, group.name);
  kept.cases = MembersOf(group, suite);
  kept.agreement.clear();  // tables of the whole suite
  kept.sharing.clear();
  kept.notes.clear();
  const auto is_kept = [&kept](const std::string& id) {
    return std::any_of(kept.cases.begin(), kept.cases.end(),
                       [&id](const CaseOutcome& c) { return c.id == id; });
  };
  std::erase_if(kept.pairs, [&](const PairOutcome& pair) {
    return !is_kept(pair.pair.from) || !is_kept(pair.pair.to) ||
           (!group.metric.empty() && group.metric != pair.pair.metric);
  });
  Summarise(kept);
  return kept;
}

}  // namespace

bool CaseGroup::Holds(const CaseOutcome& outcome) const {
  return (!is_held_out || *is_held_out == outcome.is_held_out) &&
         (kind.empty() || kind == outcome.group) &&
         (metric.empty() || metric == outcome.metric || Has(outcome.skipped_metrics, metric)) &&
         std::all_of(tags.begin(), tags.end(),
                     [&outcome](const std::string& tag) { return Has(outcome.tags, tag); });
}

std::vector<Group> ScoreGroups(const SuiteOutcome& suite) {
  std::vector<Group> groups;
  for (CaseGroup& group : PrintedGroups(suite)) {
    const std::vector<CaseOutcome> members = MembersOf(group, suite);
    const bool is_kind = !group.kind.empty() || !group.tags.empty();
    const size_t wider = is_kind && !group.metric.empty()
                             ? MembersOf({.metric = group.metric}, suite).size()
                             : suite.cases.size();
    if (!members.empty() && members.size() < wider) {
      groups.push_back({.of = std::move(group), .accuracy = Score(members)});
    }
  }
  return groups;
}

Result<ValidationReport> OnlyGroup(const ValidationReport& report, std::string_view group) {
  ValidationReport only{.factors = report.factors, .is_partial = report.is_partial};
  std::vector<std::string> names;
  for (const SuiteOutcome& suite : report.suites) {
    if (suite.is_formulas) {
      continue;
    }
    for (const CaseGroup& one : NamedGroups(suite)) {
      AddOnce(one.name, names);
      if (one.name == group) {
        SuiteOutcome kept = Kept(suite, one);
        if (!kept.cases.empty()) {
          only.suites.push_back(std::move(kept));
        }
        break;
      }
    }
  }
  if (only.suites.empty()) {
    return NotFound("no such group of cases: " + std::string(group), SuggestName(group, names));
  }
  return only;
}

}  // namespace ridgeline::validation
