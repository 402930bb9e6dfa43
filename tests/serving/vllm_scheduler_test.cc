#include "sim/serving/vllm_scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ridgeline::serving {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using workloads::Request;
using workloads::RequestLoad;

Request Asked(int64_t input, int64_t output) {
  Request request;
  request.input_tokens = input;
  request.output_tokens = output;
  return request;
}

SchedulerLimits Limits(int64_t blocks, int64_t budget) {
  SchedulerLimits limits;
  limits.blocks = blocks;
  limits.max_batched_tokens = budget;
  limits.max_model_len = 100'000;
  return limits;
}

/// Every sequence that caught up gets its token.
void Sample(VllmScheduler& scheduler, const ScheduledStep& step) {
  for (const SequenceSlot slot : step.scheduled) {
    scheduler.At(slot).generated += scheduler.At(slot).left_to_compute() == 0 ? 1 : 0;
  }
}

// 100 tokens a step: a prompt of 60 whole, then 40 of the second prompt's 250. Next step the first
// decodes (1 token), the second gets 99; then 99 again, and its last 12 with a token sampled.
TEST(VllmSchedulerTest, PromptsAreChunkedWithTheBudgetThatDecodesLeave) {
  VllmScheduler scheduler(Limits(1000, 100), nullptr);
  const SequenceSlot first = scheduler.Add(0, Asked(60, 10));
  const SequenceSlot second = scheduler.Add(1, Asked(250, 10));
  const ScheduledStep& step = scheduler.Schedule();
  EXPECT_THAT(step.chunks, ElementsAre(PrefillChunk{60, 0}, PrefillChunk{40, 0}));
  EXPECT_THAT(step.admitted, ElementsAre(first, second));
  EXPECT_EQ(step.sampled, 1);
  Sample(scheduler, step);
  scheduler.Schedule();
  EXPECT_THAT(step.chunks, ElementsAre(PrefillChunk{99, 40}));
  EXPECT_EQ(step.decodes, 1);
  EXPECT_EQ(step.decode_context, 61);
  Sample(scheduler, step);
  scheduler.Schedule();
  EXPECT_THAT(step.chunks, ElementsAre(PrefillChunk{99, 139}));
  Sample(scheduler, step);
  scheduler.Schedule();
  EXPECT_THAT(step.chunks, ElementsAre(PrefillChunk{12, 238}));
  EXPECT_EQ(step.sampled, 2);
}

TEST(VllmSchedulerTest, AThresholdCutsLongPromptsBelowTheBudget) {
  SchedulerLimits limits = Limits(1000, 100);
  limits.long_prefill_token_threshold = 30;
  VllmScheduler scheduler(limits, nullptr);
  scheduler.Add(0, Asked(60, 10));
  scheduler.Add(1, Asked(25, 10));
  EXPECT_THAT(scheduler.Schedule().chunks, ElementsAre(PrefillChunk{30, 0}, PrefillChunk{25, 0}));
}

// 10 blocks hold 160 tokens. 100 + 50 tokens take 7 + 4 blocks: the second waits, and the third,
// which would fit, waits behind it.
TEST(VllmSchedulerTest, TheHeadOfTheQueueBlocksThoseBehindIt) {
  VllmScheduler scheduler(Limits(10, 1000), nullptr);
  const SequenceSlot first = scheduler.Add(0, Asked(100, 2));
  scheduler.Add(1, Asked(50, 2));
  scheduler.Add(2, Asked(10, 2));
  EXPECT_THAT(scheduler.Schedule().admitted, ElementsAre(first));
  EXPECT_EQ(scheduler.waiting(), 2);
  EXPECT_EQ(scheduler.cache().used(), 7);
}

// A prompt of 12 blocks is not started on 10 free ones, although its first chunk would fit.
TEST(VllmSchedulerTest, AWholePromptMustFitBeforeItsFirstChunkRuns) {
  VllmScheduler scheduler(Limits(20, 64), nullptr);
  const SequenceSlot first = scheduler.Add(0, Asked(160, 2));
  scheduler.Add(1, Asked(192, 2));
  for (int step = 0; step < 3; ++step) {
    EXPECT_THAT(scheduler.Schedule().scheduled, ElementsAre(first));
  }
  EXPECT_EQ(scheduler.waiting(), 1);
}

TEST(VllmSchedulerTest, WithoutChunkingAPromptBeyondTheBudgetWaits) {
  SchedulerLimits limits = Limits(1000, 100);
  limits.chunked_prefill = false;
  VllmScheduler scheduler(limits, nullptr);
  const SequenceSlot first = scheduler.Add(0, Asked(60, 10));
  const SequenceSlot second = scheduler.Add(1, Asked(50, 10));
  EXPECT_THAT(scheduler.Schedule().admitted, ElementsAre(first));
  Sample(scheduler, scheduler.Schedule());
  EXPECT_THAT(scheduler.running(), ElementsAre(first, second));
}

