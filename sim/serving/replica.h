/// One replica on the clock: a scheduler, the step or run of decode steps that is under way, and
/// what it does to its requests.
///
/// A run of decode steps (fast-forward) is planned as far as nothing inside the replica changes it:
/// until the first answer is complete, blocks run out, or the cost's line ends. It takes effect
/// when it ends. A request that arrives meanwhile cuts it after the step in which it arrives, so
/// nothing need be known of the future, and the outcome is that of single steps.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "sim/serving/decode_run.h"
#include "sim/serving/fleet.h"
#include "sim/serving/request_outcome.h"
#include "sim/serving/step_cost.h"
#include "sim/serving/vllm_scheduler.h"

namespace ridgeline::serving {

/// What all replicas of a fleet write to. Integers, so that the order of summation is no matter.
struct FleetRecord {
  std::vector<RequestOutcome> requests;
  std::vector<GapRun> gaps;
  int64_t steps = 0;
  int64_t preemptions = 0;
  Int128 running_time = 0;  // sequences x picoseconds
  Int128 busy = 0;          // picoseconds
};

class Replica {
 public:
  /// All outlive the replica; `keys` and `observer` of the fleet may be null.
  Replica(int32_t index, const Fleet& fleet, const PrefixKeys* keys,
          const workloads::RequestLoad& load, StepCost& cost, FleetRecord& record);

  /// A request that the limits allow arrives.
  void Receive(int64_t request, engine::Picoseconds now);
  /// Begins the next step or run, if there is work and none is under way. kOutOfRange when it would
  /// end beyond the clock.
  Status Start(engine::Picoseconds now);
  /// What is under way ends: tokens appear, answers are complete. Returns the requests that were
  /// answered, valid until the next call.
  std::span<const int64_t> Complete();

  bool is_busy() const { return is_busy_; }
  engine::Picoseconds end() const { return end_; }
  int64_t unfinished() const { return unfinished_; }
  const VllmScheduler& scheduler() const { return scheduler_; }

 private:
  bool PlanRun();
  void PlanStep();
  void NoteScheduled(const ScheduledStep& step);
  void CompleteStep();
  void CompleteRun();
  /// `sequence` gets `tokens` tokens, the last of them now.
  void Deliver(SequenceSlot slot, int64_t tokens);
  void RecordGaps(const DecodeRun& run, int64_t on_time);
  void Observe(int64_t iterations, int64_t prefill_tokens, int64_t decodes, int64_t running);

  RequestOutcome& OutcomeOf(const Sequence& sequence) {
    return record_.requests[static_cast<size_t>(sequence.table.request)];
  }

  int32_t index_;
  const Fleet& fleet_;
  const workloads::RequestLoad& load_;
  StepCost& cost_;
  FleetRecord& record_;
  VllmScheduler scheduler_;
  bool is_busy_ = false;
  bool is_run_ = false;
  engine::Picoseconds begin_ = 0;
  engine::Picoseconds end_ = 0;
  DecodeRun run_;                        // the steps under way; a single one unless is_run_
  const ScheduledStep* step_ = nullptr;  // unless is_run_
  int64_t unfinished_ = 0;
  std::vector<int64_t> answered_;
  StepObserver::Step observed_;
};

}  // namespace ridgeline::serving
