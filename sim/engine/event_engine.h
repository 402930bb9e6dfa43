/// Executes a program event by event, for when a task's speed depends on what runs beside it.
///
/// A task has its duration as work, in picoseconds at rate 1, and runs at a rate in (0, 1] that a
/// RateModel sets anew whenever the set of running tasks of its rank changes. Work left is counted
/// in 2^-32 ps as an integer, so the order of changes does not round: a task whose rate never left
/// 1 takes exactly its duration, any other is done at the first picosecond at which its work is.
/// Rates are at most 1 and streams keep their order: the result is never earlier than the static
/// sweep's (static_sweep.h), and without a RateModel it is the same to the picosecond.
///
/// The parts of a joint task begin together; under a RateModel each goes on at its own rank's rate.
///
/// One event a task. A stream waits for one dependency at a time, so who waits for a task is a list
/// through the streams, and it is kept where the task's end will stand: no memory a task beyond the
/// timeline's 16 B.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "base/stop.h"
#include "sim/engine/event_queue.h"
#include "sim/engine/observer.h"
#include "sim/engine/program.h"
#include "sim/engine/rate_model.h"
#include "sim/engine/sim_time.h"

namespace ridgeline::engine {

struct EventOptions {
  RateModel* rates = nullptr;    // may be null: every task takes exactly its duration
  Observer* observer = nullptr;  // may be null
  Stop stop = {};                // looked at every 1,024 events
};

/// Runs programs one after the other; buffers are kept, so that a warm run of the same size
/// allocates nothing.
class EventEngine {
 public:
  /// Errors: kCancelled and kDeadlineExceeded from `options.stop`; `timeline` is then unusable.
  Status Run(const Program& program, const EventOptions& options, Timeline& timeline);

  /// Events of the last run.
  uint64_t num_events() const { return num_events_; }

 private:
  struct StreamState;
  struct WorkState;
  class Execution;

  __extension__ typedef unsigned __int128 Work;  // in 2^-32 ps

  struct StreamState {
    TaskIndex task = kNoTask;      // running, or next to run
    uint32_t dependency = 0;       // position of the first dependency not known to be done
    StreamIndex next_waiting = 0;  // the next stream that waits for the same task
  };
  /// Only with a RateModel.
  struct WorkState {
    Work left = 0;
    uint64_t rate = 0;      // in 2^-32; 0: not running
    Picoseconds since = 0;  // when `left` was right
    uint32_t rank_position = 0;
  };

  EventQueue queue_;
  std::vector<StreamState> streams_;
  std::vector<WorkState> work_;        // by stream
  std::vector<StreamIndex> by_rank_;   // streams sorted by (rank, index)
  std::vector<uint32_t> rank_begin_;   // into by_rank_; one entry more than there are ranks
  std::vector<uint32_t> dirty_ranks_;  // positions of ranks whose running set changed
  std::vector<bool> is_dirty_;
  std::vector<StreamIndex> running_streams_;
  std::vector<TaskIndex> running_;
  std::vector<double> rates_;
  uint64_t num_events_ = 0;
};

/// One program, once.
Result<Timeline> ExecuteEvents(const Program& program, const EventOptions& options = {});

}  // namespace ridgeline::engine
