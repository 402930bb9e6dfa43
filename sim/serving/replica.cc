#include "sim/serving/replica.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace ridgeline::serving {

using engine::Picoseconds;

Replica::Replica(int32_t index, const Fleet& fleet, const PrefixKeys* keys,
                 const workloads::RequestLoad& load, StepCost& cost, FleetRecord& record)
    : index_(index),
      fleet_(fleet),
      load_(load),
      cost_(cost),
      record_(record),
      scheduler_(fleet.limits, keys) {}

void Replica::Receive(int64_t request, Picoseconds now) {
  // Behind others it changes nothing: a run is only planned when the head cannot be admitted.
  const bool is_first_in_queue = scheduler_.waiting() == 0;
  scheduler_.Add(request, load_.requests[static_cast<size_t>(request)]);
  ++unfinished_;
  if (is_busy_ && is_run_ && is_first_in_queue) {
    run_.steps = run_.StepsBegunBefore(now - begin_);
    end_ = begin_ + static_cast<Picoseconds>(run_.Duration());
  }
}

Status Replica::Start(Picoseconds now) {
  if (is_busy_ || !scheduler_.has_work()) {
    return {};
  }
  begin_ = now;
  is_run_ = fleet_.fast_forward && PlanRun();
  if (!is_run_) {
    PlanStep();
  }
  const Int128 end = Int128{begin_} + run_.Duration();
  if (end > std::numeric_limits<Picoseconds>::max()) {
    return Fail({.code = ErrorCode::kOutOfRange,
                 .message = "serving takes longer than the simulated clock counts, 106 days",
                 .hint = "simulate fewer requests, or a faster deployment"});
  }
  end_ = static_cast<Picoseconds>(end);
  is_busy_ = true;
  return {};
}

bool Replica::PlanRun() {
  const auto decodes = static_cast<int64_t>(scheduler_.running().size());
  if (decodes == 0 || decodes > fleet_.limits.max_batched_tokens) {
    return false;
  }
  int64_t context = 0;
  int64_t most = std::numeric_limits<int64_t>::max();
  for (const SequenceSlot slot : scheduler_.running()) {
    const Sequence& sequence = scheduler_.At(slot);
    if (sequence.generated == 0 || sequence.left_to_compute() != 1) {
      return false;
    }
    context += sequence.tokens();
    most = std::min(most, sequence.answer - sequence.generated);
  }
  if (scheduler_.WouldAdmitBesideDecodes()) {
    return false;
  }
  const DecodeTime line = cost_.Decode(decodes, context);
  CHECK(line.valid_to >= context, "a line valid to {} tokens, {} asked", line.valid_to, context);
  most = std::min(most, (line.valid_to - context) / decodes + 1);
  most = scheduler_.DecodeStepsThatFit(most);
  if (most == 0) {
    return false;
  }
  const Int128 first = Int128{line.base} + Int128{line.per_token} * context;
  const Int128 growth = Int128{line.per_token} * decodes;
  constexpr Int128 kLongest = std::numeric_limits<Picoseconds>::max();
  run_ = {.first = static_cast<Picoseconds>(std::min(first, kLongest)),
          .growth = static_cast<Picoseconds>(std::min(growth, kLongest)),
          .steps = most};
  return true;
}

void Replica::PlanStep() {
  step_ = &scheduler_.Schedule();
  NoteScheduled(*step_);
  Picoseconds duration = 0;
  if (step_->chunks.empty()) {
    const DecodeTime line = cost_.Decode(step_->decodes, step_->decode_context);
    const Int128 time = Int128{line.base} + Int128{line.per_token} * step_->decode_context;
    duration =
        static_cast<Picoseconds>(std::min<Int128>(time, std::numeric_limits<Picoseconds>::max()));
  } else {
    duration = cost_.Of({.chunks = step_->chunks,
                         .decodes = step_->decodes,
                         .decode_context = step_->decode_context,
                         .sampled = step_->sampled});
  }
  CHECK(duration > 0, "a step of {} ps", duration);
  run_ = {.first = duration, .growth = 0, .steps = 1};
}

