#include "sim/training/slot_order.h"

#include <utility>

namespace ridgeline::training {

using workloads::ScheduleKind;
using workloads::Slot;
using workloads::SlotKind;

bool PairsSlots(const sim::TrainingScenario& training) {
  const bool takes_turns = training.schedule == ScheduleKind::kOneForwardOneBackward ||
                           training.schedule == ScheduleKind::kInterleaved;
  return takes_turns && training.framework.overlap.expert_parallel && training.layout.ep > 1;
}

Result<std::vector<Slot>> SlotOrderOf(const sim::TrainingScenario& training, int64_t rank,
                                      int64_t micro_batches) {
  const workloads::Layout& layout = training.layout;
  ASSIGN_OR_RETURN(std::vector<Slot> order, workloads::OrderOf(training.schedule, layout.pp,
                                                               layout.vpp, rank, micro_batches));
  if (PairsSlots(training)) {
    for (size_t i = 0; i + 1 < order.size(); ++i) {
      if (order[i].kind == SlotKind::kBackward && order[i + 1].kind == SlotKind::kForward) {
        std::swap(order[i], order[i + 1]);
        order[i].with_next = true;
        ++i;
      }
    }
  }
  return order;
}

}  // namespace ridgeline::training
