/// Which points of a training space are legal, by the rules of workloads::CheckLayout and of the
/// scenario's schedule, and why the others are not. Rules that need the model are asked of
/// CheckLayout once a value of tp and once a pair of pp and vpp; the rest is arithmetic, so that
/// illegal corners cost nothing (a property test holds both to each other).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/stop.h"
#include "planner/training_space.h"

namespace ridgeline::planner {

struct TrainingPoint {
  TrainingSettings settings;
  int64_t index = 0;  // in canonical order
  int64_t dp = 1;
  int64_t micro_batches = 1;  // per replica and step
};

/// Candidates left out for one reason.
struct Reason {
  std::string text;  // "tensor parallelism must divide the KV heads: tp 16, 8 KV heads"
  int64_t candidates = 0;
};

struct LegalPoints {
  std::vector<TrainingPoint> points;  // in canonical order
  int64_t considered = 0;
  int64_t illegal = 0;
  std::vector<Reason> reasons;  // each illegal candidate under the first rule that it breaks
};

/// Errors: kCancelled and kDeadlineExceeded from `stop`.
Result<LegalPoints> FindLegalPoints(const TrainingSpace& space, const Stop& stop);

/// The scenario of a point. `scenario` is one made by the same space; only what differs is written.
void ApplyPoint(const TrainingSpace& space, const TrainingPoint& point,
                sim::TrainingScenario& scenario);

}  // namespace ridgeline::planner
