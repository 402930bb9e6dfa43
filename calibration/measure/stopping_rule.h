/// When a measurement has been repeated often enough: when the samples agree, when more of them no
/// longer make them agree better, or when its time is up (after NVBench's stdrel criterion).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

namespace ridgeline::measure {

struct StoppingLimits {
  size_t least_samples = 4;
  size_t most_samples = 24;
  double enough_spread = 0.004;  // relative
  double no_better = 0.85;       // a batch that leaves more than this of the spread is the last
  double most_seconds = 0.040;   // of measured work
};

class StoppingRule {
 public:
  explicit StoppingRule(StoppingLimits limits) : limits_(limits) {}

  /// Adds one sample (time of an operation) that took `seconds` to get.
  void Add(double sample, double seconds) {
    samples_.push_back(sample);
    spent_ += seconds;
  }

  /// Asked after each batch of samples. Two samples are the least in any case.
  bool IsDone() {
    const double spread = Spread();
    const bool has_had_its_time = spent_ >= limits_.most_seconds && samples_.size() >= 2;
    if (samples_.size() >= limits_.least_samples && spread <= limits_.enough_spread) {
      reason_ = "spread";
    } else if (has_had_its_time) {
      reason_ = "time";
    } else if (samples_.size() >= limits_.most_samples) {
      reason_ = "samples";
    } else if (samples_.size() >= 2 * limits_.least_samples && last_spread_ > 0 &&
               spread > limits_.no_better * last_spread_) {
      reason_ = "no better";
    }
    last_spread_ = spread;
    return !reason_.empty();
  }

  double Median() const { return MedianOf(samples_); }
  /// Median absolute deviation over the median, times 1.4826: the relative standard deviation where
  /// noise is normal, and blind to a few outliers where it is not.
  double Spread() const {
    const double median = Median();
    std::vector<double> deviations;
    for (const double sample : samples_) {
      deviations.push_back(std::abs(sample - median));
    }
    return median > 0 ? 1.4826 * MedianOf(deviations) / median : 0;
  }
  size_t count() const { return samples_.size(); }
  double spent() const { return spent_; }
  const std::string& reason() const { return reason_; }

 private:
  static double MedianOf(std::vector<double> values) {
    if (values.empty()) {
      return 0;
    }
    std::sort(values.begin(), values.end());
    const size_t half = values.size() / 2;
    return values.size() % 2 == 1 ? values[half] : 0.5 * (values[half - 1] + values[half]);
  }

  StoppingLimits limits_;
  std::vector<double> samples_;
  double spent_ = 0;
  double last_spread_ = 0;
  std::string reason_;
};

}  // namespace ridgeline::measure
