/// A scenario and its variants, run with the same seeds, and what explains the differences.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/document.h"
#include "base/progress.h"
#include "base/result.h"
#include "base/stop.h"
#include "hardware/catalog.h"
#include "sim/report.h"

namespace ridgeline::planner {

/// One key and the values that it takes: `--vary PATH=LIST`.
struct Variation {
  std::string path;
  std::vector<std::string> values;
};

/// "training.parallelism.tp=2,4,8", ranges "1-64*2" (1, 2, 4 ... 64), "200-800+200 Gb/s" (200, 400,
/// 600, 800 Gb/s): a unit after a range or on the last value holds for all. `origin` names it in
/// messages ("--vary[1]"). At most 1,000 values.
Result<Variation> ParseVariation(std::string_view text, const std::string& origin);

/// A part of the difference to the base: causes add up to the whole difference of the headline
/// metric.
struct Difference {
  std::string name;   // "tensor"
  std::string title;  // "tensor parallel, exposed"
  double change = 0.0;
};

struct Variant {
  std::vector<std::pair<std::string, std::string>> changes;  // path, value
  std::optional<sim::Report> report;                         // unset: `error` says why
  std::optional<Error> error;            // illegal or not built: a row, not the end
  std::vector<Difference> explained_by;  // largest first
};

struct WhatIf {
  sim::Report base;
  std::string metric;  // the headline: step_time, pass_time or e2el.mean
  std::vector<Variant> variants;
};

struct WhatIfOptions {
  Stop stop = {};
  Progress* progress = nullptr;  // may be null
  int jobs = 1;                  // threads; changes no answer
  bool one_at_a_time = false;    // else the product of all variations
};

/// Errors: those of the base; more than 10,000 variants.
Result<WhatIf> CompareVariants(const Node& document, const std::vector<Variation>& variations,
                               const hardware::Catalog& catalog, const WhatIfOptions& options);

}  // namespace ridgeline::planner
