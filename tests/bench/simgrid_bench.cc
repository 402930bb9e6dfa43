/// The flow engine against SimGrid on the same traffic, one core each, processor time. `simgrid_s`
/// is SimGrid's own simulation, without starting its process, in the faster of its two ways (Lazy
/// and Full updates); `ours_s` is all of FlowEngine::Run, the best of 25. Fails where answers
/// differ.
#include <algorithm>
#include <chrono>
#include <ctime>
#include <utility>

#include <benchmark/benchmark.h>

#include "sim/engine/flow_engine.h"
#include "sim/network/simgrid_reference.h"
#include "tests/simgrid/random_traffic.h"

namespace ridgeline::network {
namespace {

using engine::Traffic;

constexpr int kOurRuns = 25;
constexpr int kSimgridRuns = 5;

double ProcessorSeconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

Traffic Peers(const TwoTier& fabric, const Spread& spread) {
  RandomStream random(20261123, "bench");
  return RandomPeers(random, fabric, spread);
}

/// Each of 4,096 hosts sends to one other; sizes within 10 %. What ends touches few flows.
Traffic SparseStar() { return Peers({.hosts = 4096}, {.flows = 4096}); }
/// The same with starts spread over ten times what a flow takes alone.
Traffic SparseStaggeredStar() { return Peers({.hosts = 4096}, {.flows = 4096, .stagger = 200e-6}); }
/// Over two tiers, a hash draws the spine.
Traffic SparseStaggeredTwoTier() {
  return Peers({.hosts = 4096, .leaves = 128, .spines = 32}, {.flows = 4096, .stagger = 200e-6});
}
Traffic SparseTwoTier() {
  return Peers({.hosts = 4096, .leaves = 128, .spines = 32}, {.flows = 4096});
}
/// Eight flows a host: everything hangs together.
Traffic DenseStar() { return Peers({.hosts = 512}, {.flows = 4096}); }
Traffic DenseTwoTier() {
  return Peers({.hosts = 512, .leaves = 16, .spines = 16}, {.flows = 4096});
}
Traffic RingOf512() {
  RandomStream random(20261123, "bench");
  return Ring(random, {.hosts = 512}, 100, 1e6);
}
Traffic WindowOf8() {
  RandomStream random(20261123, "bench");
  return WindowedAllToAll(random, {.hosts = 64, .leaves = 8, .spines = 4}, 8, 1e6, 0.1);
}

/// SimGrid's best time in one of its ways; runs of more than a second are not repeated.
Result<engine::TrafficAnswer> SolveWithSimgrid(const Traffic& traffic, SimgridUpdates updates,
                                               double& call_seconds) {
  const SimgridReference simgrid({.program = RIDGELINE_SIMGRID_PROGRAM, .updates = updates});
  engine::TrafficAnswer best;
  best.solve_seconds = engine::kUncapped;
  for (int run = 0; run < kSimgridRuns; ++run) {
    const auto begin = std::chrono::steady_clock::now();
    ASSIGN_OR_RETURN(engine::TrafficAnswer answer, simgrid.Solve(traffic, Stop()));
    const std::chrono::duration<double> call = std::chrono::steady_clock::now() - begin;
    call_seconds = std::min(call_seconds, call.count());
    if (answer.solve_seconds < best.solve_seconds) {
      best = std::move(answer);
    }
    if (best.solve_seconds > 1) {
      break;
    }
  }
  return best;
}

void Compare(benchmark::State& state, Traffic (*make)()) {
  const Traffic traffic = make();
  for ([[maybe_unused]] const auto iteration : state) {
    double ours_seconds = engine::kUncapped;
    Result<engine::FlowTimes> ours;
    for (int run = 0; run < kOurRuns; ++run) {
      const double begin = ProcessorSeconds();
      ours = engine::FlowEngine().Run(traffic, Stop());
      ours_seconds = std::min(ours_seconds, ProcessorSeconds() - begin);
    }
    double call_seconds = engine::kUncapped;
    const auto lazy = SolveWithSimgrid(traffic, SimgridUpdates::kLazy, call_seconds);
    const auto full = SolveWithSimgrid(traffic, SimgridUpdates::kFull, call_seconds);
    if (!ours || !lazy || !full) {
      state.SkipWithError("a runner failed");
      return;
    }
    if (MakespanDifference(*ours, lazy->times) > 0.01 ||
        MakespanDifference(*ours, full->times) > 0.01) {
      state.SkipWithError("the answers differ");
      return;
    }
    const double simgrid_seconds = std::min(lazy->solve_seconds, full->solve_seconds);
    state.SetIterationTime(ours_seconds);
    state.counters["flows"] = static_cast<double>(traffic.num_flows());
    state.counters["worst_ps"] =
        static_cast<double>(WorstDifference(*ours, lazy->times).picoseconds);
    state.counters["lazy_s"] = lazy->solve_seconds;
    state.counters["full_s"] = full->solve_seconds;
    state.counters["ours_s"] = ours_seconds;
    state.counters["simgrid_s"] = simgrid_seconds;
    state.counters["call_s"] = call_seconds;
    state.counters["ratio"] = simgrid_seconds / ours_seconds;
    state.counters["expected_s"] = ExpectedSeconds(traffic);
  }
}

#define RIDGELINE_COMPARE(name)          \
  BENCHMARK_CAPTURE(Compare, name, name) \
      ->Iterations(1)                    \
      ->UseManualTime()                  \
      ->Unit(benchmark::kMillisecond)

RIDGELINE_COMPARE(SparseStar);
RIDGELINE_COMPARE(SparseStaggeredStar);
RIDGELINE_COMPARE(SparseStaggeredTwoTier);
RIDGELINE_COMPARE(SparseTwoTier);
RIDGELINE_COMPARE(DenseStar);
RIDGELINE_COMPARE(DenseTwoTier);
RIDGELINE_COMPARE(RingOf512);
RIDGELINE_COMPARE(WindowOf8);

}  // namespace
}  // namespace ridgeline::network

BENCHMARK_MAIN();
