/// What `validate` found: plain structs that every writer prints from (validation_text.h,
/// validation_json.h).
///
/// Sign: an error is (predicted / measured - 1) in the metric as published, with the sign turned
/// for rates (tokens/s, FLOP/s, MFU), so that a positive error always means "predicted slower, or
/// more bytes, than measured". Its size is that of the published metric.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/evidence.h"
#include "planner/validation/network_rows.h"
#include "planner/validation/pair_outcome.h"
#include "planner/validation/source_mapping.h"
#include "planner/validation/suite_half.h"
#include "sim/report.h"

namespace ridgeline::validation {

/// One measured value beside its prediction, or why there is none.
struct CaseOutcome {
  std::string id = {};
  std::string group = {};   // the mapping that it came through, or its kind
  std::string metric = {};  // as published: "step_time_s", "tflops_per_gpu", "oom", or DESIGN 9's
  double measured = 0.0;
  double predicted = 0.0;
  double low = 0.0;
  double high = 0.0;
  Evidence evidence = Evidence::kAnalytic;
  bool is_held_out = false;
  bool is_rate = false;   // more is faster
  bool is_class = false;  // out of memory: 1 yes, 0 no; no relative error
  bool fits = true;       // the prediction's memory; false against a measured time: false alarm
  std::optional<double> tolerance = {};  // relative
  std::vector<Assumed> assumed = {};
  std::vector<std::string> tags = {};  // "core", "dense", "moe" ...

  SkipKind skip = SkipKind::kNone;
  std::string reason = {};
  std::vector<std::string> skipped_metrics = {};  // all that the case measured

  /// The MFU at which the constant-MFU guess would hit the measurement (causal model FLOPs, the
  /// peak of the job's precision); 0 when the guess does not apply.
  double measured_mfu = 0.0;

  // Only for suites of formulas.
  std::string claim = {};       // what the field says
  std::string correction = {};  // where the popular figure is wrong: the right one and why

  bool is_scored() const { return skip == SkipKind::kNone && !is_class; }
  /// Relative, signed as above.
  double SignedError() const {
    if (measured == 0.0) {
      return predicted == 0.0 ? 0.0 : std::numeric_limits<double>::infinity();
    }
    const double error = predicted / measured - 1.0;
    return is_rate ? -error : error;
  }
  bool IsWithinTolerance() const;
};

struct Worst {
  std::string id = {};
  double error = 0.0;  // signed
};

/// Accuracy over a set of cases. Absent figures have nothing to be computed from.
struct Accuracy {
  int64_t cases = 0;   // listed; measurements of one case stand together and count once
  int64_t scored = 0;  // with a relative error
  std::optional<double> mape = {};
  std::optional<double> median_error = {};  // of absolute errors
  std::optional<double> p90_error = {};
  std::optional<double> bias = {};  // mean signed error
  std::optional<Worst> worst = {};
  std::optional<double> coverage = {};           // share of measurements inside the stated range
  std::optional<double> median_half_width = {};  // of the range, relative to the prediction
  std::optional<double> width_over_error = {};   // median_half_width / median_error
  std::optional<double> constant_mfu = {};       // fitted: the MFU that minimises the guess's MAPE
  std::optional<double> mape_constant = {};      // of the constant-MFU guess
  std::optional<double> skill = {};              // 1 - mape / mape_constant
  // Out of memory as a class, over all simulated cases that tell, each once.
  int64_t oom_hits = 0;
  int64_t oom_misses = 0;
  int64_t oom_false_alarms = 0;
};

/// Cases that belong together: all that the set fields say.
struct CaseGroup {
  std::string name = {};  // "core dense", "source megatron-sc21", "held-out step_time"
  std::optional<bool> is_held_out = {};
  std::string kind = {};  // CaseOutcome::group
  std::string metric = {};
  std::vector<std::string> tags = {};  // each of them

  bool Holds(const CaseOutcome& outcome) const;
};

struct Group {
  CaseGroup of = {};
  Accuracy accuracy = {};
};

/// How many cases were left out, by reason.
struct SkipCount {
  SkipKind kind = SkipKind::kNone;
  std::string reason = {};
  int64_t cases = 0;
};

struct AssumedCount {
  Assumed assumed = {};
  int64_t cases = 0;
};

struct SuiteOutcome {
  std::string name = {};
  std::string source = {};
  bool has_halves = false;
  Half half = Half::kAll;     // that was asked for
  bool is_by_metric = false;  // figures of different metrics are told apart
  std::vector<CaseOutcome> cases = {};
  Accuracy accuracy = {};
  std::vector<Group> groups = {};
  std::vector<SkipCount> skipped = {};
  std::vector<AssumedCount> assumed = {};
  std::vector<PairOutcome> pairs = {};
  std::vector<PairCount> pair_counts = {};
  std::vector<AgreementRow> agreement = {};  // of the network's fidelities
  std::vector<SharingRow> sharing = {};      // collectives measured beside others
  std::vector<std::string> notes = {};       // what those are known to miss
  bool is_formulas = false;
  bool lists_cases = true;  // in tables: false where they are too many to read

  int64_t CountOutsideTolerance() const;
};

struct ValidationReport {
  std::vector<SuiteOutcome> suites = {};
  /// Every factor below peak that the predictions read, once, with its source.
  std::vector<sim::Assumption> factors = {};
  bool is_partial = false;  // stopped before the end

  /// True when no case is outside a stated tolerance, and none with a tolerance has a mistake that
  /// keeps it from being checked; without tolerances nothing can fail.
  bool IsWithinTolerance() const;
};

}  // namespace ridgeline::validation
