#include "hardware/fabric_router.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "base/check.h"

namespace ridgeline::hardware {
namespace {

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): every input bit moves every output bit.
uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

uint64_t HashOf(uint64_t seed, uint64_t flow, int32_t at) {
  return Mix(Mix(Mix(seed) ^ flow) ^ static_cast<uint64_t>(at));
}

}  // namespace

FabricRouter::FabricRouter(const FabricGraph& graph, const RouteOptions& options)
    : graph_(graph),
      options_(options),
      gpus_per_node_(static_cast<int64_t>(graph.interior().gpus.size())),
      has_dimensions_(graph.has_dimensions()),
      to_leaf_(graph.vertices().size() - static_cast<size_t>(graph.first_switch())) {
  neighbours_begin_.push_back(0);
  for (size_t i = 0; i < to_leaf_.size(); ++i) {
    for (const int32_t link : graph.out(graph.first_switch() + static_cast<int32_t>(i))) {
      const int32_t to = graph.links()[static_cast<size_t>(link)].to;
      if (to >= graph.first_switch()) {
        neighbours_.push_back({.link = link, .to = to});
      }
    }
    neighbours_begin_.push_back(static_cast<int32_t>(neighbours_.size()));
  }
}

FabricRouter::~FabricRouter() {
  for (const std::atomic<const Hops*>& row : to_leaf_) {
    delete row.load();
  }
}

const FabricRouter::Hops& FabricRouter::To(int32_t leaf) const {
  const auto index = [&](int32_t vertex) {
    return static_cast<size_t>(vertex - graph_.first_switch());
  };
  std::atomic<const Hops*>& row = to_leaf_[index(leaf)];
  if (const Hops* found = row.load(std::memory_order_acquire)) {
    return *found;
  }
  // Breadth first from the leaf. A link and its way back are laid out side by side.
  auto hops = std::make_unique<Hops>(to_leaf_.size());
  std::vector<int32_t> frontier = {leaf};
  (*hops)[index(leaf)].distance = 0;
  for (size_t i = 0; i < frontier.size(); ++i) {
    const size_t at = index(frontier[i]);
    for (int32_t k = neighbours_begin_[at]; k < neighbours_begin_[at + 1]; ++k) {
      const auto [link, next] = neighbours_[static_cast<size_t>(k)];
      Hop& hop = (*hops)[index(next)];
      if (hop.distance < 0) {
        hop.distance = (*hops)[at].distance + 1;
        frontier.push_back(next);
      }
      if (hop.distance != (*hops)[at].distance + 1) {
        continue;
      }
      const int32_t back = graph_.first_fabric_link() + ((link - graph_.first_fabric_link()) ^ 1);
      // Of a torus, only links of the first dimension that leads nearer count.
      const int32_t order = hop.link < 0 || !has_dimensions_
                                ? 0
                                : graph_.DimensionOf(back) - graph_.DimensionOf(hop.link);
      if (hop.link < 0 || order < 0) {
        hop.num_links = 1;
        hop.link = back;
      } else if (order == 0) {
        ++hop.num_links;
      }
    }
  }
  const Hops* expected = nullptr;
  if (row.compare_exchange_strong(expected, hops.get(), std::memory_order_acq_rel)) {
    return *hops.release();
  }
  return *expected;  // another thread was first, with the same
}

