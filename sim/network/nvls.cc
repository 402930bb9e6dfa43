#include "sim/network/nvls.h"

#include <algorithm>

#include "sim/network/tree.h"

namespace ridgeline::network {
namespace {

/// On one node the search finds a channel a GPU.
double HeadsOf(const GroupLinks& links) {
  return links.shape.is_one_node() ? links.shape.per_node : PortGraph(links).channels;
}

/// What a channel that the search gave a rate carries inside a node.
BytesPerSecond InsideOfChannel(CollectiveKind kind, BytesPerSecond each, double heads,
                               const GroupLinks& links) {
  const double g = links.shape.per_node;
  const double both_ways = kind == CollectiveKind::kAllReduce ? 2 : (g - 1) / g;
  return each * (links.generation->nvls_efficiency * ((heads - 1) / heads) * both_ways);
}

double StepsRatio(const GroupShape& shape) { return shape.ranks / (2 * (shape.ranks - 1)); }

AffineTime Scaled(AffineTime time, double share) {
  return {.latency = time.latency, .rate = time.rate * share};
}

}  // namespace

NvlsTime NvlsTimeOf(CollectiveKind kind, const GroupLinks& links) {
  const GroupShape& shape = links.shape;
  const auto protocol = CollectiveProtocol::kSimple;
  const hardware::StepCosts& costs = *links.library->latencies.nvls.simple;
  Seconds latency = costs.base + InsideStep(costs, links);
  const bool is_all_reduce = kind == CollectiveKind::kAllReduce;
  const std::optional<double>& ratio = links.library->nvls.ratio;
  if (shape.is_one_node()) {
    const BytesPerSecond sums =
        links.inside_rate() * links.generation->nvls_share / (1 + 1 / shape.ranks);
    const double heads = HeadsOf(links);
    if (!is_all_reduce) {
      // The bus that the sums' graph gives, as NCCL takes one graph for all of NVLS.
      const BytesPerSecond each = sums / StepsRatio(shape) / heads;
      const AffineTime gather{.latency = latency,
                              .rate = heads * InsideOfChannel(kind, each, heads, links)};
      return {.chosen_by = gather, .time = gather};
    }
    const AffineTime physical{.latency = latency, .rate = sums};
    return {.chosen_by =
                ratio ? AffineTime{.latency = latency, .rate = sums / StepsRatio(shape) * *ratio}
                      : physical,
            .time = physical};
  }
  latency += AcrossStep(costs.network, protocol, links);
  const ChannelGraph graph = PortGraph(links);
  const BytesPerSecond bus =
      graph.channels *
      std::min(InsideOfChannel(kind, graph.each, graph.channels, links), graph.each);
  const AffineTime modelled{.latency = latency,
                            .rate = is_all_reduce ? bus * StepsRatio(shape) : bus};
  return {.chosen_by = is_all_reduce && ratio
                           ? AffineTime{.latency = latency, .rate = graph.bus() * *ratio}
                           : modelled,
          .time = Scaled(modelled, ContendedShare(graph, links))};
}

NvlsTime NvlsTreeTimeOf(const GroupLinks& links) {
  const GroupShape& shape = links.shape;
  const hardware::NvlsModel& model = links.library->nvls;
  const hardware::StepCosts& costs = *links.library->latencies.nvls_tree.simple;
  const ChannelGraph graph = PortGraph(links);
  // Of two nodes each sends its sum once; of more, most send up and down.
  const double across = shape.nodes > 2 ? 1 : 2;
  const BytesPerSecond bus =
      graph.channels *
      std::min({InsideOfChannel(CollectiveKind::kAllReduce, graph.each, graph.channels, links),
                graph.each * across, CeilingOf(links.generation->nvls_tree_channel, shape)});
  const Seconds latency =
      costs.base + InsideStep(costs, links) +
      2 * LevelsOf(shape) * AcrossStep(costs.network, CollectiveProtocol::kSimple, links);
  const AffineTime modelled{.latency = latency, .rate = bus * StepsRatio(shape)};
  const double believed = shape.nodes > 2 ? model.more_nodes : model.two_nodes;
  return {.chosen_by =
              model.ratio ? AffineTime{.latency = latency,
                                       .rate = graph.bus() * std::min(1.0, believed) * *model.ratio}
                          : modelled,
          .time = Scaled(modelled, ContendedShare(graph, links))};
}

}  // namespace ridgeline::network
