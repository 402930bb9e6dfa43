// An hour of real requests: the two shipped traces on Llama-3.1-70B TP4, all three runs (mean, low
// and high costs), metrics and per-request CSV. The answer is checked against stepping through
// every iteration.
#include <sstream>
#include <string>

#include <benchmark/benchmark.h>

#include "base/check.h"
#include "base/diagnostic.h"
#include "sim/scenario.h"
#include "sim/simulate.h"

namespace ridgeline::serving {
namespace {

template <class T>
T Must(Result<T> result) {
  CHECK(result.has_value(), "{}", result ? "" : RenderError(result.error()));
  return *std::move(result);
}

/// A report's metrics and every request's line, as text.
std::string Answer(const sim::Scenario& scenario, bool fast_forward) {
  std::ostringstream out;
  const sim::Report report =
      Must(sim::Simulate(scenario, {.requests = &out, .fast_forward = fast_forward}));
  for (const sim::Metric& metric : report.metrics) {
    out << metric.name << ' ' << metric.value << ' ' << metric.low << ' ' << metric.high << '\n';
  }
  return out.str();
}

void Replay(benchmark::State& state, const char* name) {
  const hardware::Catalog catalog({RIDGELINE_SOURCE_DIR "/configs"});
  const Node document = Must(sim::ReadScenarioFiles(
      {std::string(RIDGELINE_SOURCE_DIR "/configs/scenarios/") + name + ".yaml"}, {}));
  const sim::Scenario scenario = Must(sim::ResolveScenario(document, catalog));
  const std::string stepped = Answer(scenario, false);
  for (auto _ : state) {
    const std::string answer = Answer(scenario, true);
    CHECK(answer == stepped, "fast-forward and stepping differ on {}", name);
  }
  const sim::Report report = Must(sim::Simulate(scenario, {}));
  state.counters["requests"] = report.Find("requests.completed")->value;
  state.counters["mean_batch"] = report.Find("batch.running.mean")->value;
}

/// Reading and resolving the scenario, the trace included.
void Resolve(benchmark::State& state, const char* name) {
  const hardware::Catalog catalog({RIDGELINE_SOURCE_DIR "/configs"});
  for (auto _ : state) {
    const Node document = Must(sim::ReadScenarioFiles(
        {std::string(RIDGELINE_SOURCE_DIR "/configs/scenarios/") + name + ".yaml"}, {}));
    const sim::Scenario scenario = Must(sim::ResolveScenario(document, catalog));
    CHECK(scenario.serving->load->requests.size() > 10'000, "a short load");
  }
}

BENCHMARK_CAPTURE(Replay, azure, "llama-3.1-70b-azure-8xh100")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Replay, mooncake, "llama-3.1-70b-mooncake-32xh100")
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Resolve, azure, "llama-3.1-70b-azure-8xh100")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Resolve, mooncake, "llama-3.1-70b-mooncake-32xh100")
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ridgeline::serving

BENCHMARK_MAIN();