void Replica::NoteScheduled(const ScheduledStep& step) {
  for (const SequenceSlot slot : step.preempted) {
    Sequence& sequence = scheduler_.At(slot);
    sequence.preempted_at = begin_;
    ++OutcomeOf(sequence).preemptions;
    ++record_.preemptions;
  }
  for (const SequenceSlot slot : step.admitted) {
    const Sequence& sequence = scheduler_.At(slot);
    RequestOutcome& outcome = OutcomeOf(sequence);
    if (outcome.state == RequestState::kQueued && outcome.preemptions == 0) {
      outcome.scheduled = begin_;
      outcome.cached_tokens = sequence.cached;
    } else if (sequence.generated > 0) {
      outcome.preempted_wait += begin_ - sequence.preempted_at;
    }
    outcome.state = RequestState::kRunning;
  }
}

void Replica::Deliver(SequenceSlot slot, int64_t tokens) {
  Sequence& sequence = scheduler_.At(slot);
  sequence.last_token = end_;
  sequence.generated += tokens;
  if (sequence.generated < sequence.answer) {
    return;
  }
  RequestOutcome& outcome = OutcomeOf(sequence);
  outcome.state = RequestState::kDone;
  outcome.last_token = end_;
  outcome.output_tokens = sequence.generated;
  answered_.push_back(sequence.table.request);
  --unfinished_;
  scheduler_.Finish(slot);
}

std::span<const int64_t> Replica::Complete() {
  CHECK(is_busy_, "nothing is under way");
  is_busy_ = false;
  answered_.clear();
  record_.steps += run_.steps;
  record_.busy += end_ - begin_;
  record_.running_time += Int128{end_ - begin_} * scheduler_.running().size();
  if (is_run_) {
    CompleteRun();
  } else {
    CompleteStep();
  }
  if (!answered_.empty()) {
    scheduler_.DropFinished();
  }
  return answered_;
}

void Replica::CompleteStep() {
  Observe(1, step_->prefill_tokens, step_->decodes,
          static_cast<int64_t>(scheduler_.running().size()));
  int64_t on_time = 0;
  for (const SequenceSlot slot : step_->scheduled) {
    const Sequence& sequence = scheduler_.At(slot);
    if (sequence.left_to_compute() != 0) {
      continue;
    }
    if (sequence.generated == 0) {
      OutcomeOf(sequence).first_token = end_;
    } else if (sequence.last_token == begin_) {
      ++on_time;
    } else {
      record_.gaps.push_back({.first = end_ - sequence.last_token, .count = 1});
    }
    Deliver(slot, 1);
  }
  RecordGaps(run_, on_time);
}

void Replica::CompleteRun() {
  scheduler_.AdvanceDecodes(run_.steps);
  const std::span<const SequenceSlot> running = scheduler_.running();
  const auto decodes = static_cast<int64_t>(running.size());
  Observe(run_.steps, 0, decodes, decodes);
  int64_t on_time = 0;
  for (const SequenceSlot slot : running) {
    const Sequence& sequence = scheduler_.At(slot);
    if (sequence.last_token == begin_) {
      ++on_time;
    } else {
      record_.gaps.push_back({.first = begin_ + run_.first - sequence.last_token, .count = 1});
    }
    Deliver(slot, run_.steps);
  }
  if (on_time == decodes) {
    RecordGaps(run_, decodes);
  } else {
    // Some had waited longer for the first of these tokens, none for the others.
    RecordGaps({.first = run_.first, .growth = 0, .steps = 1}, on_time);
    RecordGaps({.first = run_.first + run_.growth, .growth = run_.growth, .steps = run_.steps - 1},
               decodes);
  }
}

void Replica::RecordGaps(const DecodeRun& run, int64_t on_time) {
  if (on_time > 0 && run.steps > 0) {
    record_.gaps.push_back(
        {.first = run.first, .step = run.growth, .count = run.steps, .sequences = on_time});
  }
}

void Replica::Observe(int64_t iterations, int64_t prefill_tokens, int64_t decodes,
                      int64_t running) {
  if (fleet_.observer == nullptr) {
    return;
  }
  fleet_.observer->OnStep({.replica = index_,
                           .begin = begin_,
                           .end = end_,
                           .iterations = iterations,
                           .prefill_tokens = prefill_tokens,
                           .decodes = decodes,
                           .running = running,
                           .waiting = scheduler_.waiting(),
                           .free_blocks = scheduler_.cache().free()});
}

}  // namespace ridgeline::serving
