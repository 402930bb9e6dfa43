/// A pipeline as a program: one compute stream a rank, the given cost of each slot, sends that take
/// no time.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/engine/program.h"
#include "workloads/pipeline_chunks.h"
#include "workloads/pipeline_schedule.h"

namespace ridgeline::workloads {

/// Of one micro-batch through one chunk.
struct SlotTimes {
  engine::Picoseconds forward = 0;
  engine::Picoseconds input = 0;
  engine::Picoseconds weight = 0;
  engine::Picoseconds Of(SlotKind kind) const {
    switch (kind) {
      case SlotKind::kForward:
        return forward;
      case SlotKind::kBackward:
        return input + weight;
      case SlotKind::kInput:
        return input;
      case SlotKind::kWeight:
        return weight;
    }
    return 0;
  }
};

/// Adds every rank's slots in its order, each when what it needs is there: a forward needs the same
/// micro-batch's forward through the model chunk before, a backward the backward through the one
/// after, and the top chunk's backward its own forward. Slots that run together are one task, which
/// takes both their times. False when the orders deadlock.
inline bool BuildPipeline(const std::vector<std::vector<Slot>>& orders,
                          const PipelineChunks& chunks, int64_t micro_batches,
                          const SlotTimes& times, engine::Program& program) {
  const auto cell = [&](int64_t chunk, int64_t micro_batch) {
    return static_cast<size_t>(chunk * micro_batches + micro_batch);
  };
  const auto cells = static_cast<size_t>(chunks.count() * micro_batches);
  std::vector<engine::TaskIndex> forwards(cells, engine::kNoTask);
  std::vector<engine::TaskIndex> backwards(cells, engine::kNoTask);
  const engine::LabelIndex label = program.AddLabel("slot", 0);
  for (int64_t rank = 0; rank < chunks.pp; ++rank) {
    program.AddStream(static_cast<uint32_t>(rank), "compute");
  }
  std::vector<size_t> next(orders.size(), 0);
  for (bool is_moving = true; is_moving;) {
    is_moving = false;
    for (int64_t rank = 0; rank < chunks.pp; ++rank) {
      const std::vector<Slot>& order = orders[static_cast<size_t>(rank)];
      for (size_t& at = next[static_cast<size_t>(rank)]; at < order.size();) {
        const size_t count = order[at].with_next ? 2 : 1;
        std::vector<engine::TaskIndex> needs;
        engine::Picoseconds duration = 0;
        bool is_ready = true;
        for (size_t i = at; i < at + count; ++i) {
          const Slot& slot = order[i];
          const int64_t chunk = chunks.ChunkOf(rank, slot.chunk);
          duration += times.Of(slot.kind);
          if (slot.kind == SlotKind::kForward) {
            if (!chunks.IsBottom(chunk)) {
              needs.push_back(forwards[cell(chunk - 1, slot.micro_batch)]);
            }
          } else if (slot.kind == SlotKind::kWeight) {
            needs.push_back(backwards[cell(chunk, slot.micro_batch)]);
          } else if (chunks.IsTop(chunk)) {
            needs.push_back(forwards[cell(chunk, slot.micro_batch)]);
          } else {
            needs.push_back(backwards[cell(chunk + 1, slot.micro_batch)]);
          }
        }
        for (const engine::TaskIndex need : needs) {
          is_ready = is_ready && need != engine::kNoTask;
        }
        if (!is_ready) {
          break;
        }
        const engine::TaskIndex task =
            program.AddTask(static_cast<engine::StreamIndex>(rank), duration, label, needs);
        for (size_t i = at; i < at + count; ++i) {
          if (order[i].kind != SlotKind::kWeight) {
            const int64_t chunk = chunks.ChunkOf(rank, order[i].chunk);
            (order[i].kind == SlotKind::kForward ? forwards
                                                 : backwards)[cell(chunk, order[i].micro_batch)] =
                task;
          }
        }
        at += count;
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
