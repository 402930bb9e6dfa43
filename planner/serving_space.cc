#include "planner/serving_space.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "base/check.h"
#include "base/units_text.h"

namespace ridgeline::planner {
namespace {

constexpr std::string_view kTp = "serving.parallelism.tp";
constexpr std::string_view kReplicas = "serving.replicas";
constexpr std::string_view kBudget = "serving.scheduler.max_batched_tokens";
// Named in messages about a value that the search chose.
constexpr std::string_view kOrigin = "plan";

const Node* Find(const Node& root, std::string_view path) {
  const Node* node = &root;
  while (node != nullptr && !path.empty()) {
    const size_t dot = path.find('.');
    node = node->Find(path.substr(0, dot));
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
  }
  return node;
}

/// The values that the document allows: empty when it leaves the key out.
struct Choice {
  std::vector<int64_t> values;
  bool is_searched = true;
};

Result<Choice> ReadChoice(const Node& document, std::string_view path) {
  const Node* const node = Find(document, path);
  if (node == nullptr || node->is_null()) {
    return Choice{};
  }
  Choice choice{.values = {}, .is_searched = node->is_list()};
  const std::vector<Node> items = node->is_list() ? node->items : std::vector<Node>{*node};
  for (const Node& item : items) {
    const Result<int64_t> value = item.is_scalar() && !item.is_quoted
                                      ? ParseInteger(item.scalar)
                                      : InvalidArgument(fmt::format("expected a number: {}", path));
    if (!value || *value < 1) {
      return Fail({.code = ErrorCode::kInvalidArgument,
                   .message = value ? fmt::format("expected at least 1: {}", *value)
                                    : value.error().message,
                   .where = item.where,
                   .hint = "write a number, or a list of those to choose from, as [2, 4]",
                   .path = std::string(path)});
    }
    choice.values.push_back(*value);
  }
  if (choice.values.empty()) {
    return Fail({.code = ErrorCode::kInvalidArgument,
                 .message = "nothing to choose from: an empty list",
                 .where = node->where,
                 .hint = "leave the key out to search all of it",
                 .path = std::string(path)});
  }
  std::sort(choice.values.begin(), choice.values.end());
  choice.values.erase(std::unique(choice.values.begin(), choice.values.end()), choice.values.end());
  return choice;
}

Status Set(Node& document, std::string_view path, int64_t value) {
  return SetPath(document, path, std::to_string(value), std::string(kOrigin));
}

Result<Node> With(Node document, const ServingPoint& point) {
  RETURN_IF_ERROR(Set(document, kTp, point.tp));
  RETURN_IF_ERROR(Set(document, kReplicas, point.replicas));
  RETURN_IF_ERROR(Set(document, kBudget, point.max_batched_tokens));
  return document;
}

/// The same deployment with one request: legality does not depend on the load, which may be long.
Result<sim::Scenario> ResolveShape(const Node& document, const ServingPoint& point,
                                   const hardware::Catalog& catalog) {
  ASSIGN_OR_RETURN(Node shape, With(document, point));
  RETURN_IF_ERROR(
      SetPath(shape, "workload",
              "{arrivals: {process: all-at-once}, requests: 1, input_tokens: 1, output_tokens: 1}",
              std::string(kOrigin)));
  return sim::ResolveScenario(shape, catalog);
}

/// GPUs of a node and nodes, whatever the deployment: of the scenario at its smallest, or of the
/// first value that resolves.
Result<hardware::Cluster> ClusterOf(const Node& document, const Choice& tp, const Choice& budget,
                                    const hardware::Catalog& catalog) {
  const std::vector<int64_t> sizes = tp.values.empty() ? std::vector<int64_t>{1} : tp.values;
  const std::vector<int64_t> budgets =
      budget.values.empty() ? std::vector<int64_t>{8192} : budget.values;
  std::optional<Error> first;
  for (const int64_t size : sizes) {
    for (const int64_t tokens : budgets) {
      Result<sim::Scenario> scenario = ResolveShape(
          document, {.tp = size, .replicas = 1, .max_batched_tokens = tokens}, catalog);
      if (scenario) {
        return scenario->cluster;
      }
      if (!first) {
        first = std::move(scenario).error();
      }
    }
  }
  return Fail(*std::move(first));
}

std::string ChoicesText(std::string_view path, const std::vector<int64_t>& values) {
  // Many replicas in a row are said by their ends.
  const bool is_run = values.size() > 8 &&
                      values.back() - values.front() + 1 == static_cast<int64_t>(values.size());
  return is_run ? fmt::format("{}: {} to {}", path, values.front(), values.back())
                : fmt::format("{}: {}", path, fmt::join(values, ", "));
}

}  // namespace

Node ServingSpace::DocumentOf(const ServingPoint& point) const {
  Result<Node> written = With(document, point);
  CHECK(written.has_value(), "a setting cannot be written: {}",
        written ? "" : written.error().message);
  return *std::move(written);
}

std::map<std::string, std::string> ServingSpace::SettingsOf(const ServingPoint& point) const {
  std::map<std::string, std::string> settings;
  for (const std::string& path : searched_paths) {
    settings[path] = std::to_string(path == kTp         ? point.tp
                                    : path == kReplicas ? point.replicas
                                                        : point.max_batched_tokens);
  }
  return settings;
}

sim::Scenario ServingSpace::ScenarioOf(const ServingPoint& point) const {
  sim::Scenario scenario = shapes.at({point.tp, point.max_batched_tokens});
  scenario.serving->replicas = point.replicas;
  scenario.serving->load = base.serving->load;
  return scenario;
}

Result<ServingSpace> ReadServingSpace(const Node& document, const hardware::Catalog& catalog) {
  ASSIGN_OR_RETURN(Choice tp, ReadChoice(document, kTp));
  ASSIGN_OR_RETURN(Choice replicas, ReadChoice(document, kReplicas));
  ASSIGN_OR_RETURN(Choice budget, ReadChoice(document, kBudget));
  ASSIGN_OR_RETURN(const hardware::Cluster cluster, ClusterOf(document, tp, budget, catalog));
  if (tp.values.empty()) {
    for (int64_t size = 1; size <= cluster.node.gpus; ++size) {
      if (cluster.node.gpus % size == 0) {
        tp.values.push_back(size);
      }
    }
  }
  if (budget.values.empty()) {
    for (int64_t tokens = 512; tokens <= 16384; tokens *= 2) {
      budget.values.push_back(tokens);
    }
  }
  ServingSpace space;
  space.document = document;
  std::optional<Error> first_error;
  int64_t most_replicas = 0;
  for (const int64_t size : tp.values) {
    // Replicas stand within a node, as the deployment's own rule has it.
    const int64_t room = cluster.nodes * (cluster.node.gpus / size);
    most_replicas = std::max(most_replicas, room);
    std::vector<int64_t> counts = replicas.values;
    for (int64_t count = 1; replicas.values.empty() && count <= std::max<int64_t>(room, 1);
         ++count) {
      counts.push_back(count);
    }
    std::vector<int64_t> legal;  // budgets
    for (const int64_t tokens : budget.values) {
      Result<sim::Scenario> shape = ResolveShape(
          document, {.tp = size, .replicas = 1, .max_batched_tokens = tokens}, catalog);
      if (shape) {
        legal.push_back(tokens);
        space.shapes.emplace(std::pair(size, tokens), *std::move(shape));
        continue;
      }
      const auto lost = static_cast<int64_t>(counts.size());
      space.illegal += lost;
      space.reasons[shape.error().message] += lost;
      if (!first_error) {
        first_error = std::move(shape).error();
      }
    }
    for (const int64_t count : counts) {
      if (count > room) {
        space.illegal += static_cast<int64_t>(legal.size());
        space.reasons[fmt::format("tp {}: more replicas than the cluster holds", size)] +=
            static_cast<int64_t>(legal.size());
        continue;
      }
      for (const int64_t tokens : legal) {
        space.points.push_back({.tp = size, .replicas = count, .max_batched_tokens = tokens});
      }
    }
  }
  if (replicas.values.empty()) {
    for (int64_t count = 1; count <= most_replicas; ++count) {
      replicas.values.push_back(count);
    }
  }
  for (const auto& [path, choice] :
       {std::pair(kTp, &tp), std::pair(kReplicas, &replicas), std::pair(kBudget, &budget)}) {
    if (choice->is_searched) {
      space.searched_paths.emplace_back(path);
      space.searched.push_back(ChoicesText(path, choice->values));
    }
  }
  if (!space.points.empty()) {
    ASSIGN_OR_RETURN(space.base,
                     sim::ResolveScenario(space.DocumentOf(space.points.front()), catalog));
  } else if (first_error) {
    return Fail(*std::move(first_error));
  } else {
    return InvalidArgument("no deployment fits the cluster: too many replicas",
                           fmt::format("allow serving.replicas of at most {}", most_replicas));
  }
  return space;
}

}  // namespace ridgeline::planner
