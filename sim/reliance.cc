#include "sim/reliance.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace ridgeline::sim {
namespace {

/// Below this share of the time worse evidence does not spoil the whole.
constexpr double kMatters = 0.05;
/// So many unmeasured operations are named; the rest is in the shares.
constexpr size_t kMostNamed = 8;

std::string_view NameOf(const Reliance::Work& work) {
  return std::holds_alternative<Operation>(work) ? OperationName(std::get<Operation>(work))
                                                 : CollectiveName(std::get<Collective>(work).kind);
}

DType TypeOf(const Reliance::Work& work) {
  return std::visit(
      [](const auto& part) {
        if constexpr (std::is_same_v<std::decay_t<decltype(part)>, Operation>) {
          return std::visit([](const auto& op) { return op.dtype; }, part);
        } else {
          return part.dtype;
        }
      },
      work);
}

std::string TextOf(const Reliance::Work& work) {
  return std::visit([](const auto& part) { return Describe(part); }, work);
}

bool DependsOnTime(const Metric& metric) {
  constexpr std::string_view kUnits[] = {"s", "tokens/s", "FLOP/s", "req/s"};
  constexpr std::string_view kRatios[] = {"mfu", "hfu", "mbu", "batch.running.mean"};
  return std::ranges::count(kUnits, metric.unit) > 0 ||
         std::ranges::count(kRatios, metric.name) > 0;
}

}  // namespace

void Reliance::Merge(const Entry& entry) {
  for (Entry& known : entries_) {
    if (known.evidence == entry.evidence && NameOf(known.largest) == NameOf(entry.largest) &&
        TypeOf(known.largest) == TypeOf(entry.largest)) {
      known.seconds += entry.seconds;
      if (known.largest_seconds < entry.largest_seconds) {
        known.largest_seconds = entry.largest_seconds;
        known.largest = entry.largest;
      }
      return;
    }
  }
  entries_.push_back(entry);
}

void Reliance::Add(const Work& work, const Cost& cost, double times) {
  const double seconds = cost.mean.base();
  if (seconds > 0) {
    Merge({.largest = work,
           .largest_seconds = seconds,
           .seconds = seconds * times,
           .evidence = cost.evidence});
  }
}

void Reliance::Add(const Reliance& other, double times) {
  for (Entry entry : other.entries_) {
    entry.seconds *= times;
    Merge(entry);
  }
}

std::array<double, kNumEvidence> Reliance::Shares() const {
  std::array<double, kNumEvidence> shares{};
  double sum = 0;
  for (const Entry& entry : entries_) {
    shares.at(static_cast<size_t>(entry.evidence)) += entry.seconds;
    sum += entry.seconds;
  }
  for (double& share : shares) {
    share = sum > 0 ? share / sum : 0;
  }
  return shares;
}

Evidence Reliance::Overall() const {
  const std::array<double, kNumEvidence> shares = Shares();
  double worse = 0;
  for (size_t i = kNumEvidence; i-- > 1;) {
    worse += shares.at(i);
    if (worse >= kMatters) {
      return static_cast<Evidence>(i);
    }
  }
  return entries_.empty() ? Evidence::kAnalytic : Evidence::kMeasured;
}

Error NotMeasured(const std::string& what, Evidence evidence, const std::string& gpu) {
  return {.code = ErrorCode::kFailedPrecondition,
          .message = fmt::format("no measurement of {} on {}: its cost is {}", what, gpu,
                                 EvidenceName(evidence)),
          // Short, so that the flag, which follows as the error's place, stands apart from it.
          .hint = "measure it (calibrate measure), or drop the flag",
          .path = std::string(kStrictPath)};
}

std::vector<UnmeasuredOperation> Reliance::Unmeasured() const {
  double sum = 0;
  std::vector<const Entry*> entries;
  for (const Entry& entry : entries_) {
    sum += entry.seconds;
    if (entry.evidence >= Evidence::kExtrapolated) {
      entries.push_back(&entry);
    }
  }
  std::ranges::stable_sort(entries,
                           [](const Entry* a, const Entry* b) { return a->seconds > b->seconds; });
  std::vector<UnmeasuredOperation> unmeasured;
  for (const Entry* const entry : entries) {
    unmeasured.push_back({.what = TextOf(entry->largest),
                          .share = sum > 0 ? entry->seconds / sum : 0,
                          .evidence = entry->evidence});
  }
  return unmeasured;
}

Status Reliance::CheckMeasured(const hardware::Cluster& cluster) const {
  const std::vector<UnmeasuredOperation> unmeasured = Unmeasured();
  if (!cluster.takes_measured_only || unmeasured.empty()) {
    return {};
  }
  Error error = NotMeasured(unmeasured.front().what, unmeasured.front().evidence, cluster.gpu.name);
  if (unmeasured.size() > 1) {
    error.message += "; nor of ";
    for (size_t i = 1; i < std::min(unmeasured.size(), kMostNamed); ++i) {
      error.message += (i > 1 ? ", " : "") + unmeasured[i].what;
    }
    if (unmeasured.size() > kMostNamed) {
      error.message += fmt::format(" and {} more", unmeasured.size() - kMostNamed);
    }
  }
  return Fail(std::move(error));
}

void Reliance::WriteInto(Report& report, const compute::OperationTime& time) const {
  if (const hardware::CalibrationIdentity* const identity = time.calibration()) {
    report.calibration = {.name = identity->name,
                          .sha256 = identity->sha256,
                          .gpu = identity->gpu,
                          .is_transferred = identity->is_transferred};
  }
  report.evidence = Shares();
  report.unmeasured = Unmeasured();
  if (report.unmeasured.size() > kMostNamed) {
    report.unmeasured.resize(kMostNamed);
  }
  for (Metric& metric : report.metrics) {
    if (DependsOnTime(metric)) {
      metric.evidence = Overall();
    }
  }
}

}  // namespace ridgeline::sim
