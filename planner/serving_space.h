/// The deployments that a serving plan chooses from: tensor parallelism, replicas and the token
/// budget of a step.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/document.h"
#include "base/result.h"
#include "hardware/catalog.h"
#include "sim/scenario.h"

namespace ridgeline::planner {

struct ServingPoint {
  int64_t tp = 1;
  int64_t replicas = 1;
  int64_t max_batched_tokens = 0;
  int64_t gpus() const { return tp * replicas; }
};

/// Legal deployments in canonical order (tp, then replicas, then budget), and what they share.
struct ServingSpace {
  Node document;
  std::vector<ServingPoint> points;
  std::map<std::pair<int64_t, int64_t>, sim::Scenario> shapes;  // by tp and budget, one replica
  std::vector<std::string> searched_paths;
  std::vector<std::string> searched;  // with their choices, for people
  int64_t illegal = 0;
  std::map<std::string, int64_t> reasons;  // of what is illegal: how many candidates
  sim::Scenario base;                      // with the whole load: the first legal point

  /// The document with the point's settings written in: what `simulate` would be asked.
  Node DocumentOf(const ServingPoint& point) const;
  /// What was searched, by path.
  std::map<std::string, std::string> SettingsOf(const ServingPoint& point) const;
  /// As resolving DocumentOf(point), but for the text of the resolved document; the load is shared.
  sim::Scenario ScenarioOf(const ServingPoint& point) const;
};

/// What the document leaves out is searched (tp: the divisors of a node's GPUs; replicas: as many
/// as the cluster holds; the budget: 512 to 16,384 by powers of two), a list restricts, a value
/// fixes. Errors: those of the document whatever is chosen.
Result<ServingSpace> ReadServingSpace(const Node& document, const hardware::Catalog& catalog);

}  // namespace ridgeline::planner
