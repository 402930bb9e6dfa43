#include "sim/training/full_rank_step.h"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "sim/training/full_rank_stage.h"
#include "sim/training/slot_order.h"

namespace ridgeline::training {
namespace {

using engine::Picoseconds;
using workloads::Slot;
using workloads::SlotKind;

/// A gather of parameters, and the lowest layer of a chunk that waits for it.
struct LayerGather {
  size_t before_layer = 0;
  RankTransferPtr transfer;
};

/// A bucket whose gradients are copied out of it once all layers are done.
struct ReducedBucket {
  RankTransferPtr reduced;
  const EpilogueCosts::Reduction* reduction = nullptr;
};

/// A stage while the step runs.
struct Stage : WaitingStage {
  RankTransfers reductions;  // not yet waited for
  std::vector<ReducedBucket> buckets;
  std::vector<size_t> late_reductions;  // chunks
};

class FullRankStep {
 public:
  FullRankStep(const sim::TrainingScenario& training, const StageCosts& stages,
               const EpilogueCosts& epilogue, StageRanks& ranks, StepFactors& factors, Bound bound)
      : training_(training),
        costs_(stages),
        epilogue_(epilogue),
        ranks_(ranks),
        factors_(factors),
        bound_(bound),
        pp_(static_cast<size_t>(training.layout.pp)),
        places_(ChunksOf(training)),
        chunks_(stages.chunks.size()),
        micro_batches_(static_cast<size_t>(MicroBatchesOfChunk(training))) {
    for (size_t stage = 0; stage < pp_; ++stage) {
      stages_.push_back(
          {{StageState(ranks.replicas(), epilogue.host.has_value()), {}}, {}, {}, {}});
    }
  }

  Result<FullRankResult> Run(const Stop& stop) {
    RETURN_IF_ERROR(MakeOrders(stop));
    Start();
    RETURN_IF_ERROR(RunSchedule(stop));
    return Finish();
  }

 private:
  size_t replicas() const { return ranks_.replicas(); }
  Picoseconds At(const Duration& duration) const { return duration[bound_]; }
  void Count(size_t tasks = 1) { tasks_ += static_cast<int64_t>(tasks * replicas()); }
  void CountIssue() { Count(epilogue_.host ? 1 : 0); }
  size_t ChunkOf(size_t rank, const Slot& slot) const {
    return static_cast<size_t>(places_.ChunkOf(static_cast<int64_t>(rank), slot.chunk));
  }
  bool IsBottom(size_t chunk) const { return places_.IsBottom(static_cast<int64_t>(chunk)); }
  bool IsTop(size_t chunk) const { return places_.IsTop(static_cast<int64_t>(chunk)); }
  size_t Index(size_t chunk, int32_t micro_batch) const {
    return chunk * micro_batches_ + static_cast<size_t>(micro_batch);
  }

  Status MakeOrders(const Stop& stop) {
    for (size_t rank = 0; rank < pp_; ++rank) {
      RETURN_IF_ERROR(stop.Check());
      ASSIGN_OR_RETURN(std::vector<Slot> order,
                       SlotOrderOf(training_, static_cast<int64_t>(rank), training_.micro_batches));
      for (const Slot& slot : order) {
        if (slot.with_next) {
          return Unimplemented(
              "every rank simulated for itself where a forward runs beside a backward (dualpipe, "
              "framework.overlap.expert_parallel)",
              "leave training.ranks out: the step is then simulated once for all replicas");
        }
      }
      orders_.push_back(std::move(order));
    }
    for (auto* done : {&forward_done_, &backward_done_}) {
      done->resize(chunks_ * micro_batches_);
    }
    has_forward_.assign(chunks_ * micro_batches_, false);
    has_backward_.assign(chunks_ * micro_batches_, false);
    backwards_left_.assign(chunks_, micro_batches_);
    gathers_of_chunk_.resize(chunks_);
    reductions_of_chunk_.resize(chunks_);
    for (const EpilogueCosts::Reduction& reduction : epilogue_.reductions) {
      reductions_of_chunk_[reduction.after_chunk].push_back(&reduction);
    }
    return {};
  }

  void Start() {
    for (Stage& stage : stages_) {
      if (epilogue_.host) {
        stage.state.StartHost(At(epilogue_.host->start));
        Count();
      }
    }
    if (training_.framework.overlap.parameter_gather) {
      for (const EpilogueCosts::Gather& gather : epilogue_.gathers) {
        gathers_of_chunk_[gather.before_chunk].push_back({gather.before_layer, Gathered(gather)});
      }
    }
  }

