#include "sim/serving/vllm_scheduler.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace ridgeline::serving {

bool CanServe(const SchedulerLimits& limits, const workloads::Request& request) {
  // The last token of an answer is sampled and never computed.
  const int64_t computed = request.input_tokens + request.output_tokens - 1;
  if (request.input_tokens + request.output_tokens > limits.max_model_len) {
    return false;
  }
  if ((computed + limits.block_tokens - 1) / limits.block_tokens > limits.blocks) {
    return false;
  }
  const int64_t threshold = limits.long_prefill_token_threshold;
  const int64_t largest_chunk = threshold > 0 ? std::min(threshold, computed) : computed;
  // Unchunked, a prompt larger than the budget would stand at the head of the queue for ever.
  return limits.chunked_prefill || largest_chunk <= limits.max_batched_tokens;
}

VllmScheduler::VllmScheduler(const SchedulerLimits& limits, const PrefixKeys* keys)
    : limits_(limits),
      cache_(limits.blocks, keys, limits.prefix_caching),
      keys_(limits.prefix_caching ? keys : nullptr) {
  CHECK(limits.block_tokens > 0 && limits.max_batched_tokens > 0 && limits.max_sequences > 0,
        "limits of {} tokens a block, {} tokens, {} sequences", limits.block_tokens,
        limits.max_batched_tokens, limits.max_sequences);
}

SequenceSlot VllmScheduler::Add(int64_t request, const workloads::Request& asked) {
  SequenceSlot slot = 0;
  if (spare_slots_.empty()) {
    slot = static_cast<SequenceSlot>(sequences_.size());
    sequences_.emplace_back();
  } else {
    slot = spare_slots_.back();
    spare_slots_.pop_back();
  }
  Sequence& sequence = At(slot);
  std::vector<BlockRange> ranges = std::move(sequence.table.ranges);  // keeps its memory
  ranges.clear();
  sequence = Sequence();
  sequence.prompt = asked.input_tokens;
  sequence.answer = asked.output_tokens;
  sequence.table.request = static_cast<int32_t>(request);
  sequence.table.shared = keys_ != nullptr ? keys_->SharedBlocks(request) : 0;
  sequence.table.ranges = std::move(ranges);
  waiting_.push_back(slot);
  return slot;
}

int64_t VllmScheduler::Chunk(int64_t tokens, int64_t budget) const {
  const int64_t threshold = limits_.long_prefill_token_threshold;
  if (threshold > 0 && tokens > threshold) {
    tokens = threshold;
  }
  return std::min(tokens, budget);
}

void VllmScheduler::Take(SequenceSlot slot, int64_t tokens) {
  Sequence& sequence = At(slot);
  cache_.Grow(sequence.table, BlocksFor(sequence.computed + tokens));
  if (tokens == 1 && sequence.left_to_compute() == 1) {
    ++step_.decodes;
    step_.decode_context += sequence.tokens();
  } else {
    step_.chunks.push_back({.tokens = tokens, .context = sequence.computed});
    step_.prefill_tokens += tokens;
  }
  sequence.computed += tokens;
  step_.sampled += sequence.left_to_compute() == 0 ? 1 : 0;
  step_.scheduled.push_back(slot);
}

void VllmScheduler::Preempt(SequenceSlot slot) {
  Sequence& sequence = At(slot);
  cache_.Release(sequence.table, FullBlocks(sequence));
  sequence.computed = 0;
  waiting_.push_front(slot);
  step_.preempted.push_back(slot);
}

void VllmScheduler::ScheduleRunning(int64_t& budget) {
  for (size_t i = 0; i < running_.size() && budget > 0; ++i) {
    const SequenceSlot slot = running_[i];
    const int64_t tokens = Chunk(At(slot).left_to_compute(), budget);
    const int64_t blocks = BlocksFor(At(slot).computed + tokens);
    while (blocks - At(slot).table.held > cache_.free()) {
      // The last one was not scheduled in this step: it stands at i or behind.
      const SequenceSlot victim = running_.back();
      running_.pop_back();
      Preempt(victim);
      if (victim == slot) {
        return;
      }
    }
    Take(slot, tokens);
    budget -= tokens;
  }
}

