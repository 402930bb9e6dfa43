#include "planner/validation/ideal_pipeline.h"

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "base/check.h"
#include "sim/engine/program.h"
#include "sim/engine/static_sweep.h"

namespace ridgeline::validation {
namespace {

using engine::TaskIndex;
using workloads::Slot;
using workloads::SlotKind;

// One chunk's forward and backward; any numbers with this ratio give the same fraction.
constexpr engine::Picoseconds kForward = 1'000'000;
constexpr engine::Picoseconds kBackward = 2 * kForward;

/// Finds tasks by model chunk, micro-batch and direction.
class TaskTable {
 public:
  TaskTable(size_t chunks, size_t micro_batches)
      : micro_batches_(micro_batches), tasks_(chunks * micro_batches * 2) {}
  std::optional<TaskIndex>& At(size_t chunk, size_t micro_batch, SlotKind kind) {
    return tasks_[(chunk * micro_batches_ + micro_batch) * 2 +
                  (kind == SlotKind::kForward ? 0 : 1)];
  }

 private:
  size_t micro_batches_;
  std::vector<std::optional<TaskIndex>> tasks_;
};

/// The task that this one waits for on another stage; `is_ready` is false while that is not added.
struct Dependency {
  bool is_ready = true;
  std::optional<TaskIndex> task;
};

Dependency DependencyOf(TaskTable& table, size_t chunk, size_t chunks, const Slot& slot) {
  const auto micro_batch = static_cast<size_t>(slot.micro_batch);
  std::optional<TaskIndex> before;
  if (slot.kind == SlotKind::kForward) {
    if (chunk == 0) {
      return {};
    }
    before = table.At(chunk - 1, micro_batch, SlotKind::kForward);
  } else if (chunk + 1 == chunks) {
    before = table.At(chunk, micro_batch, SlotKind::kForward);
  } else {
    before = table.At(chunk + 1, micro_batch, SlotKind::kBackward);
  }
  return {.is_ready = before.has_value(), .task = before};
}

}  // namespace

Result<double> IdealBubbleFraction(workloads::ScheduleKind schedule, int64_t stages,
                                   int64_t virtual_stages, int64_t micro_batches) {
  const auto ranks = static_cast<size_t>(stages);
  const size_t chunks = ranks * static_cast<size_t>(virtual_stages);
  std::vector<std::vector<Slot>> orders;
  engine::Program program;
  for (size_t rank = 0; rank < ranks; ++rank) {
    ASSIGN_OR_RETURN(std::vector<Slot> order,
                     workloads::OrderOf(schedule, stages, virtual_stages,
                                        static_cast<int64_t>(rank), micro_batches));
    orders.push_back(std::move(order));
    program.AddStream(static_cast<uint32_t>(rank), "compute");
  }
  const engine::LabelIndex label = program.AddLabel("chunk", 0);
  TaskTable table(chunks, static_cast<size_t>(micro_batches));
  std::vector<size_t> next(ranks, 0);
  for (bool has_moved = true; has_moved;) {
    has_moved = false;
    for (size_t rank = 0; rank < ranks; ++rank) {
      while (next[rank] < orders[rank].size()) {
        const Slot& slot = orders[rank][next[rank]];
        const size_t chunk = static_cast<size_t>(slot.chunk) * ranks + rank;
        const Dependency dependency = DependencyOf(table, chunk, chunks, slot);
        if (!dependency.is_ready) {
          break;
        }
        const std::array<TaskIndex, 1> before = {dependency.task.value_or(0)};
        const bool is_forward = slot.kind == SlotKind::kForward;
        table.At(chunk, static_cast<size_t>(slot.micro_batch), slot.kind) = program.AddTask(
            static_cast<engine::StreamIndex>(rank), is_forward ? kForward : kBackward, label,
            std::span<const TaskIndex>(before).first(dependency.task ? 1 : 0));
        ++next[rank];
        has_moved = true;
      }
    }
  }
  for (size_t rank = 0; rank < ranks; ++rank) {
    CHECK(next[rank] == orders[rank].size(), "the schedule of rank {} waits for itself", rank);
  }
  const double busy = static_cast<double>(micro_batches * virtual_stages) *
                      static_cast<double>(kForward + kBackward);
  return 1.0 - busy / static_cast<double>(engine::StaticSweep(program).makespan);
}

}  // namespace ridgeline::validation
