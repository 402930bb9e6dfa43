/// A limit that an answer must keep: "ttft.p99<=2 s".
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "sim/report.h"

namespace ridgeline::sim {

struct Target {
  std::string metric;          // "ttft.p99"
  bool is_upper_bound = true;  // metric <= value; else metric >= value
  double value = 0.0;          // in the metric's base unit
  std::string written;         // "ttft.p99<=2 s", for people
};

/// "ttft.p99<=2 s", "output_throughput>=1000". Errors: no relation, unknown metric (with the
/// nearest), a value without its unit.
Result<Target> ParseTarget(std::string_view text);
/// A line of a `targets:` block. The value may begin with <= or >=; without, throughputs and
/// utilisations are floors and everything else is a ceiling.
Result<Target> ParseTarget(std::string_view metric, std::string_view value);

/// Whether the report keeps it. A serving report where nothing was answered lacks its latencies and
/// throughputs and keeps no target on them; any other metric that the report lacks is an error (a
/// training target on a serving report).
Result<bool> Meets(const Report& report, const Target& target);

}  // namespace ridgeline::sim
