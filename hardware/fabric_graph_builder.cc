#include "hardware/fabric_graph_builder.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "hardware/fabric_faults.h"
#include "hardware/fabric_parts.h"
#include "hardware/shared_links.h"

namespace ridgeline::hardware {

Error FabricError(const Fabric& fabric, std::string message, std::string hint,
                  const WrittenAt& written) {
  const WrittenAt& at = written.where.source ? written : fabric.written;
  Error error{.code = ErrorCode::kInvalidArgument,
              .message = std::move(message),
              .hint = std::move(hint),
              .path = at.path.empty() ? "cluster.fabric" : at.path};
  if (at.where.source) {
    error.where = at.where;
  }
  return error;
}

int32_t FabricGraphBuilder::AddVertex(FabricVertex vertex) {
  graph_.vertices_.push_back(vertex);
  return static_cast<int32_t>(graph_.vertices_.size()) - 1;
}

int32_t FabricGraphBuilder::AddResource(BytesPerSecond peak, BytesPerSecond sustained) {
  graph_.resources_.push_back({.peak = peak, .sustained = sustained});
  return static_cast<int32_t>(graph_.resources_.size()) - 1;
}

int32_t FabricGraphBuilder::AddLink(const FabricLink& link) {
  graph_.links_.push_back(link);
  return static_cast<int32_t>(graph_.links_.size()) - 1;
}

void FabricGraphBuilder::BuildNodes() {
  graph_.gpus_per_node_ = cluster_.node.gpus;
  graph_.nodes_ = cluster_.nodes;
  graph_.routing_ = cluster_.fabric.routing;
  interior_ = AddNodes(cluster_, *this);
  first_switch_ = num_vertices();
  graph_.first_switch_ = first_switch_;
  graph_.first_fabric_link_ = static_cast<int32_t>(graph_.links_.size());
}

int32_t FabricGraphBuilder::AddSwitch(VertexKind kind, std::string name, WrittenAt written) {
  graph_.switch_names_.push_back(std::move(name));
  graph_.tiers_.push_back(kind == VertexKind::kLeaf ? 1 : kind == VertexKind::kSpine ? 2 : 3);
  switch_written_.push_back(std::move(written));
  return AddVertex({.kind = kind, .node = -1, .index = 0});
}

int32_t FabricGraphBuilder::nic(int64_t node, int64_t index) const {
  return static_cast<int32_t>(node * interior_.num_vertices + interior_.first_nic + index);
}

const WrittenAt& FabricGraphBuilder::written(int32_t vertex) const {
  return switch_written_[static_cast<size_t>(vertex - first_switch_)];
}

int32_t FabricGraphBuilder::tier(int32_t vertex) const { return graph_.TierOf(vertex); }

void FabricGraphBuilder::set_tier(int32_t vertex, int32_t tier) {
  constexpr std::array<VertexKind, 3> kKinds = {VertexKind::kLeaf, VertexKind::kSpine,
                                                VertexKind::kCore};
  graph_.tiers_[static_cast<size_t>(vertex - first_switch_)] = tier;
  graph_.vertices_[static_cast<size_t>(vertex)].kind =
      kKinds[static_cast<size_t>(std::min(tier, 3) - 1)];
}

int32_t FabricGraphBuilder::PortResource(const CableBundle& bundle, bool is_out) const {
  if (is_switch(bundle.a)) {
    return -1;
  }
  const FabricVertex& vertex = graph_.vertices_[static_cast<size_t>(bundle.a)];
  const NodeInterior::NicLinks& links = interior_.nics[static_cast<size_t>(vertex.index)];
  const int64_t link =
      vertex.node * int64_t{interior_.num_links} + (is_out ? links.from_hub : links.to_hub);
  const int32_t resource = graph_.links_[static_cast<size_t>(link)].resource;
  return bundle.sustained < graph_.resources_[static_cast<size_t>(resource)].sustained ? -1
                                                                                       : resource;
}

void FabricGraphBuilder::LayOutFabric() {
  const std::vector<LinkShare> shares = ShareLinks(*this);
  const bool is_torus = cluster_.fabric.kind == FabricKind::kTorus;
  std::vector<int32_t> pool_resource;  // by pool
  for (size_t i = 0; i < bundles_.size(); ++i) {
    const CableBundle& bundle = bundles_[i];
    const LinkShare& share = shares[i];
    const int64_t pieces = share.is_each_cable_alone ? bundle.cables : 1;
    for (int64_t piece = 0; piece < pieces; ++piece) {
      for (const bool is_forward : {true, false}) {
        FabricLink link{.from = is_forward ? bundle.a : bundle.b,
                        .to = is_forward ? bundle.b : bundle.a,
                        .peak = bundle.peak / static_cast<double>(pieces),
                        .sustained = bundle.sustained / static_cast<double>(pieces),
                        .latency = bundle.latency,
                        .cables = static_cast<int32_t>(bundle.cables / pieces)};
        const int32_t pool = is_forward ? share.forward : share.backward;
        if (const int32_t port = PortResource(bundle, is_forward); port >= 0) {
          link.resource = port;
        } else if (pool < 0) {
          link.resource = AddResource(link.peak, link.sustained);
          graph_.resources_.back().is_between_switches = share.is_between_switches;
        } else {
          if (static_cast<size_t>(pool) >= pool_resource.size()) {
            pool_resource.resize(static_cast<size_t>(pool) + 1, -1);
          }
          int32_t& resource = pool_resource[static_cast<size_t>(pool)];
          if (resource < 0) {
            resource = AddResource({}, {});
            graph_.resources_.back().is_between_switches = true;
          }
          graph_.resources_[static_cast<size_t>(resource)].peak += link.peak;
          graph_.resources_[static_cast<size_t>(resource)].sustained += link.sustained;
          link.resource = resource;
        }
        AddLink(link);
        if (is_torus) {
          graph_.dimension_.push_back(bundle.dimension);
        }
      }
    }
  }
}

void FabricGraphBuilder::IndexLinks() {
  const size_t n = graph_.vertices_.size();
  graph_.out_begin_.assign(n + 1, 0);
  for (const FabricLink& link : graph_.links_) {
    ++graph_.out_begin_[static_cast<size_t>(link.from) + 1];
  }
  for (size_t i = 0; i < n; ++i) {
    graph_.out_begin_[i + 1] += graph_.out_begin_[i];
  }
  graph_.out_links_.resize(graph_.links_.size());
  std::vector<int32_t> next(graph_.out_begin_.begin(), graph_.out_begin_.end() - 1);
  for (size_t i = 0; i < graph_.links_.size(); ++i) {
    graph_.out_links_[static_cast<size_t>(next[static_cast<size_t>(graph_.links_[i].from)]++)] =
        static_cast<int32_t>(i);
  }
}

Result<FabricGraph> FabricGraphBuilder::Finish() {
  RETURN_IF_ERROR(CheckWiring(*this));
  RETURN_IF_ERROR(ApplyFaults(*this));
  RETURN_IF_ERROR(CheckJoined(*this));
  LayOutFabric();
  IndexLinks();
  std::map<VertexKind, int32_t> num_of_kind;
  for (size_t i = static_cast<size_t>(first_switch_); i < graph_.vertices_.size(); ++i) {
    graph_.vertices_[i].index = num_of_kind[graph_.vertices_[i].kind]++;
  }
  graph_.gpu_vertex_.resize(static_cast<size_t>(cluster_.nodes * cluster_.node.gpus));
  for (int64_t gpu = 0; gpu < cluster_.nodes * cluster_.node.gpus; ++gpu) {
    graph_.gpu_vertex_[static_cast<size_t>(gpu)] = static_cast<int32_t>(
        gpu / cluster_.node.gpus * interior_.num_vertices + gpu % cluster_.node.gpus);
  }
  graph_.interior_ = std::move(interior_);
  return std::move(graph_);
}

}  // namespace ridgeline::hardware
