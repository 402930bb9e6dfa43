/// The makespan of a training step without its program: what a planner asks for thousands of
/// configurations a second. The recurrences are those of BuildStepProgram's tasks at Detail::kSlots
/// under a static sweep, and give the same picosecond (a property test); no task, name or
/// dependency is written down.
///
/// O(slots) time, 8 B a (chunk, micro-batch); buffers are kept, so that a warm sweep allocates
/// nothing.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/stop.h"
#include "sim/engine/sim_time.h"
#include "sim/scenario.h"
#include "sim/training/stage_costs.h"
#include "sim/training/step_program.h"

namespace ridgeline::training {

class StepSweep {
 public:
  /// Takes up one step's costs, at the mean; they must fit the clock (FitsClock) and outlive the
  /// calls below. Schedules that workloads::WarmUpOf does not know, and parameters cut over ranks
  /// in a pipeline, have no recurrences here: they are built as a program and swept, which costs
  /// some ten times as much.
  void Load(const sim::TrainingScenario& training, const StageView& stages,
            const EpilogueCosts& epilogue);

  /// No order of slots finishes the loaded step earlier: the longest of its ranks' work with the
  /// fill before and the drain behind it, then what the step's end cannot hide. O(layers + pp).
  engine::Picoseconds LowerBound();

  /// The loaded step's makespan. Errors: kCancelled and kDeadlineExceeded from `stop`.
  Result<engine::Picoseconds> Makespan(const Stop& stop);

 private:
  using Picoseconds = engine::Picoseconds;

  /// Both passes of a chunk for one micro-batch.
  struct ChunkTime {
    HostChain forward;
    HostChain backward;
  };
  /// Where a chunk's entries begin in the epilogue's lists; one more entry than chunks.
  struct EpilogueRange {
    size_t reductions = 0;
    size_t gathers = 0;
  };
  /// A rank's place in its order and on its streams.
  struct RankState {
    int64_t warm_up = 0;
    int64_t forwards = 0;  // begun
    int64_t backwards = 0;
    Picoseconds compute = 0;        // free at
    Picoseconds waits = 0;          // nothing on the compute stream begins before
    Picoseconds host = 0;           // has issued all so far at
    Picoseconds send_forward = 0;   // free at
    Picoseconds send_backward = 0;  // free at
    Picoseconds data = 0;           // free at
    Picoseconds reduced = 0;        // last gradient reduction ends
  };

  bool NeedsProgram() const;
  /// Of those: the most that a rank has to do, one thing after the other.
  Picoseconds BoundOfWork();
  Result<Picoseconds> SweepProgram(const Stop& stop) const;
  void StartRanks();
  void GatherParameters();
  /// Whether the rank's next slot could run, and did.
  bool RunNext(size_t rank);
  void RunForward(size_t rank, size_t chunk, size_t micro_batch, Picoseconds arrival);
  void RunBackward(size_t rank, size_t chunk, size_t micro_batch, Picoseconds arrival);
  /// The last backward of a chunk, layer by layer, with the reductions that run behind it.
  Picoseconds ReducingBackward(size_t rank, size_t chunk, Picoseconds begin, RankState& state);
  /// The first forward of a chunk, layer by layer, each waiting for its parameters.
  Picoseconds GatheringForward(size_t chunk, Picoseconds begin, RankState& state) const;
  /// Both passes with parameters cut over ranks (sharded_layers.h).
  Picoseconds ShardedForward(Picoseconds begin, RankState& state);
  Picoseconds ShardedBackward(Picoseconds begin, RankState& state);
  /// The end of a collective of theirs, issued now, that may not begin before `begin`.
  static Picoseconds Collect(const Duration& issue, const Duration& duration, Picoseconds begin,
                             RankState& state);
  /// The end on the GPU of a chain that it could begin at `begin`; the host issues it.
  static Picoseconds Run(const HostChain& chain, Picoseconds begin, RankState& state) {
    const Picoseconds end = std::max(begin, state.host + chain.lead) + chain.device;
    state.host += chain.host;
    return end;
  }
  /// What collectives beside it add to a layer's pass that ended at `begin`.
  static Picoseconds Slow(const Duration& slowing, Picoseconds begin, RankState& state) {
    return slowing[Bound::kMean] > 0 ? Run({.device = slowing[Bound::kMean]}, begin, state) : begin;
  }
  /// From the earliest begin of the last backward to bounds of its end and of its reductions'.
  void BoundSharded(RankState& state) const;
  Picoseconds Reduce(size_t chunk, Picoseconds data_free) const;
  /// From the end of the schedule to the end of the step.
  Picoseconds Finish();
  Picoseconds SendOf(size_t boundary) const {
    return stages_->boundary_sends[boundary][Bound::kMean];
  }
  size_t num_chunks() const { return chunks_.size(); }

  const sim::TrainingScenario* training_ = nullptr;
  std::optional<StageView> stages_;
  const EpilogueCosts* epilogue_ = nullptr;
  size_t pp_ = 1;
  size_t vpp_ = 1;
  size_t micro_batches_ = 1;
  std::vector<ChunkTime> chunks_;
  std::vector<EpilogueRange> ranges_;
  std::vector<Picoseconds> gathered_;  // when each gather ends
  // With parameters cut over ranks, by layer: when they are there, and out of their buffer.
  /// A reduced bucket whose gradients are copied out at the end.
  struct ReducedBucket {
    Picoseconds at = 0;
    HostChain copy_out;
  };
  std::vector<std::vector<ReducedBucket>> buckets_;  // by rank, in the order of their reduction
  std::vector<Picoseconds> layer_gathered_;
  std::vector<Picoseconds> layer_copied_;
  std::vector<RankState> ranks_;
  // By chunk and micro-batch, when the next chunk may go on; kNotYet before that is known.
  std::vector<Picoseconds> forward_done_;
  std::vector<Picoseconds> backward_done_;
};

}  // namespace ridgeline::training