// Four prompts of 16 tokens fill 4 blocks of 5. Each needs a second block for its 17th token: the
// first takes the free one, the second gets the block of the fourth, which goes to the front of the
// queue; the third finds nothing but itself to preempt, and goes before it.
TEST(VllmSchedulerTest, TheLastRunningIsPreemptedFirstAndReturnsFirst) {
  SchedulerLimits limits = Limits(5, 1000);
  limits.prefix_caching = false;
  VllmScheduler scheduler(limits, nullptr);
  std::vector<SequenceSlot> slots;
  for (int request = 0; request < 4; ++request) {
    slots.push_back(scheduler.Add(request, Asked(16, 20)));
  }
  const ScheduledStep& step = scheduler.Schedule();
  Sample(scheduler, step);
  const SequenceSlot newcomer = scheduler.Add(4, Asked(1, 1));
  scheduler.Schedule();
  EXPECT_THAT(step.preempted, ElementsAre(slots[3], slots[2]));
  EXPECT_THAT(step.scheduled, ElementsAre(slots[0], slots[1]));
  // Nothing is admitted in a step that preempted, though a block is free.
  EXPECT_THAT(step.admitted, IsEmpty());
  EXPECT_EQ(scheduler.cache().free(), 1);
  EXPECT_EQ(scheduler.waiting(), 3);
  EXPECT_EQ(scheduler.At(slots[2]).computed, 0);
  // Both are done: the third comes back first, with the 17 tokens it had, then the fourth.
  for (const SequenceSlot slot : {slots[0], slots[1]}) {
    scheduler.At(slot).generated = scheduler.At(slot).answer;
    scheduler.Finish(slot);
  }
  scheduler.DropFinished();
  scheduler.Schedule();
  EXPECT_THAT(step.admitted, ElementsAre(slots[2], slots[3], newcomer));
  // A prompt of one token is a decode in all but name.
  EXPECT_THAT(step.chunks, ElementsAre(PrefillChunk{17, 0}, PrefillChunk{17, 0}));
  EXPECT_EQ(step.decodes, 1);
}

RequestLoad SharedLoad(std::vector<int64_t> lengths) {
  RequestLoad load;
  load.prefix_block_tokens = 64;
  for (const int64_t length : lengths) {
    Request request = Asked(length, 5);
    request.first_prefix_id = static_cast<int64_t>(load.prefix_ids.size());
    request.num_prefix_ids = (length + 63) / 64;
    for (int64_t id = 0; id < request.num_prefix_ids; ++id) {
      // The last block of a prompt that ends within it is another block.
      load.prefix_ids.push_back(length >= (id + 1) * 64 ? id : 1000 + length);
    }
    load.requests.push_back(request);
  }
  return load;
}

// The first prompt computes 130 tokens: 8 full blocks, of which 4 + 4 under ids 0 and 1. The second
// (200 tokens) hits all 8. The third is exactly those 128 tokens and hits only 7: its last token
// must be computed.
TEST(VllmSchedulerTest, FullBlocksOfEarlierPromptsAreHitExceptTheLastToken) {
  const RequestLoad load = SharedLoad({130, 200, 128});
  const PrefixKeys keys(load, 16);
  VllmScheduler scheduler(Limits(1000, 1000), &keys);
  for (int request = 0; request < 3; ++request) {
    const SequenceSlot slot = scheduler.Add(request, load.requests[static_cast<size_t>(request)]);
    const ScheduledStep& step = scheduler.Schedule();
    EXPECT_THAT(step.admitted, ElementsAre(slot));
    EXPECT_EQ(scheduler.At(slot).cached,
              (std::vector<int64_t>{0, 128, 112}[static_cast<size_t>(request)]));
    Sample(scheduler, step);
  }
  // 9 blocks, 13 - 8, and 8 - 7 of their own.
  EXPECT_EQ(scheduler.cache().used(), 9 + 5 + 1);
  scheduler.cache().CheckConsistent();
}

TEST(VllmSchedulerTest, EqualPromptsOfOneStepDoNotShare) {
  const RequestLoad load = SharedLoad({128, 128});
  const PrefixKeys keys(load, 16);
  VllmScheduler scheduler(Limits(1000, 1000), &keys);
  scheduler.Add(0, load.requests[0]);
  scheduler.Add(1, load.requests[1]);
  scheduler.Schedule();
  EXPECT_EQ(scheduler.cache().used(), 16);
}

TEST(CanServeTest, LongerThanTheModelOrThanTheCacheIsRefused) {
  SchedulerLimits limits = Limits(4, 1000);
  EXPECT_TRUE(CanServe(limits, Asked(60, 5)));   // 64 computed tokens: the last is only sampled
  EXPECT_FALSE(CanServe(limits, Asked(60, 6)));  // 65 need a fifth block
  limits.blocks = 1000;
  limits.max_model_len = 64;
  EXPECT_TRUE(CanServe(limits, Asked(60, 4)));
  EXPECT_FALSE(CanServe(limits, Asked(60, 5)));
}

}  // namespace
}  // namespace ridgeline::serving
