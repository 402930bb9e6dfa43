/// Quantiles. Exact over samples in memory, by selection (linear interpolation between order
/// statistics, as numpy's default); a log-bucket histogram where memory must be bounded, whose
/// quantiles are within its stated relative error.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ridgeline {

/// The q-quantile, 0 <= q <= 1, of at least one sample. Reorders `samples`. O(n).
double ExactQuantile(std::span<double> samples, double q);

/// Counts of positive values in buckets that grow by a constant ratio; zero has a bucket of its
/// own.
class LogHistogram {
 public:
  /// Quantiles err by at most `relative_error` of the value.
  explicit LogHistogram(double relative_error = 0.005);
  void Add(double value, int64_t count = 1);
  double Quantile(double q) const;
  int64_t count() const { return count_; }
  void Merge(const LogHistogram& other);  // of the same relative error

 private:
  double growth_;
  double log_growth_;
  int64_t count_ = 0;
  int64_t zeros_ = 0;
  int32_t first_bucket_ = 0;
  std::vector<int64_t> buckets_;
};

}  // namespace ridgeline
