/// Which chunk of a model's layers stands on which pipeline rank.
///
/// Chunks are numbered from the bottom of the model. With pp ranks and vpp virtual stages there are
/// pp·vpp of them:
///
///   gpipe, 1f1b, zb-h1, interleaved   chunk c on rank c mod pp
///   zb-v (arXiv:2401.10241, 6)        a V: rank r holds chunks r and 2·pp - 1 - r, so that a
///                                     micro-batch's forward ends where it began
///   dualpipe (arXiv:2412.19437, 3.2)  two copies of the model: stage s of the first on rank s, of
///                                     the second, chunk pp + s, on rank pp - 1 - s; half of the
///                                     micro-batches enter at either end
#pragma once

#include <cstdint>
#include <optional>

#include "workloads/pipeline_schedule.h"

namespace ridgeline::workloads {

struct PipelineChunks {
  ScheduleKind kind = ScheduleKind::kOneForwardOneBackward;
  int64_t pp = 1;
  int64_t vpp = 1;

  /// Of the model; each sees count() / copies() of the chunks and as many of the micro-batches.
  int64_t copies() const { return kind == ScheduleKind::kDualPipe ? 2 : 1; }
  int64_t per_copy() const { return pp * vpp; }
  int64_t per_rank() const { return vpp * copies(); }
  int64_t count() const { return pp * per_rank(); }

  /// The chunk that a rank's `local`-th is (Slot::chunk), and back. O(1).
  int64_t ChunkOf(int64_t rank, int64_t local) const;
  int64_t RankOf(int64_t chunk) const;

  /// Its forward begins a micro-batch; its forward ends one, and its backward follows.
  bool IsBottom(int64_t chunk) const { return chunk % per_copy() == 0; }
  bool IsTop(int64_t chunk) const { return chunk % per_copy() == per_copy() - 1; }

  /// The boundary that activations cross on the way to chunk + 1: the lower of two neighbours, pp -
  /// 1 between the last rank and the first (BoundaryGroup). nullopt where nothing is sent: at the
  /// top, and inside a rank.
  std::optional<int64_t> BoundaryAbove(int64_t chunk) const;
};

}  // namespace ridgeline::workloads
