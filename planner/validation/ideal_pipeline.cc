#include "planner/validation/ideal_pipeline.h"

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/check.h"
#include "sim/engine/program.h"
#include "sim/engine/static_sweep.h"
#include "workloads/pipeline_chunks.h"

namespace ridgeline::validation {
namespace {

using engine::TaskIndex;
using workloads::PipelineChunks;
using workloads::Slot;
using workloads::SlotKind;

// One chunk's forward, and either half of its backward; any number gives the same fraction.
constexpr engine::Picoseconds kForward = 1'000'000;
constexpr engine::Picoseconds kBackward = 2 * kForward;

engine::Picoseconds TimeOf(SlotKind kind) {
  return kind == SlotKind::kBackward ? kBackward : kForward;
}

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

Dependency DependencyOf(TaskTable& table, const PipelineChunks& chunks, int64_t chunk,
                        const Slot& slot) {
  const auto micro_batch = static_cast<size_t>(slot.micro_batch);
  const auto at = static_cast<size_t>(chunk);
  std::optional<TaskIndex> before;
  if (slot.kind == SlotKind::kForward) {
    if (chunks.IsBottom(chunk)) {
      return {};
    }
    before = table.At(at - 1, micro_batch, SlotKind::kForward);
  } else if (slot.kind == SlotKind::kWeight) {
    before = table.At(at, micro_batch, SlotKind::kBackward);
  } else if (chunks.IsTop(chunk)) {
    before = table.At(at, micro_batch, SlotKind::kForward);
  } else {
    before = table.At(at + 1, micro_batch, SlotKind::kBackward);
  }
  return {.is_ready = before.has_value(), .task = before};
}

}  // namespace

Result<double> IdealBubbleFraction(workloads::ScheduleKind schedule, int64_t stages,
                                   int64_t virtual_stages, int64_t micro_batches) {
  const auto ranks = static_cast<size_t>(stages);
  const PipelineChunks chunks = {schedule, stages, virtual_stages};
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
  TaskTable table(static_cast<size_t>(chunks.count()), static_cast<size_t>(micro_batches));
  std::vector<size_t> next(ranks, 0);
  for (bool has_moved = true; has_moved;) {
    has_moved = false;
    for (size_t rank = 0; rank < ranks; ++rank) {
      while (next[rank] < orders[rank].size()) {
        // Slots that run together are one task, of both their times.
        const size_t count = orders[rank][next[rank]].with_next ? 2 : 1;
        const std::span<const Slot> slots = std::span(orders[rank]).subspan(next[rank], count);
        std::vector<TaskIndex> before;
        engine::Picoseconds time = 0;
        bool is_ready = true;
        for (const Slot& slot : slots) {
          const int64_t chunk = chunks.ChunkOf(static_cast<int64_t>(rank), slot.chunk);
          const Dependency dependency = DependencyOf(table, chunks, chunk, slot);
          is_ready = is_ready && dependency.is_ready;
          time += TimeOf(slot.kind);
          if (dependency.task) {
            before.push_back(*dependency.task);
          }
        }
        if (!is_ready) {
          break;
        }
        const TaskIndex task =
            program.AddTask(static_cast<engine::StreamIndex>(rank), time, label, before);
        for (const Slot& slot : slots) {
          if (slot.kind != SlotKind::kWeight) {
            table.At(static_cast<size_t>(chunks.ChunkOf(static_cast<int64_t>(rank), slot.chunk)),
                     static_cast<size_t>(slot.micro_batch), slot.kind) = task;
          }
        }
        next[rank] += count;
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
