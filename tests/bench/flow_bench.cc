// Flows a second of the flow engine (README.md). Each answer is checked: no flow is faster than its
// links allow, no link carries more than its capacity allows; where all flows start at once, rates
// are held against the definition of max-min fairness at samples.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "base/check.h"
#include "sim/engine/flow_engine.h"
#include "sim/engine/flow_network.h"
#include "tests/bench/flow_traffic.h"

namespace ridgeline::engine {
namespace {

FlowTimes Times(const Traffic& traffic) {
  Result<FlowTimes> times = FlowEngine().Run(traffic, {});
  CHECK(times.has_value(), "{}", times ? "" : times.error().message);
  return *std::move(times);
}

/// Flows that run, and what is wrong with their rates; empty if nothing is.
std::string WhatIsUnfair(const Traffic& traffic, const std::vector<FlowIndex>& running,
                         const MaxMinSharing& sharing) {
  constexpr double kTolerance = 1e-9;
  std::vector<double> load(static_cast<size_t>(traffic.num_links()), 0.0);
  std::vector<double> fastest(load.size(), 0.0);
  for (size_t slot = 0; slot < running.size(); ++slot) {
    if (running[slot] >= 0) {
      const double rate = sharing.rate(static_cast<int32_t>(slot));
      for (const auto& [link, count] : traffic.path(running[slot])) {
        load[static_cast<size_t>(link)] += count * rate;
        fastest[static_cast<size_t>(link)] = std::max(fastest[static_cast<size_t>(link)], rate);
      }
    }
  }
  for (size_t link = 0; link < load.size(); ++link) {
    if (load[link] > traffic.capacities()[link] * (1 + kTolerance)) {
      return "a link carries more than its capacity";
    }
  }
  for (size_t slot = 0; slot < running.size(); ++slot) {
    if (running[slot] >= 0) {
      const double rate = sharing.rate(static_cast<int32_t>(slot));
      const auto path = traffic.path(running[slot]);
      if (std::none_of(path.begin(), path.end(), [&](const Traffic::Crossing& crossing) {
            const auto link = static_cast<size_t>(crossing.link);
            return load[link] >= traffic.capacities()[link] * (1 - kTolerance) &&
                   rate >= fastest[link] * (1 - kTolerance);
          })) {
        return "a flow could go faster";
      }
    }
  }
  return {};
}

/// Drives all flows from time 0 by hand: rates at samples, and the same ends.
std::string WhatIsWrong(const Traffic& traffic, const FlowTimes& times) {
  FlowNetwork network(traffic.capacities());
  std::vector<FlowIndex> running;
  for (FlowIndex flow = 0; flow < traffic.num_flows(); ++flow) {
    network.Start(traffic.flow(flow).bytes, kUncapped, traffic.path(flow));
    running.push_back(flow);
  }
  std::vector<FlowNetwork::FlowId> ended;
  for (int64_t step = 0; network.NextEnd() != FlowNetwork::kNever; ++step) {
    if (step % 512 == 0) {
      if (std::string what = WhatIsUnfair(traffic, running, network.sharing()); !what.empty()) {
        return what;
      }
    }
    network.AdvanceTo(network.NextEnd(), ended);
    for (const FlowNetwork::FlowId id : ended) {
      if (times.end[static_cast<size_t>(running[static_cast<size_t>(id)])] != network.now()) {
        return "an end is not that of the flow driven by hand";
      }
      running[static_cast<size_t>(id)] = -1;
    }
  }
  return network.now() == times.makespan ? "" : "the last end is not the makespan";
}

void RunFlows(benchmark::State& state, const Traffic& traffic, bool is_at_once) {
  FlowTimes times;
  for (auto _ : state) {
    times = Times(traffic);
  }
  std::string wrong;
  if (ToSeconds(times.makespan).base() < BusiestLink(traffic) * (1 - 1e-9)) {
    wrong = "the busiest link carried more than its capacity";
  }
  for (FlowIndex flow = 0; flow < traffic.num_flows(); ++flow) {
    const auto i = static_cast<size_t>(flow);
    const double span = ToSeconds(times.end[i] - times.begin[i]).base();
    if (span < traffic.flow(flow).bytes / kPortRate * (1 - 1e-9)) {
      wrong = "a flow was faster than its links";
    }
  }
  if (wrong.empty() && is_at_once) {
    wrong = WhatIsWrong(traffic, times);
  }
  if (!wrong.empty()) {
    state.SkipWithError(wrong.c_str());
  }
  state.SetItemsProcessed(traffic.num_flows() * state.iterations());
  state.counters["makespan_us"] = static_cast<double>(times.makespan) * 1e-6;
}

void Random(benchmark::State& state) {
  RunFlows(state,
           RandomTraffic(static_cast<int32_t>(state.range(0)), static_cast<int32_t>(state.range(1)),
                         state.range(2) != 0),
           true);
}

void AllToAll(benchmark::State& state) {
  const auto window = static_cast<int32_t>(state.range(1));
  RunFlows(state, AllToAllTraffic(static_cast<int32_t>(state.range(0)), window), window == 0);
}

// Sparse: components of a few flows. Dense: everything is coupled.
BENCHMARK(Random)
    ->ArgNames({"hosts", "peers", "tiers"})
    ->Args({4096, 1, 0})
    ->Args({4096, 1, 1})
    ->Args({32768, 1, 0})
    ->Args({512, 8, 0})
    ->Args({512, 8, 1})
    ->Args({1024, 8, 0})
    ->Args({4096, 2, 0})
    ->Unit(benchmark::kMillisecond);
BENCHMARK(AllToAll)
    ->ArgNames({"hosts", "window"})
    ->Args({256, 0})
    ->Args({1024, 0})
    ->Args({256, 1})
    ->Args({256, 8})
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ridgeline::engine

BENCHMARK_MAIN();
