// Every order runs each micro-batch through each chunk once each way, and no pipeline deadlocks.
#include <map>
#include <tuple>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "sim/engine/event_engine.h"
#include "sim/engine/static_sweep.h"
#include "tests/engine/pipeline_program.h"
#include "workloads/pipeline_chunks.h"
#include "workloads/pipeline_schedule.h"

namespace ridgeline::workloads {
namespace {

RC_GTEST_PROP(PipelineScheduleProperty, EachSlotOnceAndNoDeadlock, ()) {
  const auto kind = *rc::gen::element(ScheduleKind::kGPipe, ScheduleKind::kOneForwardOneBackward,
                                      ScheduleKind::kInterleaved, ScheduleKind::kZeroBubbleH1,
                                      ScheduleKind::kZeroBubbleV, ScheduleKind::kDualPipe);
  const bool is_interleaved = kind == ScheduleKind::kInterleaved;
  const bool is_dual = kind == ScheduleKind::kDualPipe;
  const auto pp = (is_dual ? 2 : 1) * *rc::gen::inRange<int64_t>(1, is_dual ? 5 : 10);
  const auto vpp = is_interleaved                       ? *rc::gen::inRange<int64_t>(1, 6)
                   : kind == ScheduleKind::kZeroBubbleV ? int64_t{2}
                                                        : int64_t{1};
  const auto factor = *rc::gen::inRange<int64_t>(1, 7);
  const int64_t m = is_interleaved && vpp > 1 ? factor * pp
                    : is_dual                 ? 2 * (pp + factor - 1)
                                              : factor;
  const auto forward = *rc::gen::inRange<int64_t>(0, 1000);
  const auto input = *rc::gen::inRange<int64_t>(0, 1000);
  const auto weight = *rc::gen::inRange<int64_t>(0, 1000);

  const PipelineChunks chunks = {kind, pp, vpp};
  const auto orders = OrdersOf(kind, pp, vpp, m);
  for (const auto& order : orders) {
    std::map<std::tuple<SlotKind, int32_t, int32_t>, int> times;
    int64_t ended = 0;
    for (const Slot& slot : order) {
      RC_ASSERT(slot.micro_batch >= 0 && slot.micro_batch < m / chunks.copies());
      RC_ASSERT(slot.chunk >= 0 && slot.chunk < chunks.per_rank());
      RC_ASSERT(++times[std::make_tuple(slot.kind, slot.micro_batch, slot.chunk)] == 1);
      // A backward comes after its forward, weight gradients after those of the input.
      const auto comes_after = [&](SlotKind before) {
        return times.count({before, slot.micro_batch, slot.chunk}) == 1;
      };
      RC_ASSERT(slot.kind == SlotKind::kForward || comes_after(SlotKind::kForward));
      RC_ASSERT(slot.kind != SlotKind::kWeight || comes_after(SlotKind::kInput));
      ended += slot.kind == SlotKind::kWeight || slot.kind == SlotKind::kBackward ? 1 : 0;
    }
    RC_ASSERT(ended == m * vpp);
    RC_ASSERT(PeakChunksInFlight(order) <= m * vpp);
  }
  engine::Program program;
  RC_ASSERT(BuildPipeline(orders, chunks, m, {forward, input, weight}, program));
  const engine::Timeline swept = engine::StaticSweep(program);
  RC_ASSERT(engine::ExecuteEvents(program)->end == swept.end);
  RC_ASSERT(swept.makespan >= m * vpp * (forward + input + weight));
}

}  // namespace
}  // namespace ridgeline::workloads
