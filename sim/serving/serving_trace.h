/// The timeline of a fleet in the Chrome trace format: a process a replica, its steps as slices (a
/// run of decode steps is one slice that says how many), and counters of running and waiting
/// sequences and of free KV blocks.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <vector>

#include "base/result.h"
#include "sim/serving/fleet.h"
#include "sim/trace/chrome_trace.h"

namespace ridgeline::serving {

class ServingTrace final : public StepObserver {
 public:
  ServingTrace(std::ostream& out, int64_t replicas);
  void OnStep(const Step& step) override;
  /// Call once, at the end. kUnavailable when the stream failed.
  Status Finish();

 private:
  void Idle(size_t replica);

  trace::ChromeTrace trace_;
  std::vector<engine::Picoseconds> ends_;  // of each replica's last step
};

}  // namespace ridgeline::serving