  /// On the data-parallel stream of a stage, behind its compute so far.
  RankTransferPtr Gathered(const EpilogueCosts::Gather& gather) {
    return OnDataStream(stages_[gather.rank], gather.axis, At(gather.duration));
  }
  RankTransferPtr OnDataStream(Stage& stage, workloads::Axis axis, Picoseconds duration) {
    Count();
    return stage.Transfer(duration, ranks_.Groups(axis));
  }

  Status RunSchedule(const Stop& stop) {
    std::vector<size_t> next(pp_, 0);
    size_t left = 0;
    for (const std::vector<Slot>& order : orders_) {
      left += order.size();
    }
    while (left > 0) {
      const size_t before = left;
      for (size_t rank = 0; rank < pp_; ++rank) {
        while (next[rank] < orders_[rank].size() && IsReady(rank, orders_[rank][next[rank]])) {
          RunSlot(rank, orders_[rank][next[rank]]);
          RETURN_IF_ERROR(stop.Check());
          ++next[rank];
          --left;
        }
      }
      CHECK(left < before, "schedule deadlocks with {} slots left", left);
    }
    return {};
  }

  bool IsReady(size_t rank, const Slot& slot) const {
    const size_t chunk = ChunkOf(rank, slot);
    switch (slot.kind) {
      case SlotKind::kForward:
        return IsBottom(chunk) || has_forward_[Index(chunk - 1, slot.micro_batch)];
      case SlotKind::kBackward:
      case SlotKind::kInput:
        return IsTop(chunk) ? has_forward_[Index(chunk, slot.micro_batch)]
                            : has_backward_[Index(chunk + 1, slot.micro_batch)];
      case SlotKind::kWeight:
        break;  // behind its input gradient in the rank's own order
    }
    return true;
  }

  /// What the slot waits for from another rank.
  RankTransferPtr ArrivalOf(size_t rank, const Slot& slot) {
    const size_t chunk = ChunkOf(rank, slot);
    if (slot.kind == SlotKind::kForward) {
      return IsBottom(chunk)
                 ? nullptr
                 : std::exchange(forward_done_[Index(chunk - 1, slot.micro_batch)], nullptr);
    }
    return slot.kind == SlotKind::kWeight || IsTop(chunk)
               ? nullptr
               : std::exchange(backward_done_[Index(chunk + 1, slot.micro_batch)], nullptr);
  }

  static void WaitForReductions(Stage& stage) {
    stage.pending.insert(stage.pending.end(), stage.reductions.begin(), stage.reductions.end());
    stage.reductions.clear();
  }

  void RunSlot(size_t rank, const Slot& slot) {
    Stage& stage = stages_[rank];
    const size_t chunk = ChunkOf(rank, slot);
    if (RankTransferPtr arrival = ArrivalOf(rank, slot)) {
      stage.pending.push_back(std::move(arrival));
    }
    const bool makes_gradients = MakesGradients(slot.kind);
    const bool is_last = makes_gradients && --backwards_left_[chunk] == 0;
    const bool reduces = is_last || (makes_gradients && epilogue_.reduces_every_micro_batch);
    const bool overlaps = training_.framework.overlap.gradient_reduce;
    RunPass(rank, chunk, slot, reduces && overlaps);
    if (is_last && !overlaps) {
      stage.late_reductions.push_back(chunk);
    } else if (reduces && !overlaps) {
      ReduceChunk(rank, chunk);
    }
    if (slot.kind != SlotKind::kWeight) {
      Send(rank, chunk, slot);
    }
    if (!overlaps) {
      WaitForReductions(stage);  // what is sent does not
    }
  }

  void RunPass(size_t rank, size_t chunk, const Slot& slot, bool reduces) {
    Stage& stage = stages_[rank];
    const std::vector<size_t>& layers = costs_.chunks[chunk].layers;
    const bool is_forward = slot.kind == SlotKind::kForward;
    std::vector<LayerGather> gathers;
    if (is_forward) {
      gathers.swap(gathers_of_chunk_[chunk]);
    }
    for (size_t i = 0; i < layers.size(); ++i) {
      const size_t position = is_forward ? i : layers.size() - 1 - i;
      for (const LayerGather& gather : gathers) {
        if (gather.before_layer == position) {
          stage.pending.push_back(gather.transfer);
        }
      }
      stage.Wait();
      const std::span<const double> factors = FactorsOf(rank, chunk, position, slot);
      RunLayer(stage.state, PassOf(costs_.layers[layers[position]], slot.kind), factors);
      if (reduces) {
        if (!epilogue_.slows_backward.empty()) {
          const Duration& slowing = epilogue_.slows_backward[chunk][position];
          if (slowing[Bound::kMean] > 0) {  // as RankTasks::AddSlowing
            stage.state.Chain(Cause::kDataParallel, {.device = At(slowing)}, factors);
            Count();
          }
        }
        Reduce(rank, chunk, position);
      }
    }
  }

