#include "sim/compute/operation_time.h"

#include <utility>

#include "sim/network/alpha_beta.h"

namespace ridgeline::compute {

OperationTime OperationTime::Analytic(const hardware::Cluster& cluster) {
  auto roofline = std::make_unique<hardware::Roofline>(cluster.gpu);
  auto collectives = std::make_unique<network::AlphaBetaCollectives>(cluster);
  OperationTime time;
  time.rates_ = roofline->RatesInUse();
  for (hardware::RateInUse& rate : collectives->RatesInUse()) {
    time.rates_.push_back(std::move(rate));
  }
  time.gpu_ = std::move(roofline);
  time.network_ = std::move(collectives);
  return time;
}

}  // namespace ridgeline::compute