int32_t FabricRouter::NextHop(int32_t at, const Hops& hops, uint64_t flow) const {
  const auto index = static_cast<size_t>(at - graph_.first_switch());
  const Hop& here = hops[index];
  CHECK(here.distance > 0, "no way from {}", graph_.NameOf(at));
  if (here.num_links == 1) {
    return here.link;
  }
  const auto leads_nearer = [&](const Neighbour& next) {
    return hops[static_cast<size_t>(next.to - graph_.first_switch())].distance + 1 ==
               here.distance &&
           graph_.DimensionOf(next.link) == graph_.DimensionOf(here.link);
  };
  const Neighbour* const begin = neighbours_.data() + neighbours_begin_[index];
  const Neighbour* const end = neighbours_.data() + neighbours_begin_[index + 1];
  // Every link of a leaf, and half of a spine's, lead nearer when many do: a few draws find one,
  // each as likely as the others. Otherwise the links that do are counted off.
  constexpr int kDraws = 8;
  uint64_t hash = HashOf(options_.seed, flow, at);
  for (int draw = 0; draw < kDraws; ++draw) {
    const Neighbour& next = begin[hash % static_cast<uint64_t>(end - begin)];
    if (leads_nearer(next)) {
      return next.link;
    }
    hash = Mix(hash);
  }
  auto pick = static_cast<int64_t>(hash % static_cast<uint64_t>(here.num_links));
  for (const Neighbour* next = begin; next != end; ++next) {
    if (leads_nearer(*next) && pick-- == 0) {
      return next->link;
    }
  }
  CHECK(false, "a hop that was counted is gone at {}", graph_.NameOf(at));
  return -1;
}

template <class Visit>
void FabricRouter::WalkInside(int64_t node, int64_t from, int64_t to, Visit& visit) const {
  const NodeInterior& interior = graph_.interior();
  const int64_t first = node * interior.num_links;
  const NodeInterior::GpuLinks& a = interior.gpus[static_cast<size_t>(from)];
  const NodeInterior::GpuLinks& b = interior.gpus[static_cast<size_t>(to)];
  if (a.bridge >= 0 && (from ^ 1) == to) {
    visit(static_cast<int32_t>(first + a.bridge));
    return;
  }
  visit(static_cast<int32_t>(first + a.to_plane));
  visit(static_cast<int32_t>(first + b.from_plane));
}

bool FabricRouter::IsOnOneLeaf(int32_t a_nic, int32_t b_nic) const {
  for (const int32_t a : graph_.out(a_nic)) {
    const int32_t leaf = graph_.links()[static_cast<size_t>(a)].to;
    for (const int32_t b : graph_.out(b_nic)) {
      if (leaf >= graph_.first_switch() && graph_.links()[static_cast<size_t>(b)].to == leaf) {
        return true;
      }
    }
  }
  return false;
}

bool FabricRouter::IsReached(int32_t from_nic, int32_t to_nic) const {
  for (const int32_t up : graph_.out(from_nic)) {
    const int32_t from = graph_.links()[static_cast<size_t>(up)].to;
    for (const int32_t down : graph_.out(to_nic)) {
      const int32_t to = graph_.links()[static_cast<size_t>(down)].to;
      if (from >= graph_.first_switch() && to >= graph_.first_switch() &&
          0 <= To(to)[static_cast<size_t>(from - graph_.first_switch())].distance) {
        return true;
      }
    }
  }
  return false;
}

template <class Visit>
void FabricRouter::WalkFabric(int32_t from_nic, int32_t to_nic, uint64_t flow, Visit& visit) const {
  // Most ports hang on one switch each; of several ways, the shortest, and of those one by hash.
  int32_t shortest = std::numeric_limits<int32_t>::max();
  int64_t candidates = 0;
  const auto for_each_pair = [&](auto&& use) {
    for (const int32_t up : graph_.out(from_nic)) {
      const int32_t from = graph_.links()[static_cast<size_t>(up)].to;
      for (const int32_t down : graph_.out(to_nic)) {
        const int32_t to = graph_.links()[static_cast<size_t>(down)].to;
        if (from >= graph_.first_switch() && to >= graph_.first_switch()) {
          use(up, down, To(to)[static_cast<size_t>(from - graph_.first_switch())].distance);
        }
      }
    }
  };
  for_each_pair([&](int32_t, int32_t, int32_t distance) {
    if (distance >= 0) {
      candidates = distance < shortest ? 1 : candidates + (distance == shortest ? 1 : 0);
      shortest = std::min(shortest, distance);
    }
  });
  CHECK(candidates > 0, "no way from {} to {}", graph_.NameOf(from_nic), graph_.NameOf(to_nic));
  auto pick = static_cast<int64_t>(HashOf(options_.seed, flow, from_nic) %
                                   static_cast<uint64_t>(candidates));
  int32_t first = -1;
  int32_t last = -1;
  for_each_pair([&](int32_t up, int32_t down, int32_t distance) {
    if (distance == shortest && pick-- == 0) {
      first = up;
      last = down;
    }
  });
  visit(first);
  const int32_t leaf = graph_.links()[static_cast<size_t>(last)].to;
  int32_t at = graph_.links()[static_cast<size_t>(first)].to;
  const Hops& hops = To(leaf);
  while (at != leaf) {
    const int32_t link = NextHop(at, hops, flow);
    visit(link);
    at = graph_.links()[static_cast<size_t>(link)].to;
  }
  // A link and its way back are laid out side by side, the way out first.
  visit(last + 1);
}

