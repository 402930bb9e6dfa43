#include "sim/network/all_to_all.h"

#include <algorithm>
#include <cmath>

namespace ridgeline::network {
namespace {

double ShareOf(CollectiveProtocol protocol, const GroupLinks& links) {
  return protocol == CollectiveProtocol::kLl ? links.library->shares.pairwise_ll : 1.0;
}

BytesPerSecond InsideOf(CollectiveProtocol protocol, const GroupLinks& links) {
  return links.inside_rate() * (ShareOf(protocol, links) * links.library->shares.pairwise_inside);
}

BytesPerSecond AcrossOf(CollectiveProtocol protocol, const GroupLinks& links) {
  return links.across_rate() * (ShareOf(protocol, links) * links.library->shares.pairwise_across /
                                links.oversubscription);
}

}  // namespace

AffineTime AllToAllTime(CollectiveProtocol protocol, const GroupLinks& links) {
  const GroupShape& shape = links.shape;
  const hardware::StepCosts& costs = *links.library->latencies.pairwise.In(protocol);
  const double rounds = std::ceil((shape.ranks - 1) / links.library->channels.pairwise_at_a_time);
  const BytesPerSecond inside = InsideOf(protocol, links);
  if (shape.is_one_node()) {
    return {.latency = costs.base + rounds * InsideStep(costs, links),
            .rate = inside * (shape.ranks / (shape.ranks - 1))};
  }
  Seconds step = AcrossStep(costs.network, protocol, links);
  double kept = (shape.per_node - 1) / shape.ranks;
  if (links.forwards_to_rail) {
    step += InsideStep(costs, links);
    kept = (shape.per_node - 1) / shape.per_node;
  } else if (links.has_rails && shape.per_node > 1) {
    step += links.between_rails;
  }
  const double left = (shape.ranks - shape.per_node) / shape.ranks;
  const BytesPerSecond across = AcrossOf(protocol, links);
  const BytesPerSecond leaving = across / left;
  return {.latency = costs.base + rounds * step,
          .rate = kept > 0 ? std::min(inside / kept, leaving) : leaving};
}

AffineTime SendTime(CollectiveProtocol protocol, const GroupLinks& links) {
  const hardware::StepCosts& costs = *links.library->latencies.pairwise.In(protocol);
  if (links.shape.is_one_node()) {
    return {.latency = costs.base + InsideStep(costs, links), .rate = InsideOf(protocol, links)};
  }
  return {.latency = costs.base + AcrossStep(costs.network, protocol, links),
          .rate = AcrossOf(protocol, links)};
}

}  // namespace ridgeline::network
