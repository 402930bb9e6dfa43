#include "sim/compute/operation_time.h"

#include <algorithm>
#include <utility>

#include "hardware/roofline.h"
#include "sim/network/alpha_beta.h"
#include "sim/network/collective_plan.h"
#include "sim/network/runner_choice.h"

namespace ridgeline::compute {

OperationTime OperationTime::Analytic(const hardware::Cluster& cluster) {
  hardware::Cluster unmeasured = cluster;
  unmeasured.measured = nullptr;
  return Of(unmeasured);
}

OperationTime OperationTime::Of(const hardware::Cluster& cluster, const Stop& stop) {
  OperationTime time;
  time.described_ = std::make_shared<const hardware::Gpu>(cluster.gpu);
  time.cluster_ = std::make_shared<const hardware::Cluster>(cluster);
  time.measured_ = cluster.measured;
  if (cluster.measured == nullptr) {
    time.gpu_ = std::make_unique<hardware::Roofline>(cluster.gpu);
  } else {
    time.gpu_ = std::shared_ptr<const hardware::CostModel>(cluster.measured,
                                                           &cluster.measured->operations());
  }
  const auto closed_form = [&](const hardware::Cluster& on) {
    std::unique_ptr<const hardware::CollectiveCost> forms =
        std::make_unique<network::AlphaBetaCollectives>(on);
    return cluster.measured == nullptr ? std::move(forms)
                                       : cluster.measured->Complete(std::move(forms));
  };
  if (cluster.network.fidelity == hardware::NetworkFidelity::kAnalytic || cluster.nodes == 1) {
    time.network_ = closed_form(cluster);
    return time;
  }
  const network::RunnerChoice runner = network::RunnerFor(cluster.network.fidelity);
  auto flows =
      network::FlowCollectives::Make(cluster, closed_form(network::WithoutContention(cluster)),
                                     runner.runner, runner.merges_classes, stop);
  if (flows) {
    time.flows_ = *std::move(flows);
    time.network_ = time.flows_;
  } else {
    time.fabric_error_ = std::make_shared<const Error>(std::move(flows).error());
    time.network_ = closed_form(cluster);
  }
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
  if (fabric_error_ != nullptr) {
    return Fail(*fabric_error_);
  }
  return flows_ != nullptr ? flows_->Price(collective) : network_->CostOf(collective);
}

int OperationTime::ChannelsOf(const Collective& collective) const {
  return network::PlanOf(collective, *cluster_).channels;
}

std::vector<hardware::RateInUse> OperationTime::RatesFor(const hardware::RunProfile& run) const {
  std::vector<hardware::RateInUse> rates = gpu_->RatesFor(run);
  for (hardware::RateInUse& rate : network_->RatesFor(run)) {
    rates.push_back(std::move(rate));
  }
  return rates;
}

}  // namespace ridgeline::compute
