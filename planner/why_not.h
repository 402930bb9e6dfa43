/// Why candidates were left out, by reason, for people.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/units.h"
#include "planner/training_legality.h"

namespace ridgeline::planner {

/// The candidate that came closest to fitting, and what it would allocate.
struct NearMemory {
  std::map<std::string, std::string> settings;
  Bytes peak;
};

/// The candidate that came closest to meeting the targets.
struct NearMiss {
  std::map<std::string, std::string> settings;
  std::string metric;
  double value = 0;
  std::string target;     // as written
  bool is_bound = false;  // `value` is what the metric cannot better
};

struct WhyNot {
  std::vector<Reason> illegal;
  int64_t too_long = 0;  // for the simulated clock
  int64_t out_of_memory = 0;
  int64_t misses_by_bound = 0;
  int64_t missed = 0;   // evaluated, and short of a target
  int64_t bounded = 0;  // no better than the kept
  bool is_feasible = false;
  Bytes capacity;
  std::optional<NearMemory> nearest_memory;
  std::optional<NearMiss> nearest_miss;
};

/// One line a reason, most candidates first; an infeasible plan begins with what came closest.
std::vector<std::string> WriteLines(const WhyNot& why);

}  // namespace ridgeline::planner
