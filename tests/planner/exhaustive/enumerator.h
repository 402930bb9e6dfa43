/// Every configuration of a training job, simulated: what a plan must equal. Uses nothing of the
/// planner and none of the program's rules of legality, only `ResolveScenario` and `Simulate`.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/document.h"
#include "hardware/catalog.h"

namespace ridgeline::planner {

/// What the rules of legality below read of a dense decoder and its job.
struct DenseJob {
  std::string document;  // without any of the searched keys
  int64_t gpus = 1;
  int64_t layers = 1;
  int64_t heads = 1;
  int64_t kv_heads = 1;
  int64_t intermediate = 1;
  int64_t sequence_length = 1;
  int64_t global_batch = 1;
};

struct Enumeration {
  int64_t considered = 0;
  int64_t illegal = 0;
  int64_t out_of_memory = 0;
  int64_t simulated = 0;  // and fit
  /// Those that fit: settings by path, step time in seconds; in canonical order.
  struct Fit {
    std::map<std::string, std::string> settings;
    double step_time = 0;
  };
  std::vector<Fit> fits;
  const Fit* Best() const;  // the first of the fastest
};

/// Every illegal point of `illegal_sample` is resolved too, and must be refused.
Enumeration Enumerate(const DenseJob& job, const hardware::Catalog& catalog, int illegal_sample);

}  // namespace ridgeline::planner
