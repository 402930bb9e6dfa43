#include "sim/network/tree_traffic.h"

#include <unordered_map>
#include <utility>
#include <vector>

#include "sim/network/collective_traffic.h"
#include "sim/network/group_rails.h"

namespace ridgeline::network {
namespace {

using engine::FlowIndex;

/// A tree over GPUs: for each but the root its parent, in an order in which children come before
/// their parents.
struct Tree {
  std::vector<std::pair<GpuIndex, GpuIndex>> up;  // child, parent
};

/// Nodes by their place in the tree, children before parents: by depth, deepest first.
std::vector<int64_t> ChildrenFirst(int64_t nodes, int64_t (*parent_of)(int64_t, int64_t)) {
  std::vector<std::vector<int64_t>> by_depth;
  for (int64_t node = 0; node < nodes; ++node) {
    size_t depth = 0;
    for (int64_t up = parent_of(node, nodes); up >= 0; up = parent_of(up, nodes)) {
      ++depth;
    }
    by_depth.resize(std::max(by_depth.size(), depth + 1));
    by_depth[depth].push_back(node);
  }
  std::vector<int64_t> order;
  for (auto depth = by_depth.rbegin(); depth != by_depth.rend(); ++depth) {
    order.insert(order.end(), depth->begin(), depth->end());
  }
  return order;
}

/// Chains to the head of each node, then the heads' tree.
Tree TreeOf(const Channel& channel, int64_t (*parent_of)(int64_t, int64_t)) {
  Tree tree;
  for (const std::vector<GpuIndex>& node : channel.nodes) {
    for (size_t i = node.size() - 1; i > 0; --i) {
      tree.up.emplace_back(node[i], node[i - 1]);
    }
  }
  const auto nodes = static_cast<int64_t>(channel.nodes.size());
  for (const int64_t node : ChildrenFirst(nodes, parent_of)) {
    if (const int64_t parent = parent_of(node, nodes); parent >= 0) {
      tree.up.emplace_back(channel.nodes[static_cast<size_t>(node)].front(),
                           channel.nodes[static_cast<size_t>(parent)].front());
    }
  }
  return tree;
}

/// The pieces of one tree's share, up and down.
void AppendChunks(const Tree& tree, double bytes, int64_t chunks, int64_t channel,
                  TrafficWriter& writer) {
  const double piece = bytes / static_cast<double>(chunks);
  std::vector<FlowIndex> sent_up(tree.up.size(), -1);
  std::vector<FlowIndex> sent_down(tree.up.size(), -1);
  std::vector<FlowIndex> waits;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    std::unordered_map<GpuIndex, std::vector<FlowIndex>> arrived;  // from children, this chunk
    for (size_t i = 0; i < tree.up.size(); ++i) {
      const auto [child, parent] = tree.up[i];
      waits = arrived[child];
      if (sent_up[i] >= 0) {
        waits.push_back(sent_up[i]);
      }
      sent_up[i] = writer.Add(child, parent, piece, channel, waits);
      arrived[parent].push_back(sent_up[i]);
    }
    std::unordered_map<GpuIndex, FlowIndex> from_parent;
    for (size_t i = tree.up.size(); i-- > 0;) {
      const auto [child, parent] = tree.up[i];
      const auto found = from_parent.find(parent);
      waits = found == from_parent.end() ? arrived[parent] : std::vector<FlowIndex>{found->second};
      if (sent_down[i] >= 0) {
        waits.push_back(sent_down[i]);
      }
      sent_down[i] = writer.Add(parent, child, piece, channel, waits);
      from_parent[child] = sent_down[i];
    }
  }
}

/// Both directions at once between the nodes of a channel, in each of the two trees.
void AppendDoubleTree(const Channel& channel, double bytes, TrafficWriter& writer) {
  const auto nodes = static_cast<int64_t>(channel.nodes.size());
  for (int64_t node = 0; node < nodes; ++node) {
    const GpuIndex head = channel.nodes[static_cast<size_t>(node)].front();
    for (const int64_t parent : {BinaryTreeParent(node, nodes), TwinTreeParent(node, nodes)}) {
      if (parent >= 0) {
        const GpuIndex up = channel.nodes[static_cast<size_t>(parent)].front();
        writer.Add(head, up, bytes / 2, channel.index);
        writer.Add(up, head, bytes / 2, channel.index);
      }
    }
  }
}

}  // namespace

