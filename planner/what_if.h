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
#include "planner/variation.h"
#include "sim/report.h"

namespace ridgeline::planner {

/// A part of the difference to the base. In whole picoseconds, the parts of a variant add up to the
/// whole difference of the headline metric.
struct Difference {
  std::string name;   // "tensor"
  std::string title;  // "tensor parallel, exposed"
  double change = 0.0;
};

struct Variant {
  std::vector<std::pair<std::string, std::string>> changes;  // path, value
  std::optional<sim::Report> report = std::nullopt;          // unset: `error` says why
  std::optional<Error> error = std::nullopt;  // illegal or not built: a row, not the end
  std::vector<Difference> explained_by =
      {};  // largest first; causes that did not change are left out
};

struct WhatIf {
  sim::Report base;
  std::string metric;             // the headline: step_time, pass_time or e2el.mean
  std::vector<Variant> variants;  // in the order of the values as written, the last key fastest
  bool is_partial = false;        // stopped: variants that did not run have the stop as their error
};

struct WhatIfOptions {
  Stop stop = {};
  Progress* progress = nullptr;  // may be null
  int jobs = 1;                  // threads; changes no answer
  bool one_at_a_time = false;    // else the product of all variations
};

inline constexpr size_t kMaxVariants = 10'000;

/// The metric that a difference is about: step_time, pass_time or e2el.mean.
std::string HeadlineMetric(sim::ReportKind kind);

/// What explains the difference of the headline metric, by the shares of Report.time. A part of the
/// metric that the shares leave open is a cause of its own, "unattributed".
std::vector<Difference> Explain(const sim::Report& base, const sim::Report& variant);

/// Base and variants with the same seed: equal named streams of random numbers, so that a
/// difference is the change's and not the draw's. Errors: those of the base (kCancelled and
/// kDeadlineExceeded when stopped before it was done); a path that no document has; more than
/// kMaxVariants variants. A variant that is illegal, not built or does not resolve is a row with
/// its error.
Result<WhatIf> CompareVariants(const Node& document, const std::vector<Variation>& variations,
                               const hardware::Catalog& catalog, const WhatIfOptions& options);

}  // namespace ridgeline::planner