  std::span<const double> FactorsOf(size_t rank, size_t chunk, size_t position, const Slot& slot) {
    return factors_.OfPass(rank, {.chunk = chunk,
                                  .position = position,
                                  .micro_batch = static_cast<uint64_t>(slot.micro_batch),
                                  .kind = static_cast<uint64_t>(slot.kind)});
  }

  void RunLayer(StageState& state, const CostedPass& pass, std::span<const double> factors) {
    for (const CostedStep& step : pass.steps) {
      if (!step.is_collective) {
        state.Compute(step.cause, At(step.duration), At(step.host), factors, At(step.slowed),
                      step.slowed_by);
      } else if (step.runs_beside_next) {
        state.MeetBeside(step.cause, At(step.duration), At(step.host), ranks_.Groups(step.axis));
      } else {
        state.Meet(step.cause, At(step.duration), At(step.host), ranks_.Groups(step.axis));
      }
    }
    state.FinishBeside();
    Count(pass.steps.size() * (epilogue_.host ? 2 : 1));
  }

  void Reduce(size_t rank, size_t chunk, size_t position) {
    Stage& stage = stages_[rank];
    for (const EpilogueCosts::Reduction* reduction : reductions_of_chunk_[chunk]) {
      if (reduction->after_layer != position) {
        continue;
      }
      if (epilogue_.copies_gradients) {
        RunChain(rank, Cause::kElementwise, reduction->copy_in);
      }
      while (!stage.reductions.empty() && stage.IsPast(*stage.reductions.front())) {
        stage.reductions.erase(stage.reductions.begin());
      }
      stage.reductions.push_back(OnDataStream(stage, reduction->axis, At(reduction->duration)));
      if (epilogue_.copies_gradients) {
        stage.buckets.push_back({stage.reductions.back(), reduction});
      }
    }
  }
  void ReduceChunk(size_t rank, size_t chunk) {
    for (size_t position = costs_.chunks[chunk].layers.size(); position-- > 0;) {
      Reduce(rank, chunk, position);
    }
  }

  void RunChain(size_t rank, Cause cause, const CostedChain& chain) {
    stages_[rank].Wait();
    stages_[rank].state.Chain(cause, chain.At(bound_), factors_.OfStage(rank));
    Count();
    CountIssue();
  }

  void Send(size_t rank, size_t chunk, const Slot& slot) {
    Stage& stage = stages_[rank];
    const bool is_forward = slot.kind == SlotKind::kForward;
    const size_t index = Index(chunk, slot.micro_batch);
    (is_forward ? has_forward_ : has_backward_)[index] = true;
    const std::optional<int64_t> above =
        is_forward        ? places_.BoundaryAbove(static_cast<int64_t>(chunk))
        : IsBottom(chunk) ? std::nullopt
                          : places_.BoundaryAbove(static_cast<int64_t>(chunk) - 1);
    if (!above) {
      return;
    }
    auto send = std::make_shared<RankTransfer>();
    send->duration = At(costs_.boundary_sends[static_cast<size_t>(*above)]);
    send->begin = stage.Frontier();
    StageState::Times& free = is_forward ? stage.state.send_forward : stage.state.send_backward;
    for (size_t i = 0; i < free.size(); ++i) {
      send->begin[i] = std::max(send->begin[i], free[i]);
      free[i] = send->end(i);
    }
    Count();
    if (!training_.framework.overlap.pipeline_sends) {
      stage.pending.push_back(send);
    }
    (is_forward ? forward_done_ : backward_done_)[index] = std::move(send);
  }

  FullRankResult Finish() {
    for (size_t rank = 0; rank < pp_; ++rank) {
      for (const size_t chunk : stages_[rank].late_reductions) {
        ReduceChunk(rank, chunk);
      }
    }
    ReduceWordTable();
    Picoseconds together = 0;
    for (size_t rank = 0; rank < pp_; ++rank) {
      FinishGradients(rank);
      together = std::max(together, stages_[rank].state.Latest());
    }
    Picoseconds makespan = 0;
    for (size_t rank = 0; rank < pp_; ++rank) {
      Stage& stage = stages_[rank];
      if (epilogue_.clips_gradients) {
        stage.state.MeetAll(Cause::kDataParallel, together, At(epilogue_.norm_reduction));
        Count();
      }
      CostedChain update;
      update.total = epilogue_.update[rank];
      if (epilogue_.host) {
        update.host = epilogue_.host->update[rank];
        update.lead = epilogue_.host->update_lead[rank];
      }
      RunChain(rank, Cause::kOptimizer, update);
      if (!training_.framework.overlap.parameter_gather) {
        for (const EpilogueCosts::Gather& gather : epilogue_.gathers) {
          if (gather.rank == rank) {
            trailing_.push_back(Gathered(gather));
          }
        }
        stage.pending = std::exchange(trailing_, {});
        stage.Wait();
      }
      makespan = std::max(makespan, stage.state.Latest());
    }
    return Book(makespan);
  }

