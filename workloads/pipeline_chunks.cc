#include "workloads/pipeline_chunks.h"

#include <algorithm>

namespace ridgeline::workloads {

int64_t PipelineChunks::ChunkOf(int64_t rank, int64_t local) const {
  switch (kind) {
    case ScheduleKind::kZeroBubbleV:
      return local == 0 ? rank : 2 * pp - 1 - rank;
    case ScheduleKind::kDualPipe:
      return local == 0 ? rank : 2 * pp - 1 - rank;
    default:
      return local * pp + rank;
  }
}

int64_t PipelineChunks::RankOf(int64_t chunk) const {
  switch (kind) {
    case ScheduleKind::kZeroBubbleV:
    case ScheduleKind::kDualPipe:
      return chunk < pp ? chunk : 2 * pp - 1 - chunk;
    default:
      return chunk % pp;
  }
}

std::optional<int64_t> PipelineChunks::BoundaryAbove(int64_t chunk) const {
  if (IsTop(chunk)) {
    return std::nullopt;
  }
  const int64_t from = RankOf(chunk);
  const int64_t to = RankOf(chunk + 1);
  if (from == to) {
    return std::nullopt;
  }
  const bool goes_round = from == pp - 1 && to == 0 && kind == ScheduleKind::kInterleaved;
  return goes_round ? from : std::min(from, to);
}

}  // namespace ridgeline::workloads
