#include "base/percentile.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "base/check.h"

namespace ridgeline {

double ExactQuantile(std::span<double> samples, double q) {
  CHECK(!samples.empty());
  CHECK(q >= 0.0 && q <= 1.0, "q {}", q);
  const double rank = q * static_cast<double>(samples.size() - 1);
  const size_t below = static_cast<size_t>(rank);
  const double fraction = rank - static_cast<double>(below);
  const auto nth = samples.begin() + static_cast<std::ptrdiff_t>(below);
  std::nth_element(samples.begin(), nth, samples.end());
  if (fraction == 0.0) {
    return *nth;
  }
  // Everything after nth is no smaller, so its least is the next order statistic.
  const double next = *std::min_element(nth + 1, samples.end());
  return *nth + fraction * (next - *nth);
}

LogHistogram::LogHistogram(double relative_error)
    : growth_((1.0 + relative_error) / (1.0 - relative_error)), log_growth_(std::log(growth_)) {
  // A finer histogram than this would hold more buckets than most sample sets hold samples.
  CHECK(relative_error >= 1e-4 && relative_error < 1.0, "relative error {}", relative_error);
}

void LogHistogram::Add(double value, int64_t count) {
  CHECK(value >= 0.0 && std::isfinite(value), "value {}", value);
  CHECK(count >= 0, "count {}", count);
  if (count == 0) {
    return;
  }
  count_ += count;
  if (value == 0.0) {
    zeros_ += count;
    return;
  }
  const auto bucket = static_cast<int32_t>(std::floor(std::log(value) / log_growth_));
  if (buckets_.empty()) {
    first_bucket_ = bucket;
  }
  if (bucket < first_bucket_) {
    buckets_.insert(buckets_.begin(), static_cast<size_t>(first_bucket_ - bucket), 0);
    first_bucket_ = bucket;
  }
  const auto index = static_cast<size_t>(bucket - first_bucket_);
  if (index >= buckets_.size()) {
    buckets_.resize(index + 1, 0);
  }
  buckets_[index] += count;
}

double LogHistogram::Quantile(double q) const {
  CHECK(count_ > 0);
  CHECK(q >= 0.0 && q <= 1.0, "q {}", q);
  // Bucket b holds [g^b, g^(b+1)); its value 2 g^(b+1) / (g + 1) is within (g - 1) / (g + 1), the
  // stated error, of both ends.
  const auto order_statistic = [this](int64_t rank) {
    int64_t seen = zeros_;
    if (rank < seen) {
      return 0.0;
    }
    for (size_t i = 0; i < buckets_.size(); ++i) {
      seen += buckets_[i];
      if (rank < seen) {
        const double exponent = static_cast<double>(first_bucket_) + static_cast<double>(i) + 1.0;
        return 2.0 * std::exp(exponent * log_growth_ - std::log1p(growth_));
      }
    }
    return 0.0;
  };
  const double rank = q * static_cast<double>(count_ - 1);
  const auto below = static_cast<int64_t>(rank);
  const double fraction = rank - static_cast<double>(below);
  const double low = order_statistic(below);
  return fraction == 0.0 ? low : low + fraction * (order_statistic(below + 1) - low);
}

void LogHistogram::Merge(const LogHistogram& other) {
  CHECK(growth_ == other.growth_, "growth {} and {}", growth_, other.growth_);
  count_ += other.count_;
  zeros_ += other.zeros_;
  if (other.buckets_.empty()) {
    return;
  }
  if (buckets_.empty()) {
    first_bucket_ = other.first_bucket_;
    buckets_ = other.buckets_;
    return;
  }
  if (other.first_bucket_ < first_bucket_) {
    buckets_.insert(buckets_.begin(), static_cast<size_t>(first_bucket_ - other.first_bucket_), 0);
    first_bucket_ = other.first_bucket_;
  }
  const auto shift = static_cast<size_t>(other.first_bucket_ - first_bucket_);
  buckets_.resize(std::max(buckets_.size(), shift + other.buckets_.size()), 0);
  for (size_t i = 0; i < other.buckets_.size(); ++i) {
    buckets_[shift + i] += other.buckets_[i];
  }
}

}  // namespace ridgeline
