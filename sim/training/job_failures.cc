#include "sim/training/job_failures.h"

#include <optional>

namespace ridgeline::training {
namespace {

// The published run, as in the header.
constexpr Seconds kObserved = Seconds::FromBase(54 * 86400.0);
constexpr double kGpus = 16384;
constexpr double kNodes = kGpus / 8;
constexpr double kGpuFailures = 148 + 72 + 19 + 17 + 6 + 6;
constexpr double kNodeFailures = 32 + 3 + 3 + 2 + 2 + 2 + 2;
constexpr double kNetworkFailures = 35 + 7;
constexpr double kSoftwareFailures = 54 + 2 + 7;
static_assert(kGpuFailures + kNodeFailures + kNetworkFailures + kSoftwareFailures == 419);

ComponentFailures Of(std::string_view name, const std::optional<Seconds>& given, Seconds published,
                     double components) {
  const Seconds of_one = given.value_or(published);
  return {.name = name,
          .of_one = of_one,
          .of_job = of_one / components,
          .is_default = !given.has_value()};
}

}  // namespace

Seconds JobFailures::mean_between() const {
  double rate = 0.0;
  for (const ComponentFailures& component : components) {
    rate += 1.0 / component.of_job.base();
  }
  return Seconds::FromBase(1.0 / rate);
}

JobFailures FailuresOf(const workloads::FailureRates& rates, int64_t gpus, int64_t nodes) {
  const auto num_gpus = static_cast<double>(gpus);
  return {{Of("gpu", rates.gpu, kObserved * (kGpus / kGpuFailures), num_gpus),
           Of("node", rates.node, kObserved * (kNodes / kNodeFailures), static_cast<double>(nodes)),
           Of("network", rates.network, kObserved * (kGpus / kNetworkFailures), num_gpus),
           Of("software", rates.software, kObserved * (kGpus / kSoftwareFailures / num_gpus), 1)}};
}

}  // namespace ridgeline::training
