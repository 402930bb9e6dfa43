/// The front door: a scenario in, a report out.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "base/stop.h"
#include "sim/report.h"
#include "sim/scenario.h"

namespace ridgeline::sim {

/// Which of the two executors runs the program; with nothing that changes rates both give the same
/// times to the picosecond.
enum class Executor { kStaticSweep, kEventDriven };

struct RunOptions {
  Stop stop = {};
  Progress* progress = nullptr;  // may be null
  Executor executor = Executor::kStaticSweep;
  std::ostream* trace = nullptr;  // a Chrome trace is written here; may be null
  /// Serving: one CSV line a request is written here; may be null.
  std::ostream* requests = nullptr;
  /// Training: a Chakra execution trace a pipeline rank, as a file's bytes; may be null.
  std::vector<std::string>* chakra = nullptr;
  /// Serving: take runs of equal decode steps at once. Off gives the same answer, slower.
  bool fast_forward = true;
};

/// Errors: UNIMPLEMENTED for what is not built, kFailedPrecondition when the GPU lacks the data
/// type, kCancelled and kDeadlineExceeded from `stop`. A job that does not fit in memory is not an
/// error: the report says so (fits is false).
Result<Report> Simulate(const Scenario& scenario, const RunOptions& options);

}  // namespace ridgeline::sim
