#include "sim/training/step_sweep.h"

#include <algorithm>

#include "base/check.h"
#include "sim/engine/static_sweep.h"
#include "sim/training/slot_order.h"
#include "workloads/pipeline_schedule.h"

namespace ridgeline::training {
namespace {

using engine::Picoseconds;

constexpr Picoseconds kNotYet = -1;

}  // namespace

void StepSweep::Load(const sim::TrainingScenario& training, const StageView& stages,
                     const EpilogueCosts& epilogue) {
  training_ = &training;
  stages_ = stages;
  epilogue_ = &epilogue;
  pp_ = static_cast<size_t>(training.layout.pp);
  vpp_ = static_cast<size_t>(training.layout.vpp);
  micro_batches_ = static_cast<size_t>(training.micro_batches);
  chunks_.assign(stages.chunks.size(), {});
  for (size_t chunk = 0; chunk < chunks_.size(); ++chunk) {
    const std::vector<size_t>& layers = stages.chunks[chunk].layers;
    ChunkTime& time = chunks_[chunk];
    for (size_t i = 0; i < layers.size(); ++i) {
      time.forward = time.forward.Then(stages.layers[layers[i]].forward.At(Bound::kMean));
      time.backward = time.backward.Then(
          stages.layers[layers[layers.size() - 1 - i]].backward.At(Bound::kMean));
    }
    // For the bound: what copies and the issue of collectives add, wherever it is added.
    const std::span<const ShardedLayer> sharded =
        chunks_.size() == 1 ? std::span(epilogue.sharded) : std::span<const ShardedLayer>();
    for (const ShardedLayer& layer : sharded) {
      const HostChain copy_out = layer.copy_out.At(Bound::kMean);
      const HostChain copy_in = layer.copy_in.At(Bound::kMean);
      const Picoseconds issue = epilogue.issue_gather[Bound::kMean];
      time.forward.device += copy_out.device + layer.slows_forward[Bound::kMean];
      time.forward.host += copy_out.host + issue;
      time.backward.device += layer.slows_backward[Bound::kMean] + copy_in.device +
                              (layer.regathers ? copy_out.device : 0);
      time.backward.host += copy_in.host + epilogue.issue_reduce[Bound::kMean] +
                            (layer.regathers ? copy_out.host + issue : 0);
    }
  }
  // Both lists come chunk by chunk.
  ranges_.assign(chunks_.size() + 1, {});
  EpilogueRange next;
  for (size_t chunk = 0; chunk < chunks_.size(); ++chunk) {
    ranges_[chunk] = next;
    while (next.reductions < epilogue.reductions.size() &&
           epilogue.reductions[next.reductions].after_chunk == chunk) {
      ++next.reductions;
    }
    while (next.gathers < epilogue.gathers.size() &&
           epilogue.gathers[next.gathers].before_chunk == chunk) {
      ++next.gathers;
    }
  }
  ranges_.back() = next;
  CHECK(next.reductions == epilogue.reductions.size() && next.gathers == epilogue.gathers.size(),
        "reductions and gathers do not come chunk by chunk");
}

void StepSweep::StartRanks() {
  ranks_.assign(pp_, {});
  for (size_t rank = 0; rank < pp_; ++rank) {
    const auto warm_up =
        workloads::WarmUpOf(training_->schedule, training_->layout.pp, training_->layout.vpp,
                            static_cast<int64_t>(rank), training_->micro_batches);
    ranks_[rank].warm_up = warm_up.value_or(0);
    ranks_[rank].host = epilogue_->host ? epilogue_->host->start[Bound::kMean] : 0;
  }
  buckets_.resize(pp_);
  for (std::vector<ReducedBucket>& buckets : buckets_) {
    buckets.clear();
  }
  layer_gathered_.assign(epilogue_->sharded.size(), 0);
  layer_copied_.assign(epilogue_->sharded.size(), 0);
  GatherParameters();
}

void StepSweep::GatherParameters() {
  gathered_.assign(epilogue_->gathers.size(), 0);
  if (!training_->framework.overlap.parameter_gather) {
    return;
  }
  for (size_t i = 0; i < gathered_.size(); ++i) {
    const EpilogueCosts::Gather& gather = epilogue_->gathers[i];
    ranks_[gather.rank].data += gather.duration[Bound::kMean];
    gathered_[i] = ranks_[gather.rank].data;
  }
}

Picoseconds StepSweep::GatheringForward(size_t chunk, Picoseconds begin, RankState& state) const {
  const std::vector<size_t>& layers = stages_->chunks[chunk].layers;
  size_t gather = ranges_[chunk].gathers;
  const size_t end = ranges_[chunk + 1].gathers;
  Picoseconds now = begin;
  for (size_t position = 0; position < layers.size(); ++position) {
    for (; gather < end && epilogue_->gathers[gather].before_layer == position; ++gather) {
      now = std::max(now, gathered_[gather]);
    }
    now = Run(stages_->layers[layers[position]].forward.At(Bound::kMean), now, state);
  }
  return now;
}

Picoseconds StepSweep::ReducingBackward(size_t rank, size_t chunk, Picoseconds begin,
                                        RankState& state) {
  const std::vector<size_t>& layers = stages_->chunks[chunk].layers;
  size_t reduction = ranges_[chunk].reductions;
  const size_t end = ranges_[chunk + 1].reductions;
  Picoseconds now = begin;
  for (size_t position = layers.size(); position-- > 0;) {
    now = Run(stages_->layers[layers[position]].backward.At(Bound::kMean), now, state);
    if (!epilogue_->slows_backward.empty()) {
      now = Slow(epilogue_->slows_backward[chunk][position], now, state);
    }
    for (; reduction < end && epilogue_->reductions[reduction].after_layer == position;
         ++reduction) {
      const EpilogueCosts::Reduction& bucket = epilogue_->reductions[reduction];
      if (epilogue_->copies_gradients) {
        now = Run(bucket.copy_in.At(Bound::kMean), now, state);
      }
      state.data = std::max(state.data, now) + bucket.duration[Bound::kMean];
      state.reduced = state.data;
      if (epilogue_->copies_gradients) {
        buckets_[rank].push_back({state.data, bucket.copy_out.At(Bound::kMean)});
      }
    }
  }
  return now;
}

Picoseconds StepSweep::Collect(const Duration& issue, const Duration& duration, Picoseconds begin,
                               RankState& state) {
  state.host += issue[Bound::kMean];
  state.data = std::max({state.data, begin, state.host}) + duration[Bound::kMean];
  return state.data;
}

Picoseconds StepSweep::ShardedForward(Picoseconds begin, RankState& state) {
  const std::vector<size_t>& layers = stages_->chunks.front().layers;
  Picoseconds now = begin;
  for (size_t position = 0; position < layers.size(); ++position) {
    const ShardedLayer& layer = epilogue_->sharded[position];
    const Picoseconds from = position == 0   ? begin
                             : position >= 2 ? layer_copied_[position - 2]
                                             : 0;
    layer_gathered_[position] = Collect(epilogue_->issue_gather, layer.gather, from, state);
    now = Run(layer.copy_out.At(Bound::kMean), std::max(now, layer_gathered_[position]), state);
    layer_copied_[position] = now;
    now = Run(stages_->layers[layers[position]].forward.At(Bound::kMean), now, state);
    now = Slow(layer.slows_forward, now, state);
  }
  return now;
}

Picoseconds StepSweep::ShardedBackward(Picoseconds begin, RankState& state) {
  const std::vector<size_t>& layers = stages_->chunks.front().layers;
  Picoseconds now = begin;
  Picoseconds reduced = 0;
  for (size_t position = layers.size(); position-- > 0;) {
    const ShardedLayer& layer = epilogue_->sharded[position];
    if (layer.regathers) {
      now = Run(layer.copy_out.At(Bound::kMean), std::max(now, layer_gathered_[position]), state);
      layer_copied_[position] = now;
    }
    if (position > 0 && epilogue_->sharded[position - 1].regathers) {
      layer_gathered_[position - 1] =
          Collect(epilogue_->issue_gather, epilogue_->sharded[position - 1].regather,
                  layer_copied_[position], state);
    }
    now = Run(stages_->layers[layers[position]].backward.At(Bound::kMean), now, state);
    now = Slow(layer.slows_backward, now, state);
    now = Run(layer.copy_in.At(Bound::kMean), std::max(now, reduced), state);
    reduced = Collect(epilogue_->issue_reduce, layer.reduce, now, state);
  }
  state.waits = reduced;
  return now;
}

Picoseconds StepSweep::Reduce(size_t chunk, Picoseconds data_free) const {
  for (size_t i = ranges_[chunk].reductions; i < ranges_[chunk + 1].reductions; ++i) {
    data_free += epilogue_->reductions[i].duration[Bound::kMean];
  }
  return data_free;
}

void StepSweep::RunForward(size_t rank, size_t chunk, size_t micro_batch, Picoseconds arrival) {
  RankState& state = ranks_[rank];
  const Picoseconds begin = std::max({state.compute, state.waits, arrival});
  const bool gathers = micro_batch == 0 && training_->framework.overlap.parameter_gather &&
                       ranges_[chunk].gathers != ranges_[chunk + 1].gathers;
  state.waits = 0;
  const bool is_sharded = !epilogue_->sharded.empty();
  state.compute = is_sharded ? ShardedForward(begin, state)
                  : gathers  ? GatheringForward(chunk, begin, state)
                             : Run(chunks_[chunk].forward, begin, state);
  Picoseconds done = state.compute;
  if (chunk + 1 < num_chunks() && pp_ > 1) {
    done = std::max(state.send_forward, done) + SendOf(rank);
    state.send_forward = done;
    if (!training_->framework.overlap.pipeline_sends) {
      state.waits = done;
    }
  }
  forward_done_[chunk * micro_batches_ + micro_batch] = done;
}

void StepSweep::RunBackward(size_t rank, size_t chunk, size_t micro_batch, Picoseconds arrival) {
  RankState& state = ranks_[rank];
  const Picoseconds begin = std::max({state.compute, state.waits, arrival});
  state.waits = 0;
  // Backwards of a chunk come in the order of micro-batches.
  const bool is_last = micro_batch + 1 == micro_batches_;
  const bool overlaps = training_->framework.overlap.gradient_reduce;
  const bool reduces = (is_last || epilogue_->reduces_every_micro_batch) && overlaps;
  const bool is_sharded = !epilogue_->sharded.empty();
  state.compute = is_sharded ? ShardedBackward(begin, state)
                  : reduces  ? ReducingBackward(rank, chunk, begin, state)
                             : Run(chunks_[chunk].backward, begin, state);
  Picoseconds done = state.compute;
  if (epilogue_->reduces_every_micro_batch && !overlaps && !is_last) {
    state.data = Reduce(chunk, std::max(state.data, state.compute));
    state.waits = std::max(state.waits, state.data);
  }
  if (chunk > 0 && pp_ > 1) {
    done = std::max(state.send_backward, done) + SendOf((rank + pp_ - 1) % pp_);
    state.send_backward = done;
    if (!training_->framework.overlap.pipeline_sends) {
      state.waits = std::max(state.waits, done);
    }
  }
  backward_done_[chunk * micro_batches_ + micro_batch] = done;
}

bool StepSweep::RunNext(size_t rank) {
  RankState& state = ranks_[rank];
  const auto total = static_cast<int64_t>(micro_batches_ * vpp_);
  const bool is_forward =
      state.forwards < total && state.forwards - state.backwards <= state.warm_up;
  const auto k = static_cast<size_t>(is_forward ? state.forwards : state.backwards);
  // The k-th slot of either kind: groups of pp micro-batches through chunk after chunk.
  const size_t in_group = vpp_ == 1 ? k : k % (pp_ * vpp_);
  const size_t nth_chunk = vpp_ == 1 ? 0 : in_group / pp_;
  const size_t micro_batch = vpp_ == 1 ? k : k / (pp_ * vpp_) * pp_ + in_group % pp_;
  if (is_forward) {
    const size_t chunk = nth_chunk * pp_ + rank;
    const Picoseconds arrival =
        chunk == 0 ? 0 : forward_done_[(chunk - 1) * micro_batches_ + micro_batch];
    if (arrival == kNotYet) {
      return false;
    }
    RunForward(rank, chunk, micro_batch, arrival);
    ++state.forwards;
    return true;
  }
  const size_t chunk = (vpp_ - 1 - nth_chunk) * pp_ + rank;
  const Picoseconds arrival = chunk + 1 == num_chunks()
                                  ? forward_done_[chunk * micro_batches_ + micro_batch]
                                  : backward_done_[(chunk + 1) * micro_batches_ + micro_batch];
  if (arrival == kNotYet) {
    return false;
  }
  RunBackward(rank, chunk, micro_batch, arrival);
  ++state.backwards;
  return true;
}

bool StepSweep::NeedsProgram() const {
  return PairsSlots(*training_) || SplitsBackward(training_->schedule) ||
         (!epilogue_->sharded.empty() && pp_ > 1);
}

Result<Picoseconds> StepSweep::SweepProgram(const Stop& stop) const {
  ASSIGN_OR_RETURN(const StepProgram step,
                   BuildStepProgram(*training_, *stages_, *epilogue_, Detail::kSlots, stop));
  return engine::StaticSweep(step.program).makespan;
}

Picoseconds StepSweep::BoundOfWork() {
  const workloads::PipelineChunks places = ChunksOf(*training_);
  const bool splits = SplitsBackward(training_->schedule);
  for (size_t chunk = 0; chunk < num_chunks(); ++chunk) {
    // Whichever way a schedule runs a backward.
    Picoseconds halves = 0;
    for (const size_t layer : stages_->chunks[chunk].layers) {
      halves += stages_->layers[layer].input_gradient.total[Bound::kMean] +
                stages_->layers[layer].weight_gradient.total[Bound::kMean];
    }
    const Picoseconds backward =
        splits ? std::min(halves, chunks_[chunk].backward.device) : chunks_[chunk].backward.device;
    Picoseconds slot = chunks_[chunk].forward.device + backward;
    // Slots that run together take as long as the longer at least.
    slot = places.copies() > 1 || PairsSlots(*training_) ? slot / 2 : slot;
    ranks_[static_cast<size_t>(places.RankOf(static_cast<int64_t>(chunk)))].compute +=
        MicroBatchesOfChunk(*training_) * slot;
  }
  return Finish();
}

Result<Picoseconds> StepSweep::Makespan(const Stop& stop) {
  if (NeedsProgram()) {
    return SweepProgram(stop);
  }
  StartRanks();
  forward_done_.assign(num_chunks() * micro_batches_, kNotYet);
  backward_done_.assign(num_chunks() * micro_batches_, kNotYet);
  const auto slots = static_cast<int64_t>(micro_batches_ * vpp_);
  size_t ranks_left = pp_;
  size_t slots_since_check = 0;
  while (ranks_left > 0) {
    bool has_moved = false;
    for (size_t rank = 0; rank < pp_; ++rank) {
      while (ranks_[rank].backwards < slots && RunNext(rank)) {
        has_moved = true;
        ranks_left -= ranks_[rank].backwards == slots ? 1 : 0;
        ++slots_since_check;
      }
    }
    CHECK(has_moved, "schedule deadlocks with {} ranks left", ranks_left);
    if (slots_since_check >= 65536) {
      RETURN_IF_ERROR(stop.Check());
      slots_since_check = 0;
    }
  }
  return Finish();
}

Picoseconds StepSweep::Finish() {
  const auto frontier = [&](size_t rank) {
    return std::max(ranks_[rank].compute, ranks_[rank].waits);
  };
  if (!training_->framework.overlap.gradient_reduce) {
    for (size_t chunk = 0; chunk < num_chunks(); ++chunk) {
      if (ranges_[chunk].reductions != ranges_[chunk + 1].reductions) {
        const auto rank =
            static_cast<size_t>(ChunksOf(*training_).RankOf(static_cast<int64_t>(chunk)));
        RankState& state = ranks_[rank];
        state.data = Reduce(chunk, std::max(state.data, frontier(rank)));
        state.reduced = state.data;
      }
    }
  }
  const Picoseconds both_ends = std::max(frontier(0), frontier(pp_ - 1));
  Picoseconds barrier = 0;
  for (size_t rank = 0; rank < pp_; ++rank) {
    RankState& state = ranks_[rank];
    const Picoseconds tied =
        epilogue_->tied_reduction.empty() ? 0 : epilogue_->tied_reduction[rank][Bound::kMean];
    if (tied > 0) {
      state.data = std::max(state.data, both_ends) + tied;
      state.reduced = state.data;
    }
    for (const ReducedBucket& bucket : buckets_[rank]) {
      state.compute = Run(bucket.copy_out, std::max(frontier(rank), bucket.at), state);
      state.waits = 0;
    }
    const HostChain norm = HostChain::Of(epilogue_->host ? epilogue_->host->norm[Bound::kMean] : 0,
                                         epilogue_->gradient_norm[rank][Bound::kMean]);
    state.compute = Run(norm, std::max(frontier(rank), state.reduced), state);
    state.waits = 0;
    barrier = std::max(barrier, state.compute);
  }
  Picoseconds makespan = 0;
  for (size_t rank = 0; rank < pp_; ++rank) {
    RankState& state = ranks_[rank];
    if (epilogue_->clips_gradients) {
      state.data = std::max(state.data, barrier) + epilogue_->norm_reduction[Bound::kMean];
    }
    HostChain update = {.device = epilogue_->update[rank][Bound::kMean]};
    if (epilogue_->host) {
      update.host = epilogue_->host->update[rank][Bound::kMean];
      update.lead = epilogue_->host->update_lead[rank][Bound::kMean];
    }
    state.compute = Run(update, std::max(state.compute, state.data), state);
    state.data = std::max(state.data, state.compute);
    makespan = std::max(makespan, state.compute);
  }
  if (!training_->framework.overlap.parameter_gather) {
    for (const EpilogueCosts::Gather& gather : epilogue_->gathers) {
      RankState& state = ranks_[gather.rank];
      state.data += gather.duration[Bound::kMean];
      makespan = std::max(makespan, state.data);
    }
  }
  return makespan;
}

void StepSweep::BoundSharded(RankState& state) const {
  Picoseconds traffic = 0;  // of one micro-batch, one after the other
  for (const ShardedLayer& layer : epilogue_->sharded) {
    traffic += layer.reduce[Bound::kMean] + layer.gather[Bound::kMean] +
               (layer.regathers ? layer.regather[Bound::kMean] : 0);
  }
  state.host += chunks_.front().backward.host;
  // The last copy of gradients is issued before the last reduction is, which follows both.
  state.compute = std::max(state.compute + chunks_.front().backward.device,
                           state.host - epilogue_->issue_reduce[Bound::kMean]);
  state.data = std::max(
      static_cast<Picoseconds>(micro_batches_) * traffic,
      std::max(state.compute, state.host) + epilogue_->sharded.front().reduce[Bound::kMean]);
  state.reduced = state.data;
}

Picoseconds StepSweep::LowerBound() {
  StartRanks();
  if (NeedsProgram()) {
    return BoundOfWork();
  }
  const workloads::Overlap& overlap = training_->framework.overlap;
  const auto micro_batches = static_cast<Picoseconds>(micro_batches_);
  // What follows a rank's last backward on its compute stream: a send that is waited for.
  const auto after = [&](size_t rank) {
    return !overlap.pipeline_sends && rank > 0 ? SendOf(rank - 1) : Picoseconds{0};
  };
  // Fill: rank r's first slot is the first micro-batch through chunk r, behind the chunks below it.
  Picoseconds arrival = 0;
  for (size_t rank = 0; rank < pp_; ++rank) {
    RankState& state = ranks_[rank];
    Picoseconds host = state.host;
    const Picoseconds first = GatheringForward(rank, arrival, state);
    // Work: all its slots, one after the other, with the sends that it waits for.
    Picoseconds work = -chunks_[rank].forward.device;
    for (size_t chunk = rank; chunk < num_chunks(); chunk += pp_) {
      work += micro_batches * (chunks_[chunk].forward.device + chunks_[chunk].backward.device);
      host += micro_batches * (chunks_[chunk].forward.host + chunks_[chunk].backward.host);
      if (!overlap.pipeline_sends && pp_ > 1) {
        work += chunk + 1 < num_chunks() ? micro_batches * SendOf(rank) : 0;
        work += chunk > 0 ? micro_batches * SendOf((rank + pp_ - 1) % pp_) : 0;
      }
    }
    // Until its last backward begins; the host comes to that whatever the GPU does.
    state.compute = first + work - chunks_[rank].backward.device - after(rank);
    state.host = host - chunks_[rank].backward.host;
    arrival = first + (pp_ > 1 ? SendOf(rank) : 0);
  }
  // Drain: rank r's last slot is a backward through chunk r; that micro-batch's backward through
  // the chunks below follows.
  for (size_t rank = pp_; rank-- > 0;) {
    RankState& state = ranks_[rank];
    if (rank + 1 < pp_) {
      const Picoseconds sent = overlap.pipeline_sends ? SendOf(rank) : 0;
      state.compute = std::max(state.compute, ranks_[rank + 1].compute + sent);
    }
    if (!epilogue_->sharded.empty()) {
      BoundSharded(state);
    } else if (overlap.gradient_reduce) {
      // What the last backward leaves to be reduced; sends that are waited for come after it.
      state.data = 0;
      state.compute = ReducingBackward(rank, rank, state.compute, state);
    } else {
      state.compute = Run(chunks_[rank].backward, state.compute, state);
    }
    state.compute += after(rank);
  }
  return Finish();
}

}  // namespace ridgeline::training