int64_t BinaryTreeParent(int64_t rank, int64_t ranks) {
  if (rank == 0) {
    return -1;
  }
  const int64_t bit = rank & -rank;  // the lowest set bit is the rank's level
  const int64_t up = (rank ^ bit) | (bit << 1);
  return up >= ranks ? rank ^ bit : up;
}

int64_t TwinTreeParent(int64_t rank, int64_t ranks) {
  if (ranks % 2 == 0) {
    const int64_t up = BinaryTreeParent(ranks - 1 - rank, ranks);
    return up < 0 ? -1 : ranks - 1 - up;
  }
  const int64_t up = BinaryTreeParent((rank + ranks - 1) % ranks, ranks);
  return up < 0 ? -1 : (up + 1) % ranks;
}

void AppendTrees(const GroupGpus& group, double bytes, int64_t chunks, TrafficWriter& writer) {
  const std::vector<Channel> channels = ChannelsOf(group, writer);
  const double share = bytes / static_cast<double>(channels.size());
  for (const Channel& channel : channels) {
    if (chunks > 0) {
      AppendChunks(TreeOf(channel, BinaryTreeParent), share / 2, chunks, channel.index, writer);
      AppendChunks(TreeOf(channel, TwinTreeParent), share / 2, chunks, channel.index, writer);
    }
  }
  if (chunks == 0) {
    AppendChainsInNodes(group, bytes, writer);
    AppendTreesBetweenNodes(group, bytes, writer);
  }
}

void AppendTreesBetweenNodes(const GroupGpus& group, double bytes, TrafficWriter& writer) {
  const std::vector<Channel> channels = ChannelsOf(group, writer);
  for (const Channel& channel : channels) {
    AppendDoubleTree(channel, bytes / static_cast<double>(channels.size()), writer);
  }
}

void AppendInSwitch(const GroupGpus& group, bool is_all_reduce, double bytes,
                    TrafficWriter& writer) {
  for (const NodeGpus& node : ByNode(group, writer.gpus_per_node())) {
    const auto ranks = static_cast<double>(node.gpus.size());
    const double share = is_all_reduce ? 1 + 1 / ranks : (ranks - 1) / ranks;
    for (size_t i = 0; node.gpus.size() > 1 && i < node.gpus.size(); ++i) {
      writer.Add(node.gpus[i], node.gpus[(i + 1) % node.gpus.size()], share * bytes, 0);
    }
  }
}

void AppendBetweenSwitches(const GroupGpus& group, double bytes, TrafficWriter& writer) {
  const std::vector<Channel> channels = ChannelsOf(group, writer);
  for (const Channel& channel : channels) {
    const size_t nodes = channel.nodes.size();
    for (size_t i = 0; nodes > 1 && i < nodes; ++i) {
      writer.Add(channel.nodes[i].front(), channel.nodes[(i + 1) % nodes].front(),
                 bytes / static_cast<double>(channels.size()), channel.index);
    }
  }
}

void AppendDirectInNodes(const GroupGpus& group, double bytes, TrafficWriter& writer) {
  for (const NodeGpus& node : ByNode(group, writer.gpus_per_node())) {
    for (const GpuIndex from : node.gpus) {
      for (const GpuIndex to : node.gpus) {
        if (from != to) {
          writer.Add(from, to, bytes / static_cast<double>(node.gpus.size()), 0);
        }
      }
    }
  }
}

void AppendChainsInNodes(const GroupGpus& group, double bytes, TrafficWriter& writer) {
  const std::vector<Channel> channels = ChannelsOf(group, writer);
  const double share = bytes / static_cast<double>(channels.size());
  for (const Channel& channel : channels) {
    for (const std::vector<GpuIndex>& node : channel.nodes) {
      for (size_t i = 1; i < node.size(); ++i) {
        writer.Add(node[i], node[i - 1], share, channel.index);
        writer.Add(node[i - 1], node[i], share, channel.index);
      }
    }
  }
}

void AppendAggregatedTrees(const GroupGpus& group, double bytes, TrafficWriter& writer) {
  const auto ranks = static_cast<int64_t>(group.size());
  const double part = bytes / static_cast<double>(ranks);
  for (int64_t distance = 1; distance < ranks; distance *= 2) {
    // Offsets that are odd multiples of the distance: d, 3 d, 5 d ... below the number of ranks.
    const int64_t parts = (ranks - 1 + distance) / (2 * distance);
    for (int64_t rank = 0; rank < ranks; ++rank) {
      writer.Add(group[static_cast<size_t>(rank)],
                 group[static_cast<size_t>((rank + distance) % ranks)],
                 static_cast<double>(parts) * part, distance);
    }
  }
}

}  // namespace ridgeline::network
