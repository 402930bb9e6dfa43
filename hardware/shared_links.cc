#include "hardware/shared_links.h"

#include <algorithm>
#include <map>
#include <tuple>

#include <boost/pending/disjoint_sets.hpp>

namespace ridgeline::hardware {
namespace {

/// For each switch the part of its tier that it belongs to, as the number of one of its switches.
std::vector<int32_t> PartsOf(const FabricGraphBuilder& builder) {
  const auto n = static_cast<size_t>(builder.num_vertices() - builder.first_switch());
  std::vector<int32_t> rank(n);
  std::vector<int32_t> parent(n);
  boost::disjoint_sets<int32_t*, int32_t*> sets(rank.data(), parent.data());
  std::vector<std::vector<int32_t>> by_tier;
  for (size_t i = 0; i < n; ++i) {
    sets.make_set(static_cast<int32_t>(i));
    const auto tier =
        static_cast<size_t>(builder.tier(builder.first_switch() + static_cast<int32_t>(i)));
    by_tier.resize(std::max(by_tier.size(), tier + 1));
    by_tier[tier].push_back(static_cast<int32_t>(i));
  }
  std::vector<std::vector<const CableBundle*>> up_to(by_tier.size());
  for (const CableBundle& bundle : builder.bundles()) {
    if (builder.is_switch(bundle.a) && builder.tier(bundle.a) != builder.tier(bundle.b)) {
      up_to[static_cast<size_t>(std::max(builder.tier(bundle.a), builder.tier(bundle.b)))]
          .push_back(&bundle);
    }
  }
  std::vector<int32_t> part(n);
  for (size_t tier = 0; tier < by_tier.size(); ++tier) {
    for (const CableBundle* bundle : up_to[tier]) {
      sets.union_set(bundle->a - builder.first_switch(), bundle->b - builder.first_switch());
    }
    for (const int32_t i : by_tier[tier]) {
      part[static_cast<size_t>(i)] = sets.find_set(i);
    }
  }
  return part;
}

}  // namespace

std::vector<LinkShare> ShareLinks(const FabricGraphBuilder& builder) {
  std::vector<LinkShare> shares(builder.bundles().size());
  const bool is_adaptive = builder.cluster().fabric.routing == FabricRouting::kAdaptive;
  const std::vector<int32_t> parts = is_adaptive ? PartsOf(builder) : std::vector<int32_t>();
  enum class Direction { kUp, kDown, kAcross };
  std::map<std::tuple<Direction, int32_t, int32_t>, int32_t> pools;
  const auto pool_of = [&](int32_t from, int32_t to) {
    const int32_t from_part = parts[static_cast<size_t>(from - builder.first_switch())];
    const int32_t to_part = parts[static_cast<size_t>(to - builder.first_switch())];
    const int32_t from_tier = builder.tier(from);
    const int32_t to_tier = builder.tier(to);
    const std::tuple key = from_tier < to_tier ? std::tuple(Direction::kUp, from_part, -1)
                           : to_tier < from_tier
                               ? std::tuple(Direction::kDown, to_part, -1)
                               : std::tuple(Direction::kAcross, from_part, to_part);
    return pools.emplace(key, static_cast<int32_t>(pools.size())).first->second;
  };
  for (size_t i = 0; i < shares.size(); ++i) {
    const CableBundle& bundle = builder.bundles()[i];
    shares[i].is_between_switches = builder.is_switch(bundle.a);
    if (!shares[i].is_between_switches) {
      continue;
    }
    if (is_adaptive) {
      shares[i].forward = pool_of(bundle.a, bundle.b);
      shares[i].backward = pool_of(bundle.b, bundle.a);
    } else {
      shares[i].is_each_cable_alone = true;
    }
  }
  return shares;
}

}  // namespace ridgeline::hardware
