#include "planner/objective.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/nearest_name.h"
#include "hardware/gpu.h"
#include "sim/training/training_memory.h"

namespace ridgeline::planner {

const std::vector<StepMetric::Name>& StepMetric::Names() {
  static const std::vector<Name> names = {
      {"step_time", kStepTime},
      {"memory.peak", kMemoryPeak},
      {"memory.allocated", kMemoryAllocated},
      {"gpus", kGpus},
      {"tokens_per_second", kTokensPerSecond},
      {"tokens_per_second_per_gpu", kTokensPerSecondPerGpu},
      {"model_flops_per_gpu", kModelFlopsPerGpu},
      {"mfu", kMfu},
      {"hfu", kHfu},
  };
  return names;
}

Result<StepMetric> StepMetric::Named(std::string_view name, const sim::Scenario& scenario) {
  StepMetric metric;
  metric.name_ = name;
  std::vector<std::string> known;
  bool is_known = false;
  for (const Name& candidate : Names()) {
    known.emplace_back(candidate.text);
    if (candidate.text == name) {
      metric.kind_ = candidate.kind;
      is_known = true;
    }
  }
  if (!is_known) {
    return InvalidArgument(fmt::format("a training plan has no metric {}", name),
                           SuggestName(std::string(name), known));
  }
  const sim::TrainingScenario& training = *scenario.training;
  metric.tokens_ =
      static_cast<double>(training.global_batch) * static_cast<double>(training.sequence_length);
  if (metric.kind_ == kMfu || metric.kind_ == kHfu) {
    const auto peak = hardware::PeakOf(scenario.cluster.gpu, training.precision);
    if (!peak) {
      return InvalidArgument(fmt::format("no {} on a GPU without a peak for {}: {}", name,
                                         DTypeName(training.precision), scenario.cluster.gpu.name));
    }
    metric.peak_ = peak->base();
  }
  return metric;
}

double StepMetric::Of(const StepFacts& facts) const {
  const double seconds = engine::ToSeconds(facts.makespan).base();
  const double per_gpu = facts.micro_batches / facts.pp;
  switch (kind_) {
    case kStepTime:
      return seconds;
    case kMemoryPeak:
      return facts.peak.base();
    case kMemoryAllocated:
      return facts.allocated.base();
    case kGpus:
      return facts.gpus;
    case kTokensPerSecond:
      return tokens_ / seconds;
    case kTokensPerSecondPerGpu:
      return tokens_ / facts.gpus / seconds;
    case kModelFlopsPerGpu:
      return (facts.model_flops * per_gpu).base() / seconds;
    case kMfu:
      return (facts.model_flops * per_gpu).base() / peak_ / seconds;
    case kHfu:
      return ((facts.model_flops + facts.recompute_flops) * per_gpu).base() / peak_ / seconds;
  }
  return seconds;
}

double StepTarget::Miss(const StepFacts& facts) const {
  if (IsMet(facts)) {
    return 0;
  }
  return std::abs(metric.Of(facts) - value) / std::max(std::abs(value), 1e-300);
}

}  // namespace ridgeline::planner
