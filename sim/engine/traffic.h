/// What flows over a network: links with capacities, flows with paths, and which flow waits for
/// which. It knows no GPU and no algorithm; sim/network writes it, a TrafficRunner executes it.
///
/// Flows are fluid: at every instant the running ones share the links max-min fairly (no flow can
/// go faster without one that is no faster going slower; Bertsekas and Gallager, Data
/// Networks, 6.5.2). Latency lies outside: `delay` before a flow's first byte, never on a link,
/// where it would bias sharing.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "base/check.h"
#include "base/result.h"
#include "base/stop.h"
#include "sim/engine/sim_time.h"

namespace ridgeline::engine {

using LinkIndex = int32_t;
using FlowIndex = int32_t;

inline constexpr double kUncapped = std::numeric_limits<double>::infinity();

/// One flow that AddFlow takes. Bytes and rates are doubles in base units (bytes, bytes a second).
struct FlowSpec {
  double bytes = 0.0;      // of one member; 0 ends at once
  double cap = kUncapped;  // most that one member takes
  Picoseconds start = 0;   // not before this instant
  Picoseconds delay = 0;   // after start and after the last predecessor's end, before a byte moves
  int64_t multiplicity = 1;  // so many equal flows, of which this one stands for all
};

/// Flat arrays (CSR): 1 M flows of six links take about 100 MB. Append only.
class Traffic {
 public:
  explicit Traffic(std::vector<double> capacity) : capacity_(std::move(capacity)) {}

  /// Crossings of a link by one flow and all that it stands for: `count` on `link` says that this
  /// link carries `count` times the rate of one member. Plain flows cross each link once.
  struct Crossing {
    LinkIndex link = 0;
    int32_t count = 1;
  };

  /// Predecessors must have been added before: traffic is acyclic by construction. CHECKs indices.
  FlowIndex AddFlow(const FlowSpec& flow, std::span<const Crossing> path,
                    std::span<const FlowIndex> predecessors = {});
  FlowIndex AddFlow(const FlowSpec& flow, std::span<const LinkIndex> path,
                    std::span<const FlowIndex> predecessors = {});

  int64_t num_flows() const { return static_cast<int64_t>(flows_.size()); }
  int64_t num_links() const { return static_cast<int64_t>(capacity_.size()); }
  double capacity(LinkIndex link) const { return capacity_[static_cast<size_t>(link)]; }
  std::span<const double> capacities() const { return capacity_; }
  const FlowSpec& flow(FlowIndex flow) const { return flows_[static_cast<size_t>(flow)]; }
  std::span<const Crossing> path(FlowIndex flow) const { return Slice(path_, path_begin_, flow); }
  std::span<const FlowIndex> predecessors(FlowIndex flow) const {
    return Slice(predecessors_, predecessors_begin_, flow);
  }

 private:
  template <class T>
  static std::span<const T> Slice(const std::vector<T>& all, const std::vector<int64_t>& begin,
                                  FlowIndex flow) {
    const auto i = static_cast<size_t>(flow);
    return {all.data() + begin[i], static_cast<size_t>(begin[i + 1] - begin[i])};
  }

  std::vector<double> capacity_;
  std::vector<FlowSpec> flows_;
  std::vector<Crossing> path_;
  std::vector<int64_t> path_begin_ = {0};
  std::vector<FlowIndex> predecessors_;
  std::vector<int64_t> predecessors_begin_ = {0};
};

/// When each flow's first byte could move (after its delay) and when its last arrived.
struct FlowTimes {
  std::vector<Picoseconds> begin;
  std::vector<Picoseconds> end;
  Picoseconds makespan = 0;
};

/// Executes traffic. Our engine (flow_engine.h) and SimGrid (sim/network/simgrid_reference.h) are
/// the two.
class TrafficRunner {
 public:
  virtual ~TrafficRunner() = default;
  /// Errors: stopped; what the runner cannot do (UNIMPLEMENTED) or failed at. Thread-safe.
  virtual Result<FlowTimes> Run(const Traffic& traffic, const Stop& stop) const = 0;
};

}  // namespace ridgeline::engine
