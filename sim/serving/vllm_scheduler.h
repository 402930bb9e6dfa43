/// Which sequences compute how many tokens in the next step: the scheduler of vLLM's v1 engine
/// (vllm-project/vllm vllm/v1/core/sched/scheduler.py, kv_cache_manager.py).
///
/// There is no prefill phase and no decode phase: every sequence has tokens (prompt and answer so
/// far) and computed ones, and a step lets computed catch up within a budget of tokens.
/// 1. Running sequences in order of admission. One that gets no blocks preempts the last running
///    one, maybe itself: that one loses all blocks and goes to the front of the queue.
/// 2. Unless something was preempted: waiting ones, first come first served. The head blocks those
///    behind it. It is admitted only if blocks for all of its tokens are free, although only a
///    chunk may be scheduled; nothing is reserved.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "sim/serving/fleet.h"
#include "sim/serving/kv_cache.h"
#include "sim/serving/prefix_keys.h"
#include "sim/serving/step_cost.h"
#include "workloads/request_load.h"

namespace ridgeline::serving {

/// A request inside an engine.
struct Sequence {
  int64_t prompt = 0;     // tokens
  int64_t answer = 0;     // tokens asked for
  int64_t generated = 0;  // tokens of the answer so far
  int64_t computed = 0;   // tokens whose KV is in the cache
  int64_t cached = 0;     // tokens hit when last admitted
  engine::Picoseconds last_token = 0;
  engine::Picoseconds preempted_at = 0;
  BlockTable table;

  int64_t tokens() const { return prompt + generated; }
  int64_t left_to_compute() const { return tokens() - computed; }
};

/// Where a sequence stands in VllmScheduler; reused after it is done.
using SequenceSlot = int32_t;

/// One step's decision.
struct ScheduledStep {
  std::vector<SequenceSlot> scheduled;  // running ones in order, then admitted ones
  std::vector<SequenceSlot> admitted;
  std::vector<SequenceSlot> preempted;
  std::vector<PrefillChunk> chunks;
  int64_t prefill_tokens = 0;
  int64_t decodes = 0;         // sequences that compute exactly the one token they lack
  int64_t decode_context = 0;  // tokens these read, their new one included
  int64_t sampled = 0;         // sequences that catch up and so get a token
};

/// Whether the limits let a request ever finish: its length, and its blocks when it runs alone.
bool CanServe(const SchedulerLimits& limits, const workloads::Request& request);

class VllmScheduler {
 public:
  /// `keys` may be null and must outlive the scheduler.
  VllmScheduler(const SchedulerLimits& limits, const PrefixKeys* keys);

  /// At the end of the queue. The request can be served.
  SequenceSlot Add(int64_t request, const workloads::Request& asked);
  /// Decides the next step, takes its blocks and counts its tokens as computed. The result lives
  /// until the next call. Never empty while there is work.
  const ScheduledStep& Schedule();
  /// Whether the head of the queue would be admitted to a step in which every running sequence
  /// decodes one token. While such steps are all that happens, the answer no stays no.
  bool WouldAdmitBesideDecodes();
  /// Takes `steps` decode steps' blocks and tokens for every running sequence.
  void AdvanceDecodes(int64_t steps);
  /// The most decode steps, up to `most`, that the free blocks allow all running sequences.
  int64_t DecodeStepsThatFit(int64_t most) const;

  /// Frees the blocks of a running sequence whose answer is complete; call DropFinished after the
  /// last of a step.
  void Finish(SequenceSlot slot);
  void DropFinished();

  Sequence& At(SequenceSlot slot) { return sequences_[static_cast<size_t>(slot)]; }
  const Sequence& At(SequenceSlot slot) const { return sequences_[static_cast<size_t>(slot)]; }
  std::span<const SequenceSlot> running() const { return running_; }
  int64_t waiting() const { return static_cast<int64_t>(waiting_.size()); }
  bool has_work() const { return !running_.empty() || !waiting_.empty(); }
  const KvCache& cache() const { return cache_; }
  const SchedulerLimits& limits() const { return limits_; }

 private:
  struct Admission {
    bool is_possible = false;
    int64_t tokens = 0;
    KvCache::Hits hits;
  };

  int64_t BlocksFor(int64_t tokens) const {
    return (tokens + limits_.block_tokens - 1) / limits_.block_tokens;
  }
  int64_t FullBlocks(const Sequence& sequence) const {
    return sequence.computed / limits_.block_tokens;
  }
  int64_t Chunk(int64_t tokens, int64_t budget) const;
  void ScheduleRunning(int64_t& budget);
  void ScheduleWaiting(int64_t budget);
  Admission ConsiderHead(int64_t budget);
  void Preempt(SequenceSlot slot);
  void Take(SequenceSlot slot, int64_t tokens);

  SchedulerLimits limits_;
  KvCache cache_;
  const PrefixKeys* keys_;
  std::vector<Sequence> sequences_;
  std::vector<SequenceSlot> spare_slots_;
  std::vector<SequenceSlot> running_;
  std::deque<SequenceSlot> waiting_;
  ScheduledStep step_;
  // The head that found no room, and the cache's version then.
  SequenceSlot blocked_ = -1;
  int64_t blocked_version_ = -1;
};

}  // namespace ridgeline::serving
