#include "planner/validation/collective_groups.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "planner/validation/score.h"

namespace ridgeline::validation {
namespace {

constexpr double kSmallMost = 4 * 1024 * 1024;
constexpr std::array<std::string_view, 2> kBandNames = {"<= 4 MiB", "> 4 MiB"};

class Lines {
 public:
  explicit Lines(const SuiteOutcome& suite) : suite_(suite) {}

  /// Both bands of what these words name, where there is something.
  void Add(const std::string& name, const CaseGroup& of) {
    for (const std::string_view band : kBandNames) {
      CaseGroup one = of;
      one.name = fmt::format("{}, {}", name, band);
      one.tags.emplace_back(band);
      AddOne(std::move(one));
    }
  }

  void AddOne(CaseGroup group) {
    std::vector<CaseOutcome> members;
    std::ranges::copy_if(suite_.cases, std::back_inserter(members),
                         [&group](const CaseOutcome& c) { return group.Holds(c); });
    if (!members.empty()) {
      groups_.push_back({.of = std::move(group), .accuracy = Score(members)});
    }
  }

  /// Each word that a fold's cases held out have after a mark, in order of first appearance.
  void AddEach(const std::string& fold, std::string_view mark) {
    std::vector<std::string> words;
    for (const CaseOutcome& c : suite_.cases) {
      if (c.group != fold || !c.is_held_out) {
        continue;
      }
      for (const std::string& tag : c.tags) {
        if (tag.starts_with(mark) && std::ranges::find(words, tag) == words.end()) {
          words.push_back(tag);
        }
      }
    }
    if (words.size() < 2) {
      return;
    }
    for (const std::string& word : words) {
      Add(fmt::format("{} held out: {}", fold, word.substr(mark.size())),
          {.is_held_out = true, .kind = fold, .tags = {word}});
    }
  }

  std::vector<Group> Take() { return std::move(groups_); }

 private:
  const SuiteOutcome& suite_;
  std::vector<Group> groups_;
};

}  // namespace

std::vector<std::string> CollectiveTags(const MeasuredCollective& measured) {
  const bool is_small = measured.collective.bytes.base() <= kSmallMost;
  std::vector<std::string> tags = {std::string(kBandNames[is_small ? 0 : 1]),
                                   fmt::format("kind {}", CollectiveName(measured.collective.kind)),
                                   fmt::format("from {}", measured.from)};
  if (measured.source == CollectiveSource::kTable) {
    tags.emplace_back("measured by table");
    tags.push_back(fmt::format("ranks {} GPUs", measured.collective.group.ranks));
  }
  return tags;
}

std::vector<Group> CollectiveGroups(const SuiteOutcome& suite,
                                    const std::vector<CollectivePeer>& peers) {
  std::vector<std::string> folds;
  for (const CaseOutcome& c : suite.cases) {
    if (c.skip == SkipKind::kNone && std::ranges::find(folds, c.group) == folds.end()) {
      folds.push_back(c.group);
    }
  }
  Lines lines(suite);
  for (const std::string& fold : folds) {
    lines.AddOne({.name = fold + " held out", .is_held_out = true, .kind = fold});
    lines.Add(fold + " held out", {.is_held_out = true, .kind = fold});
    lines.Add(fold + " fitted", {.is_held_out = false, .kind = fold});
    lines.AddEach(fold, "ranks ");
    lines.AddEach(fold, "kind ");
    lines.AddEach(fold, "from ");
  }
  std::vector<Group> groups = lines.Take();
  for (const CollectivePeer& peer : peers) {
    Group group;
    group.of.name = "peer: " + peer.what;
    group.accuracy.mape = peer.error.value;
    groups.push_back(std::move(group));
  }
  return groups;
}

}  // namespace ridgeline::validation
