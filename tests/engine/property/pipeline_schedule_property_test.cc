// Every order runs each micro-batch through each chunk once each way, and no pipeline deadlocks.
#include <map>
#include <tuple>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "sim/engine/event_engine.h"
#include "sim/engine/static_sweep.h"
#include "tests/engine/pipeline_program.h"
#include "workloads/pipeline_schedule.h"

namespace ridgeline::workloads {
namespace {

RC_GTEST_PROP(PipelineScheduleProperty, EachSlotOnceAndNoDeadlock, ()) {
  const auto kind = *rc::gen::element(ScheduleKind::kGPipe, ScheduleKind::kOneForwardOneBackward,
                                      ScheduleKind::kInterleaved);
  const auto pp = *rc::gen::inRange<int64_t>(1, 10);
  const bool is_interleaved = kind == ScheduleKind::kInterleaved;
  const auto vpp = is_interleaved ? *rc::gen::inRange<int64_t>(1, 6) : int64_t{1};
  const auto factor = *rc::gen::inRange<int64_t>(1, 7);
  const int64_t m = is_interleaved && vpp > 1 ? factor * pp : factor;
  const auto forward = *rc::gen::inRange<int64_t>(0, 1000);
  const auto backward = *rc::gen::inRange<int64_t>(0, 1000);

  const auto orders = OrdersOf(kind, pp, vpp, m);
  for (const auto& order : orders) {
    std::map<std::tuple<SlotKind, int32_t, int32_t>, int> times;
    for (const Slot& slot : order) {
      RC_ASSERT(slot.micro_batch >= 0 && slot.micro_batch < m);
      RC_ASSERT(slot.chunk >= 0 && slot.chunk < vpp);
      RC_ASSERT(++times[std::make_tuple(slot.kind, slot.micro_batch, slot.chunk)] == 1);
      // A backward comes after its forward.
      RC_ASSERT(slot.kind == SlotKind::kForward ||
                times.count({SlotKind::kForward, slot.micro_batch, slot.chunk}) == 1);
    }
    RC_ASSERT(static_cast<int64_t>(order.size()) == 2 * m * vpp);
  }
  engine::Program program;
  RC_ASSERT(BuildPipeline(orders, vpp, m, forward, backward, program));
  const engine::Timeline swept = engine::StaticSweep(program);
  RC_ASSERT(engine::ExecuteEvents(program)->end == swept.end);
  RC_ASSERT(swept.makespan >= m * vpp * (forward + backward));
}

}  // namespace
}  // namespace ridgeline::workloads
