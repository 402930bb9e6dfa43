#include "sim/compute/operation_time.h"

#include <algorithm>
#include <utility>

#include "hardware/roofline.h"
#include "sim/network/alpha_beta.h"

namespace ridgeline::compute {

OperationTime OperationTime::Analytic(const hardware::Cluster& cluster) {
  OperationTime time;
  time.described_ = std::make_shared<const hardware::Gpu>(cluster.gpu);
  time.gpu_ = std::make_unique<hardware::Roofline>(cluster.gpu);
  time.network_ = std::make_unique<network::AlphaBetaCollectives>(cluster);
  return time;
}

OperationTime OperationTime::Of(const hardware::Cluster& cluster) {
  if (cluster.measured == nullptr) {
    return Analytic(cluster);
  }
  OperationTime time;
  time.described_ = std::make_shared<const hardware::Gpu>(cluster.gpu);
  time.measured_ = cluster.measured;
  time.gpu_ =
      std::shared_ptr<const hardware::CostModel>(cluster.measured, &cluster.measured->operations());
  time.network_ =
      cluster.measured->Complete(std::make_unique<network::AlphaBetaCollectives>(cluster));
  return time;
}

Result<Cost> OperationTime::OfKernel(Result<Cost> cost, const Operation& operation) const {
  if (!cost) {
    return cost;
  }
  cost->low = cost->mean + range_share_ * (cost->low - cost->mean);
  cost->high = cost->mean + range_share_ * (cost->high - cost->mean);
  const auto* const work = std::get_if<MemoryBound>(&operation);
  if (work == nullptr) {
    return cost;
  }
  const double rate = kIssued * static_cast<double>(described_->streaming_multiprocessors) *
                      described_->clock.base();
  const Seconds bound =
      std::max(work->least, rate > 0 ? Seconds::FromBase(work->issued.base() / rate) : Seconds{});
  if (cost->mean < bound) {  // as uncertain as it was
    cost->low = bound * (cost->low / cost->mean);
    cost->high = bound * (cost->high / cost->mean);
    cost->mean = bound;
  }
  return cost;
}

Result<Cost> OperationTime::CostOf(const Collective& collective) const {
  return network_->CostOf(collective);
}

std::vector<hardware::RateInUse> OperationTime::RatesFor(const hardware::RunProfile& run) const {
  std::vector<hardware::RateInUse> rates = gpu_->RatesFor(run);
  for (hardware::RateInUse& rate : network_->RatesFor(run)) {
    rates.push_back(std::move(rate));
  }
  return rates;
}

}  // namespace ridgeline::compute