  /// First and last stage, once both have its gradient.
  void ReduceWordTable() {
    if (epilogue_.tied_reduction.empty()) {
      return;
    }
    const StageState::Times first = stages_.front().Frontier();
    const StageState::Times last = stages_.back().Frontier();
    for (size_t rank = 0; rank < pp_; ++rank) {
      Stage& stage = stages_[rank];
      const Picoseconds duration = At(epilogue_.tied_reduction[rank]);
      if (epilogue_.tied_reduction[rank][Bound::kMean] <= 0) {
        continue;
      }
      auto transfer = std::make_shared<RankTransfer>();
      transfer->cause = Cause::kDataParallel;
      transfer->duration = duration;
      for (size_t i = 0; i < first.size(); ++i) {
        transfer->begin.push_back(std::max({first[i], last[i], stage.state.data[i]}));
        stage.state.data[i] = transfer->end(i);
      }
      stage.reductions.push_back(std::move(transfer));
      Count();
    }
  }

  void FinishGradients(size_t rank) {
    Stage& stage = stages_[rank];
    for (const ReducedBucket& bucket : stage.buckets) {
      stage.pending.push_back(bucket.reduced);
      RunChain(rank, Cause::kElementwise, bucket.reduction->copy_out);
    }
    WaitForReductions(stage);
    CostedChain norm;
    norm.total = epilogue_.gradient_norm[rank];
    if (epilogue_.host) {
      norm.host = norm.lead = epilogue_.host->norm;
    }
    RunChain(rank, Cause::kOptimizer, norm);
  }

  FullRankResult Book(Picoseconds makespan) {
    FullRankResult result = {.makespan = makespan, .by_rank = {}, .tasks = tasks_};
    result.by_rank.resize(pp_ * replicas());
    for (size_t rank = 0; rank < pp_; ++rank) {
      StageState& state = stages_[rank].state;
      state.WaitUntil(makespan);
      for (size_t i = 0; i < replicas(); ++i) {
        CauseTimes& times = result.by_rank[static_cast<size_t>(ranks_.RankOf(rank, i))];
        times = state.TimesOf(i);
        CHECK(times.total() == makespan, "{} ps booked of {}", times.total(), makespan);
      }
    }
    return result;
  }

  const sim::TrainingScenario& training_;
  const StageCosts& costs_;
  const EpilogueCosts& epilogue_;
  StageRanks& ranks_;
  StepFactors& factors_;
  const Bound bound_;
  const size_t pp_;
  const workloads::PipelineChunks places_;
  const size_t chunks_;
  const size_t micro_batches_;
  std::vector<Stage> stages_;
  std::vector<std::vector<Slot>> orders_;
  RankTransfers forward_done_, backward_done_;    // by chunk and micro-batch, until received
  std::vector<bool> has_forward_, has_backward_;  // likewise: has run
  std::vector<size_t> backwards_left_;            // by chunk
  std::vector<std::vector<LayerGather>> gathers_of_chunk_;
  std::vector<std::vector<const EpilogueCosts::Reduction*>> reductions_of_chunk_;
  RankTransfers trailing_;
  int64_t tasks_ = 0;
};

}  // namespace

Status SupportsFullRank(const EpilogueCosts& epilogue) {
  const auto refuse = [](std::string what, std::string path) {
    return Fail({.code = ErrorCode::kUnimplemented,
                 .message = "every rank simulated for itself, with " + what,
                 .hint = "leave training.ranks out: the step is then simulated once for all "
                         "replicas",
                 .path = std::move(path)});
  };
  if (!epilogue.sharded.empty()) {
    return refuse("parameters cut over ranks (ZeRO-3, FSDP)", "training.sharding");
  }
  return {};
}

Result<FullRankResult> RunFullRankStep(const sim::TrainingScenario& training,
                                       const StageCosts& stages, const EpilogueCosts& epilogue,
                                       StageRanks& ranks, StepFactors& factors, Bound bound,
                                       const Stop& stop) {
  RETURN_IF_ERROR(SupportsFullRank(epilogue));
  return FullRankStep(training, stages, epilogue, ranks, factors, bound).Run(stop);
}

}  // namespace ridgeline::training