VllmScheduler::Admission VllmScheduler::ConsiderHead(int64_t budget) {
  const SequenceSlot slot = waiting_.front();
  if (slot == blocked_ && cache_.version() == blocked_version_) {
    return {};
  }
  const Sequence& sequence = At(slot);
  // The last token is always computed: its output is what the next one is sampled from.
  Admission admission;
  admission.hits = cache_.FindHits(sequence.table, (sequence.tokens() - 1) / limits_.block_tokens);
  int64_t tokens = sequence.tokens() - admission.hits.blocks * limits_.block_tokens;
  const int64_t threshold = limits_.long_prefill_token_threshold;
  tokens = threshold > 0 ? std::min(tokens, threshold) : tokens;
  if (!limits_.chunked_prefill && tokens > budget) {
    return {};
  }
  const int64_t blocks =
      BlocksFor(sequence.tokens()) - (admission.hits.blocks - admission.hits.free);
  if (blocks > cache_.free()) {
    blocked_ = slot;
    blocked_version_ = cache_.version();
    return {};
  }
  admission.is_possible = true;
  admission.tokens = std::min(tokens, budget);
  return admission;
}

void VllmScheduler::ScheduleWaiting(int64_t budget) {
  while (!waiting_.empty() && budget > 0 &&
         static_cast<int64_t>(running_.size()) < limits_.max_sequences) {
    const Admission admission = ConsiderHead(budget);
    if (!admission.is_possible) {
      return;
    }
    const SequenceSlot slot = waiting_.front();
    waiting_.pop_front();
    Sequence& sequence = At(slot);
    if (admission.hits.blocks > 0) {
      cache_.TakeHits(sequence.table, admission.hits);
    }
    sequence.cached = sequence.computed = admission.hits.blocks * limits_.block_tokens;
    Take(slot, admission.tokens);
    running_.push_back(slot);
    step_.admitted.push_back(slot);
    budget -= admission.tokens;
  }
}

const ScheduledStep& VllmScheduler::Schedule() {
  step_.scheduled.clear();
  step_.admitted.clear();
  step_.preempted.clear();
  step_.chunks.clear();
  step_.prefill_tokens = step_.decodes = step_.decode_context = step_.sampled = 0;
  int64_t budget = limits_.max_batched_tokens;
  ScheduleRunning(budget);
  if (step_.preempted.empty()) {
    ScheduleWaiting(budget);
  }
  // Full blocks can be hit from the next step on, not by prompts of the same step.
  for (const SequenceSlot slot : step_.scheduled) {
    Sequence& sequence = At(slot);
    if (sequence.table.published < sequence.table.shared) {
      cache_.Publish(sequence.table, FullBlocks(sequence));
    }
  }
  CHECK(!step_.scheduled.empty() || !has_work(), "{} running, {} waiting, {} blocks free",
        running_.size(), waiting_.size(), cache_.free());
  return step_;
}

bool VllmScheduler::WouldAdmitBesideDecodes() {
  const auto decodes = static_cast<int64_t>(running_.size());
  return !waiting_.empty() && decodes < limits_.max_sequences &&
         decodes < limits_.max_batched_tokens &&
         ConsiderHead(limits_.max_batched_tokens - decodes).is_possible;
}

int64_t VllmScheduler::DecodeStepsThatFit(int64_t most) const {
  const auto needed = [&](int64_t steps) {
    int64_t blocks = 0;
    for (const SequenceSlot slot : running_) {
      const Sequence& sequence = At(slot);
      const int64_t room = sequence.table.held * limits_.block_tokens - sequence.computed;
      blocks += steps > room ? BlocksFor(steps - room) : 0;
    }
    return blocks;
  };
  if (needed(most) <= cache_.free()) {
    return most;
  }
  int64_t fits = 0;
  int64_t too_many = most;
  while (too_many - fits > 1) {
    const int64_t middle = fits + (too_many - fits) / 2;
    (needed(middle) <= cache_.free() ? fits : too_many) = middle;
  }
  return fits;
}

void VllmScheduler::AdvanceDecodes(int64_t steps) {
  for (const SequenceSlot slot : running_) {
    Sequence& sequence = At(slot);
    sequence.computed += steps;
    if (sequence.computed > sequence.table.held * limits_.block_tokens) {
      cache_.Grow(sequence.table, BlocksFor(sequence.computed));
    }
  }
}

void VllmScheduler::Finish(SequenceSlot slot) {
  Sequence& sequence = At(slot);
  cache_.Release(sequence.table, 0);
  spare_slots_.push_back(slot);
}

void VllmScheduler::DropFinished() {
  std::erase_if(running_, [&](SequenceSlot slot) { return At(slot).generated >= At(slot).answer; });
}

}  // namespace ridgeline::serving
