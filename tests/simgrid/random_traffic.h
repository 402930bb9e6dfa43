/// Traffic that the flow engine and SimGrid are compared on: random flows whose starts are given,
/// and patterns in which flows wait for others.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <utility>
#include <vector>

#include "base/random.h"
#include "sim/engine/traffic.h"

namespace ridgeline::network {

/// Hosts of one port each way on leaves, leaves on spines; one leaf without spines is a star.
struct TwoTier {
  int hosts = 16;
  int leaves = 1;
  int spines = 0;
  double host_rate = 50e9;
  double spine_rate = 50e9;  // of one link between a leaf and a spine

  std::vector<double> Capacities() const {
    std::vector<double> capacities(static_cast<size_t>(2 * hosts), host_rate);
    capacities.resize(capacities.size() + static_cast<size_t>(2 * leaves * spines), spine_rate);
    return capacities;
  }
  int LeafOf(int host) const { return host * leaves / hosts; }
  /// Over the spine that a hash drew, as ECMP does.
  std::vector<engine::LinkIndex> Path(int from, int to, int spine) const {
    const int first = 2 * hosts;
    std::vector<engine::LinkIndex> path = {2 * from};
    if (LeafOf(from) != LeafOf(to)) {
      path.push_back(first + 2 * (LeafOf(from) * spines + spine));
      path.push_back(first + 2 * (LeafOf(to) * spines + spine) + 1);
    }
    path.push_back(2 * to + 1);
    return path;
  }
};

/// How random flows are spread.
struct Spread {
  int flows = 64;
  double bytes = 1e6;
  double jitter = 0.1;     // sizes differ by up to this share
  double stagger = 0.0;    // starts are spread over so many seconds
  double delay = 0.0;      // and up to so many seconds of delay
  double capped = 0.0;     // share of flows with a cap
  double cap_rate = 50e9;  // their caps are up to this
};

inline engine::Picoseconds RandomTime(RandomStream& random, double most) {
  return most > 0 ? engine::ToPicosecondsSaturating(Seconds::FromBase(random.Uniform(0, most))) : 0;
}

inline engine::FlowSpec RandomFlow(RandomStream& random, const Spread& spread) {
  engine::FlowSpec flow;
  flow.bytes = spread.bytes * random.Uniform(1 - spread.jitter, 1 + spread.jitter);
  flow.start = RandomTime(random, spread.stagger);
  flow.delay = RandomTime(random, spread.delay);
  if (random.Uniform() < spread.capped) {
    flow.cap = spread.cap_rate * random.Uniform(0.02, 1.0);
  }
  return flow;
}

/// Every host sends to random others in turn.
inline engine::Traffic RandomPeers(RandomStream& random, const TwoTier& fabric,
                                   const Spread& spread) {
  engine::Traffic traffic(fabric.Capacities());
  for (int i = 0; i < spread.flows; ++i) {
    const int from = i % fabric.hosts;
    const auto apart = static_cast<int>(random.UniformInteger(1, fabric.hosts - 1));
    const int spine =
        fabric.spines > 0 ? static_cast<int>(random.UniformInteger(0, fabric.spines - 1)) : 0;
    const std::vector<engine::LinkIndex> path =
        fabric.Path(from, (from + apart) % fabric.hosts, spine);
    traffic.AddFlow(RandomFlow(random, spread), std::span<const engine::LinkIndex>(path));
  }
  return traffic;
}

/// Links of different rates, crossed one to five at a time by any flow: no fabric, all corners.
inline engine::Traffic RandomLinks(RandomStream& random, int num_links, const Spread& spread) {
  std::vector<double> capacities;
  for (int i = 0; i < num_links; ++i) {
    capacities.push_back(random.Uniform(1e9, 100e9));
  }
  engine::Traffic traffic(capacities);
  for (int i = 0; i < spread.flows; ++i) {
    std::vector<engine::LinkIndex> path;
    const int64_t length = random.UniformInteger(0, std::min(5, num_links));
    while (static_cast<int64_t>(path.size()) < length) {
      const auto link = static_cast<engine::LinkIndex>(random.UniformInteger(0, num_links - 1));
      if (std::find(path.begin(), path.end(), link) == path.end()) {
        path.push_back(link);
      }
    }
    traffic.AddFlow(RandomFlow(random, spread), std::span<const engine::LinkIndex>(path));
  }
  return traffic;
}

/// A ring all-reduce in steps: each rank sends a chunk to the next when it has sent the one before
/// and has received what it passes on.
inline engine::Traffic Ring(RandomStream& random, const TwoTier& fabric, int steps, double bytes) {
  engine::Traffic traffic(fabric.Capacities());
  std::vector<int> spine;
  for (int rank = 0; rank < fabric.hosts; ++rank) {
    spine.push_back(static_cast<int>(random.UniformInteger(0, std::max(1, fabric.spines) - 1)));
  }
  for (int step = 0; step < steps; ++step) {
    for (int rank = 0; rank < fabric.hosts; ++rank) {
      std::vector<engine::FlowIndex> before;
      if (step > 0) {
        const int row = (step - 1) * fabric.hosts;
        before = {row + rank, row + (rank + fabric.hosts - 1) % fabric.hosts};
      }
      const std::vector<engine::LinkIndex> path =
          fabric.Path(rank, (rank + 1) % fabric.hosts, spine[static_cast<size_t>(rank)]);
      traffic.AddFlow({.bytes = bytes}, std::span<const engine::LinkIndex>(path), before);
    }
  }
  return traffic;
}

/// A binary tree reduces chunks up and sends them down: a rank passes a chunk on when all its
/// children have sent it, one chunk after the other.
inline engine::Traffic Tree(RandomStream& random, const TwoTier& fabric, int chunks, double bytes) {
  engine::Traffic traffic(fabric.Capacities());
  const auto path_of = [&](int from, int to) {
    const int spine = static_cast<int>(random.UniformInteger(0, std::max(1, fabric.spines) - 1));
    return fabric.Path(from, to, spine);
  };
  const int ranks = fabric.hosts;
  std::vector<engine::FlowIndex> up(static_cast<size_t>(ranks), -1);    // of the chunk before
  std::vector<engine::FlowIndex> down(static_cast<size_t>(ranks), -1);  // to this rank
  for (int chunk = 0; chunk < chunks; ++chunk) {
    std::vector<engine::FlowIndex> next(static_cast<size_t>(ranks), -1);
    for (int rank = ranks - 1; rank > 0; --rank) {
      std::vector<engine::FlowIndex> before;
      for (const int child : {2 * rank + 1, 2 * rank + 2}) {
        if (child < ranks) {
          before.push_back(next[static_cast<size_t>(child)]);
        }
      }
      if (chunk > 0) {
        before.push_back(up[static_cast<size_t>(rank)]);
      }
      const std::vector<engine::LinkIndex> path = path_of(rank, (rank - 1) / 2);
      next[static_cast<size_t>(rank)] =
          traffic.AddFlow({.bytes = bytes}, std::span<const engine::LinkIndex>(path), before);
    }
    up = next;
    for (int rank = 1; rank < ranks; ++rank) {
      const int parent = (rank - 1) / 2;
      std::vector<engine::FlowIndex> before;
      if (parent > 0) {
        before.push_back(down[static_cast<size_t>(parent)]);
      } else {
        for (const int child : {1, 2}) {
          if (child < ranks) {
            before.push_back(up[static_cast<size_t>(child)]);
          }
        }
      }
      if (chunk > 0) {
        before.push_back(next[static_cast<size_t>(rank)]);
      }
      const std::vector<engine::LinkIndex> path = path_of(parent, rank);
      down[static_cast<size_t>(rank)] =
          traffic.AddFlow({.bytes = bytes}, std::span<const engine::LinkIndex>(path), before);
    }
  }
  return traffic;
}

/// Each host sends to all others, `window` at a time; sizes differ by a share of `jitter`.
inline engine::Traffic WindowedAllToAll(RandomStream& random, const TwoTier& fabric, int window,
                                        double bytes, double jitter) {
  engine::Traffic traffic(fabric.Capacities());
  for (int apart = 1; apart < fabric.hosts; ++apart) {
    for (int from = 0; from < fabric.hosts; ++from) {
      std::vector<engine::FlowIndex> before;
      if (apart > window) {
        before.push_back((apart - 1 - window) * fabric.hosts + from);
      }
      const int spine = static_cast<int>(random.UniformInteger(0, std::max(1, fabric.spines) - 1));
      const std::vector<engine::LinkIndex> path =
          fabric.Path(from, (from + apart) % fabric.hosts, spine);
      traffic.AddFlow({.bytes = bytes * random.Uniform(1 - jitter, 1 + jitter)},
                      std::span<const engine::LinkIndex>(path), before);
    }
  }
  return traffic;
}

/// The worst of all flows: how far ends lie apart.
struct Difference {
  engine::Picoseconds picoseconds = 0;
  double share = 0.0;  // of how long the flow ran, 1 ns at least
};

inline Difference WorstDifference(const engine::FlowTimes& a, const engine::FlowTimes& b) {
  Difference worst;
  for (size_t i = 0; i < a.end.size(); ++i) {
    const engine::Picoseconds apart = std::abs(a.end[i] - b.end[i]);
    const auto ran = std::max<engine::Picoseconds>(b.end[i] - b.begin[i], 1000);
    worst.picoseconds = std::max(worst.picoseconds, apart);
    worst.share = std::max(worst.share, static_cast<double>(apart) / static_cast<double>(ran));
  }
  return worst;
}

inline double MakespanDifference(const engine::FlowTimes& a, const engine::FlowTimes& b) {
  return std::abs(static_cast<double>(a.makespan) / static_cast<double>(b.makespan) - 1);
}

}  // namespace ridgeline::network
