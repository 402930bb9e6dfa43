#include "planner/plan.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "planner/serving_plan.h"
#include "planner/serving_space.h"
#include "planner/training_plan.h"
#include "planner/training_space.h"

namespace ridgeline::planner {
namespace {

const Node* Find(const Node& root, std::string_view path) {
  const Node* node = &root;
  while (node != nullptr && !path.empty()) {
    const size_t dot = path.find('.');
    node = node->Find(path.substr(0, dot));
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
  }
  return node;
}

}  // namespace

bool HasChoices(const Node& document) {
  constexpr std::array<std::string_view, 11> kSearched = {
      "training.gpus",
      "training.parallelism.tp",
      "training.parallelism.pp",
      "training.parallelism.vpp",
      "training.parallelism.ep",
      "training.micro_batch",
      "training.recompute",
      "training.sharding",
      "serving.parallelism.tp",
      "serving.replicas",
      "serving.scheduler.max_batched_tokens",
  };
  return std::any_of(kSearched.begin(), kSearched.end(), [&](std::string_view path) {
    const Node* const node = Find(document, path);
    return node != nullptr && node->is_list();
  });
}

Result<int64_t> CountConfigurations(const Node& document, const hardware::Catalog& catalog) {
  if (document.Find("serving") != nullptr) {
    ASSIGN_OR_RETURN(const ServingSpace space, ReadServingSpace(document, catalog));
    return static_cast<int64_t>(space.points.size()) + space.illegal;
  }
  ASSIGN_OR_RETURN(const TrainingSpace space, ReadTrainingSpace(document, catalog));
  size_t count = space.gpus.size() * space.recompute.size() * space.sharding.size();
  for (const auto* const axis : {&space.tp, &space.pp, &space.vpp, &space.ep, &space.micro_batch}) {
    count *= axis->size();
  }
  return static_cast<int64_t>(count);
}

Result<Plan> MakePlan(const Node& document, const hardware::Catalog& catalog,
                      const PlanOptions& options) {
  if (document.Find("serving") != nullptr) {
    return PlanServing(document, catalog, options);
  }
  return PlanTraining(document, catalog, options);
}

}  // namespace ridgeline::planner
