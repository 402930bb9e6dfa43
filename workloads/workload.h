/// The `workload:` block of a scenario, as written, and how it becomes requests.
///
///     workload:
///       arrivals: {process: poisson, rate: 4 req/s}    # or constant, gamma (with burstiness)
///       arrivals: {process: closed-loop, concurrency: 64}
///       arrivals: {trace: azure-2023-conv}             # a name under configs/traces, or a path
///       requests: 1000
///       input_tokens: 1024                             # a number or a range: {min: 100, max: 200}
///       output_tokens: 256
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "base/config_reader.h"
#include "base/units.h"
#include "workloads/request_load.h"

namespace ridgeline::workloads {

/// kAllAtOnce: every request stands in the queue at the start (offline throughput).
enum class ArrivalProcess { kPoisson, kGamma, kConstant, kAllAtOnce, kClosedLoop };
EnumTable<ArrivalProcess> EnumNames(Tag<ArrivalProcess>);

/// Clients that each send their next request when the one before is answered.
struct ClosedLoop {
  int64_t concurrency = 1;
  friend bool operator==(const ClosedLoop&, const ClosedLoop&) = default;
};
const Schema<ClosedLoop>& SchemaOf(Tag<ClosedLoop>);

struct Arrivals {
  std::optional<ArrivalProcess> process;  // default: poisson when a rate is given
  std::optional<Hertz> rate;              // open loop, requests a second
  std::optional<double> burstiness;    // gamma: shape of the gaps, 1 is Poisson (vllm bench serve)
  std::optional<int64_t> concurrency;  // closed loop
  std::optional<ClosedLoop> closed_loop;  // `closed-loop: {concurrency: 64}`: the same in one key
  std::string trace;                      // a name under configs/traces, or a path
  /// Of a trace: arrivals that share a time stamp are spread evenly up to the next stamp
  /// (Mooncake's stamps come in ticks of about 3 s).
  bool spread = true;
  friend bool operator==(const Arrivals&, const Arrivals&) = default;
};
const Schema<Arrivals>& SchemaOf(Tag<Arrivals>);

/// Tokens, uniform over a range; a fixed number is a range of one.
struct TokenRange {
  int64_t min = 0;
  int64_t max = 0;
  friend bool operator==(const TokenRange&, const TokenRange&) = default;
};

/// That a workload may ask for: they are all held in memory, and a document may come from anywhere.
inline constexpr int64_t kMostRequests = 10'000'000;

struct Workload {
  Arrivals arrivals;
  std::optional<int64_t> requests;  // of a trace: only the first so many
  std::optional<TokenRange> input_tokens;
  std::optional<TokenRange> output_tokens;
};
const Schema<Workload>& SchemaOf(Tag<Workload>);

/// What must hold between the keys (a closed loop has a concurrency and no rate, a trace brings its
/// own lengths, a process needs lengths and a count): every broken rule at once, with its path.
Status CheckWorkload(const Workload& workload);

/// Draws or reads the requests. `trace_file` is the resolved file of `arrivals.trace` (a log, or
/// the description of one: trace_description.h), empty without one.
///
/// Gaps of a rate are rescaled so that the last of n requests arrives at exactly n / rate, and the
/// first after its gap, as `vllm bench serve` does (vllm-project/vllm vllm/benchmarks/serve.py): a
/// run's mean rate is the one that was asked for.
/// The same workload and seed give the same requests; streams "arrivals",
/// "input_tokens" and "output_tokens" are independent, so that changing the rate keeps every length
/// (paired seeds). Errors: those of CheckWorkload and of the trace readers, with file and line.
Result<RequestLoad> MakeLoad(const Workload& workload, const std::filesystem::path& trace_file,
                             uint64_t seed);

}  // namespace ridgeline::workloads
