/// A pipeline as a program: one compute stream a rank, the given cost of a forward and a backward
/// through one chunk, sends that take no time.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/engine/program.h"
#include "workloads/pipeline_schedule.h"

namespace ridgeline::workloads {

/// Adds every rank's slots in its order, each when what it needs is there: a forward needs the same
/// micro-batch's forward through the model chunk before, a backward the backward through the one
/// after, and the last chunk's backward its own forward. False when the orders deadlock.
inline bool BuildPipeline(const std::vector<std::vector<Slot>>& orders, int64_t vpp,
                          int64_t micro_batches, engine::Picoseconds forward,
                          engine::Picoseconds backward, engine::Program& program) {
  const auto pp = static_cast<int64_t>(orders.size());
  const int64_t chunks = pp * vpp;
  const auto cell = [&](int64_t chunk, int64_t micro_batch) {
    return static_cast<size_t>(chunk * micro_batches + micro_batch);
  };
  const auto cells = static_cast<size_t>(chunks * micro_batches);
  std::vector<engine::TaskIndex> forwards(cells, engine::kNoTask);
  std::vector<engine::TaskIndex> backwards(cells, engine::kNoTask);
  const engine::LabelIndex label = program.AddLabel("slot", 0);
  for (int64_t rank = 0; rank < pp; ++rank) {
    program.AddStream(static_cast<uint32_t>(rank), "compute");
  }
  std::vector<size_t> next(orders.size(), 0);
  for (bool is_moving = true; is_moving;) {
    is_moving = false;
    for (int64_t rank = 0; rank < pp; ++rank) {
      const std::vector<Slot>& order = orders[static_cast<size_t>(rank)];
      for (size_t& at = next[static_cast<size_t>(rank)]; at < order.size(); ++at) {
        const Slot& slot = order[at];
        const int64_t chunk = slot.chunk * pp + rank;
        std::vector<engine::TaskIndex> needs;
        if (slot.kind == SlotKind::kForward) {
          if (chunk > 0) {
            needs = {forwards[cell(chunk - 1, slot.micro_batch)]};
          }
        } else if (chunk + 1 < chunks) {
          needs = {backwards[cell(chunk + 1, slot.micro_batch)]};
        } else {
          needs = {forwards[cell(chunk, slot.micro_batch)]};
        }
        if (!needs.empty() && needs[0] == engine::kNoTask) {
          break;
        }
        const bool is_forward = slot.kind == SlotKind::kForward;
        (is_forward ? forwards : backwards)[cell(chunk, slot.micro_batch)] = program.AddTask(
            static_cast<engine::StreamIndex>(rank), is_forward ? forward : backward, label, needs);
        is_moving = true;
      }
    }
  }
  for (size_t rank = 0; rank < orders.size(); ++rank) {
    if (next[rank] != orders[rank].size()) {
      return false;
    }
  }
  return true;
}

inline std::vector<std::vector<Slot>> OrdersOf(ScheduleKind kind, int64_t pp, int64_t vpp,
                                               int64_t micro_batches) {
  std::vector<std::vector<Slot>> orders;
  for (int64_t rank = 0; rank < pp; ++rank) {
    orders.push_back(OrderOf(kind, pp, vpp, rank, micro_batches).value());
  }
  return orders;
}

}  // namespace ridgeline::workloads
