/// The measured times of one pattern under one condition on one GPU, with what fitting learned
/// about them; and the table at work: shape in, time with range and evidence out.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/evidence.h"
#include "calibration/boosted_trees.h"
#include "calibration/local_model.h"
#include "calibration/measured_operation.h"
#include "calibration/prior.h"
#include "hardware/gpu.h"

namespace ridgeline::calibration {

/// Ranges are looked up by predicted time: 10, 100 and 1000 us part the bands.
inline constexpr size_t kNumBands = 4;
size_t BandOf(Seconds time);
std::string_view BandName(size_t band);

/// How errors spread in units of the typical error where they fall: the range of a prediction t
/// with typical error s is t e^(-below s) to t e^(above s).
struct ErrorScale {
  double below = 2;
  double above = 2;
};

/// What fitting found out about a table: each row predicted from the other four of five folds.
struct UnseenError {
  double median = 0;  // of |predicted / measured - 1|
  double p90 = 0;
  double coverage = 0;    // share of rows inside the range that rows of other folds give them
  double half_width = 0;  // median of (high - low) / 2 over the prediction
};

/// What is stored. Rows are sorted by shape and have no duplicates. A table predicts by trees, by
/// local regression, or by the mean of both, whichever erred least on rows left out.
struct FittedTable {
  TimedOperation pattern;
  Condition condition;
  std::string source;  // "own", or the public origin
  std::string library;
  /// A kernel that was asked for by name: such tables answer no plain question; empty: the usual.
  std::string variant;
  MachineRates rates;  // of the GPU that was measured, as they stood when it was fitted
  std::vector<Shape> shapes;
  std::vector<float> log_times;  // of seconds
  std::vector<float> errors;     // when left out, absolute, log; of local regression
  LocalSettings settings;
  ErrorLaw error_law;
  double local_share = 1;  // of local regression in the log time; the trees have the rest
  BoostedTrees residuals;  // none when local_share is 1
  std::shared_ptr<const Prior> prior;  // what they are on top of; may be null
  BoostedTrees root_errors;  // of the typical error that ranges are multiples of; none: error_law
  std::array<ErrorScale, kNumBands> error_scales;
  double farthest = 0;          // octaves to the nearest row beyond which a shape lies in a hole
  double error_per_octave = 0;  // of what lies outside, added to the range for each octave
  UnseenError unseen;

  bool is_own() const { return source == "own"; }
};

/// What other tables may start from; null where no trees are.
std::shared_ptr<const Prior> PriorOf(const FittedTable& table);

/// "gemm bf16", "attention decode fp8 (sustained)": for tables and messages.
std::string TableTitle(const FittedTable& table);

/// The table at work on one GPU. The search structure is built by the first question, so that
/// loading a profile costs only what is asked of it. Thread-safe.
class CostTable {
 public:
  /// `transfer_error` above 0: on another GPU than the measured one. Physics is that GPU's, the
  /// residual is carried over, everything is extrapolated and ranges are wider by that much (log).
  CostTable(FittedTable table, const hardware::Gpu& gpu, double transfer_error);
  ~CostTable();
  CostTable(CostTable&&) noexcept;
  CostTable& operator=(CostTable&&) noexcept;

  const FittedTable& fitted() const { return *table_; }
  /// Where an operation stands in the table. `operation` has this table's pattern up to what the
  /// caller is willing to overlook.
  struct Place {
    Features features;
    double beyond = 0;  // octaves outside of the measured box, or into a hole; 0: held
  };
  Place PlaceOf(const TimedOperation& operation) const;
  Cost CostAt(const TimedOperation& operation, const Place& place) const;
  Cost CostOf(const TimedOperation& operation) const {
    return CostAt(operation, PlaceOf(operation));
  }

 private:
  struct Search;
  std::unique_ptr<FittedTable> table_;
  std::unique_ptr<Search> search_;
};

}  // namespace ridgeline::calibration
