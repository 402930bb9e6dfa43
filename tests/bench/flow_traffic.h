/// Traffic for benchmarks of flow runners, the same on every machine and for every runner.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "sim/engine/traffic.h"

namespace ridgeline::engine {

inline constexpr double kPortRate = 50e9;  // bytes a second of a host's port, one direction

/// Hosts with a port out and a port in; with `is_two_tier`, leaves of 32 hosts whose 16 uplinks
/// (2:1 oversubscribed) and 16 downlinks are chosen by a hash of source and destination.
class BenchFabric {
 public:
  BenchFabric(int32_t num_hosts, bool is_two_tier)
      : num_hosts_(num_hosts), is_two_tier_(is_two_tier) {}

  std::vector<double> Capacities() const {
    const int32_t num_leaves = (num_hosts_ + kHostsPerLeaf - 1) / kHostsPerLeaf;
    const int32_t num_links = 2 * num_hosts_ + (is_two_tier_ ? 2 * num_leaves * kUplinks : 0);
    return std::vector<double>(static_cast<size_t>(num_links), kPortRate);
  }
  void Path(int32_t source, int32_t destination, std::vector<LinkIndex>& path) const {
    path.assign({source});
    const int32_t up = source / kHostsPerLeaf;
    const int32_t down = destination / kHostsPerLeaf;
    if (is_two_tier_ && up != down) {
      const uint64_t pair =
          (static_cast<uint64_t>(source) << 32) | static_cast<uint32_t>(destination);
      const auto spine = static_cast<int32_t>((pair * 0x9e3779b97f4a7c15u >> 33) % kUplinks);
      path.push_back(2 * num_hosts_ + 2 * (up * kUplinks + spine));
      path.push_back(2 * num_hosts_ + 2 * (down * kUplinks + spine) + 1);
    }
    path.push_back(num_hosts_ + destination);
  }

 private:
  static constexpr int32_t kHostsPerLeaf = 32;
  static constexpr int32_t kUplinks = 16;
  int32_t num_hosts_;
  bool is_two_tier_;
};

/// Numbers that do not differ between libraries.
class BenchNumbers {
 public:
  explicit BenchNumbers(uint64_t seed) : state_(seed) {}
  uint32_t Below(uint32_t limit) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<uint32_t>((state_ >> 33) % limit);
  }

 private:
  uint64_t state_;
};

/// Every host sends to `peers` random others at once; sizes 1 MB, less up to 10 %, so that ends are
/// staggered.
inline Traffic RandomTraffic(int32_t num_hosts, int32_t peers, bool is_two_tier) {
  const BenchFabric fabric(num_hosts, is_two_tier);
  Traffic traffic(fabric.Capacities());
  BenchNumbers numbers(1);
  std::vector<LinkIndex> path;
  for (int32_t host = 0; host < num_hosts; ++host) {
    for (int32_t i = 0; i < peers; ++i) {
      const auto step = static_cast<int32_t>(numbers.Below(static_cast<uint32_t>(num_hosts - 1)));
      fabric.Path(host, (host + 1 + step) % num_hosts, path);
      traffic.AddFlow({.bytes = 1e6 - numbers.Below(100'000)}, path);
    }
  }
  return traffic;
}

/// Every host sends `bytes` to every other over two tiers: all at once, or `window` at a time, the
/// next when the one `window` places before it has arrived.
inline Traffic AllToAllTraffic(int32_t num_hosts, int32_t window, double bytes = 1 << 20) {
  const BenchFabric fabric(num_hosts, true);
  Traffic traffic(fabric.Capacities());
  std::vector<LinkIndex> path;
  for (int32_t host = 0; host < num_hosts; ++host) {
    for (int32_t step = 1; step < num_hosts; ++step) {
      fabric.Path(host, (host + step) % num_hosts, path);
      const std::vector<FlowIndex> before(window > 0 && step > window ? 1 : 0,
                                          static_cast<FlowIndex>(traffic.num_flows()) - window);
      traffic.AddFlow({.bytes = bytes}, path, before);
    }
  }
  return traffic;
}

/// What no runner beats: the bytes of the busiest link over its capacity, in seconds.
inline double BusiestLink(const Traffic& traffic) {
  std::vector<double> bytes(static_cast<size_t>(traffic.num_links()), 0.0);
  for (FlowIndex flow = 0; flow < traffic.num_flows(); ++flow) {
    for (const Traffic::Crossing& crossing : traffic.path(flow)) {
      bytes[static_cast<size_t>(crossing.link)] += crossing.count * traffic.flow(flow).bytes;
    }
  }
  double longest = 0.0;
  for (LinkIndex link = 0; link < traffic.num_links(); ++link) {
    longest = std::max(longest, bytes[static_cast<size_t>(link)] / traffic.capacity(link));
  }
  return longest;
}

}  // namespace ridgeline::engine
