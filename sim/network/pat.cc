#include "sim/network/pat.h"

#include "sim/network/tree.h"

namespace ridgeline::network {

AffineTime PatTime(const ChannelGraph& graph, const GroupLinks& links) {
  const hardware::LibraryLatencies& latencies = links.library->latencies;
  const hardware::StepCosts& costs = *latencies.pat.simple;
  // One rank a node: the trees' network latency, as everywhere in NCCL's model.
  const Seconds network = latencies.tree.simple ? latencies.tree.simple->network : costs.network;
  const Seconds across = AcrossStep(network, CollectiveProtocol::kSimple, links);
  return {.latency = costs.base +
                     LevelsOf(links.shape) * across / links.library->pat_steps_a_latency +
                     links.shape.ranks * links.library->pat_rank,
          .rate = graph.bus() * links.library->shares.pat};
}

}  // namespace ridgeline::network