template <class Visit>
void FabricRouter::Walk(int64_t from_gpu, int64_t to_gpu, uint64_t flow, Visit visit) const {
  if (from_gpu == to_gpu) {
    return;
  }
  const NodeInterior& interior = graph_.interior();
  const int64_t from_node = from_gpu / gpus_per_node_;
  const int64_t to_node = to_gpu / gpus_per_node_;
  int64_t from = from_gpu % gpus_per_node_;
  const int64_t to = to_gpu % gpus_per_node_;
  if (from_node == to_node) {
    WalkInside(from_node, from, to, visit);
    return;
  }
  const int64_t to_nic = interior.gpus[static_cast<size_t>(to)].nic;
  int64_t from_nic = interior.gpus[static_cast<size_t>(from)].nic;
  if (from_nic != to_nic) {
    const int32_t own = graph_.nic(from_node, from_nic);
    const int32_t railed = graph_.nic(from_node, to_nic);
    const bool is_other_rail = !IsOnOneLeaf(own, railed);
    if (is_other_rail && (options_.pxn || !IsReached(own, graph_.nic(to_node, to_nic)))) {
      from_nic = to_nic;
      if (interior.has_switch) {  // over NVLink to the GPU whose port it is
        WalkInside(from_node, from, to, visit);
        from = to;
      }
    }
  }
  const NodeInterior::GpuLinks& a = interior.gpus[static_cast<size_t>(from)];
  const NodeInterior::GpuLinks& b = interior.gpus[static_cast<size_t>(to)];
  const int64_t from_first = from_node * interior.num_links;
  const int64_t to_first = to_node * interior.num_links;
  visit(static_cast<int32_t>(from_first + a.to_hub));
  visit(static_cast<int32_t>(from_first + interior.nics[static_cast<size_t>(from_nic)].from_hub));
  WalkFabric(graph_.nic(from_node, from_nic), graph_.nic(to_node, to_nic), flow, visit);
  visit(static_cast<int32_t>(to_first + interior.nics[static_cast<size_t>(to_nic)].to_hub));
  visit(static_cast<int32_t>(to_first + b.from_hub));
}

void FabricRouter::AppendRoute(int64_t from_gpu, int64_t to_gpu, uint64_t flow,
                               std::vector<int32_t>& resources) const {
  int32_t last = -1;
  Walk(from_gpu, to_gpu, flow, [&](int32_t link) {
    const int32_t resource = graph_.links()[static_cast<size_t>(link)].resource;
    if (resource != last) {
      resources.push_back(resource);
      last = resource;
    }
  });
}

void FabricRouter::AppendLinks(int64_t from_gpu, int64_t to_gpu, uint64_t flow,
                               std::vector<int32_t>& links) const {
  Walk(from_gpu, to_gpu, flow, [&](int32_t link) { links.push_back(link); });
}

Seconds FabricRouter::LatencyOf(int64_t from_gpu, int64_t to_gpu, uint64_t flow) const {
  Seconds latency;
  Walk(from_gpu, to_gpu, flow,
       [&](int32_t link) { latency += graph_.links()[static_cast<size_t>(link)].latency; });
  return latency;
}

}  // namespace ridgeline::hardware
