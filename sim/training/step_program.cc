#include "sim/training/step_program.h"

#include <algorithm>
#include <array>
#include <map>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "sim/training/gradient_tasks.h"
#include "sim/training/held_memory.h"
#include "sim/training/overlapped_pass.h"
#include "sim/training/rank_tasks.h"
#include "sim/training/sharded_layers.h"
#include "sim/training/slot_order.h"
#include "sim/training/step_labels.h"

namespace ridgeline::training {
namespace {

using engine::kNoTask;
using engine::LabelIndex;
using engine::StreamIndex;
using engine::TaskIndex;
using workloads::Slot;
using workloads::SlotKind;

/// A gather of parameters, and the lowest layer of a chunk that waits for it.
struct LayerGather {
  size_t before_layer;
  TaskIndex task;
};

/// A chunk's forward beside a chunk's backward.
struct ChunkPair {
  PassPair time;
  LabelIndex label = 0;
};

class Builder {
 public:
  Builder(const sim::TrainingScenario& training, const StageView& stages,
          const EpilogueCosts& epilogue, Detail detail)
      : training_(training),
        stages_(stages),
        epilogue_(epilogue),
        detail_(detail),
        pp_(static_cast<size_t>(training.layout.pp)),
        places_(ChunksOf(training)),
        tasks_(pp_, epilogue.host.has_value(), step_),
        labels_(stages_, detail, epilogue.host.has_value(), step_),
        chunks_(stages.chunks.size()),
        micro_batches_(static_cast<size_t>(MicroBatchesOfChunk(training))),
        gradients_(pp_, epilogue, labels_, tasks_) {
    world_ = step_.program.AddStream(0, "all ranks");
    step_.trailing.resize(pp_);
  }

  Result<StepProgram> Build(const Stop& stop) {
    AddLabels();
    SumChunks();
    RETURN_IF_ERROR(MakeOrders(stop));
    StartHosts();
    if (training_.framework.overlap.parameter_gather) {
      GatherParameters();
    }
    RETURN_IF_ERROR(RunSchedule(stop));
    Finish();
    return std::move(step_);
  }

 private:
  void AddLabels() {
    passes_.resize(chunks_);
    if (SplitsBackward(training_.schedule)) {
      kinds_.insert(kinds_.end(), {SlotKind::kInput, SlotKind::kWeight});
    }
    for (const Duration& send : stages_.boundary_sends) {
      send_labels_.push_back(labels_.Add("send", Cause::kPipelineParallel, send));
    }
    if (tasks_.has_host()) {
      issue_label_ = labels_.Add("issue", Cause::kHost, Duration{});
    }
    if (!epilogue_.sharded.empty()) {
      sharded_.emplace(training_, stages_, epilogue_, labels_, issue_label_, tasks_);
    }
  }

  /// A slot's whole pass is the same for every micro-batch.
  void SumChunks() {
    for (size_t chunk = 0; chunk < chunks_; ++chunk) {
      const std::vector<size_t>& layers = stages_.chunks[chunk].layers;
      for (const SlotKind kind : kinds_) {
        auto& [whole, pass_labels] = passes_[chunk].at(static_cast<size_t>(kind));
        pass_labels = labels_.OfPass(chunk, kind);
        for (size_t i = 0; i < layers.size(); ++i) {
          const size_t position = kind == SlotKind::kForward ? i : layers.size() - 1 - i;
          whole.Append(PassOf(stages_.layers[layers[position]], kind));
        }
      }
    }
  }

  Status MakeOrders(const Stop& stop) {
    for (size_t rank = 0; rank < pp_; ++rank) {
      RETURN_IF_ERROR(stop.Check());
      ASSIGN_OR_RETURN(std::vector<Slot> order,
                       SlotOrderOf(training_, static_cast<int64_t>(rank), training_.micro_batches));
      orders_.push_back(std::move(order));
    }
    done_forward_.assign(chunks_ * micro_batches_, kNoTask);
    done_backward_.assign(chunks_ * micro_batches_, kNoTask);
    backwards_left_.assign(chunks_, micro_batches_);
    gathers_of_chunk_.resize(chunks_);
    return {};
  }

  /// Host and GPU begin a step together; the latency of a launch delays all alike.
  void StartHosts() {
    if (tasks_.has_host()) {
      const LabelIndex label = labels_.Add("begin step", Cause::kHost, epilogue_.host->start);
      for (size_t rank = 0; rank < pp_; ++rank) {
        tasks_.Add(tasks_.streams(rank).host, epilogue_.host->start, label, {});
      }
    }
  }

  /// A distributed optimizer's parameters return behind the next step's forward: in a steady run,
  /// at this step's start.
  void GatherParameters() {
    for (const EpilogueCosts::Gather& gather : epilogue_.gathers) {
      const LabelIndex label =
          labels_.Add("gather parameters", Cause::kDataParallel, gather.duration);
      gathers_of_chunk_[gather.before_chunk].push_back(
          {gather.before_layer,
           tasks_.Add(tasks_.streams(gather.rank).data, gather.duration, label, {})});
    }
  }

  /// Emits slots of all ranks in an order in which every dependency comes first.
  Status RunSchedule(const Stop& stop) {
    std::vector<size_t> next(pp_, 0);
    size_t left = 0;
    for (const std::vector<Slot>& order : orders_) {
      left += order.size();
    }
    while (left > 0) {
      const size_t before = left;
      for (size_t rank = 0; rank < pp_; ++rank) {
        while (next[rank] < orders_[rank].size()) {
          // Slots that run together wait for what either needs.
          const Slot* first = &orders_[rank][next[rank]];
          const std::span<const Slot> slots(first, first->with_next ? 2 : 1);
          if (!IsReady(rank, slots.front()) || !IsReady(rank, slots.back())) {
            break;
          }
          RunSlots(rank, slots);
          next[rank] += slots.size();
          left -= slots.size();
          if (left % 1024 < slots.size()) {
            RETURN_IF_ERROR(stop.Check());
          }
        }
      }
      CHECK(left < before, "schedule deadlocks with {} slots left", left);
      RETURN_IF_ERROR(stop.Check());
    }
    return {};
  }

  size_t ChunkOf(size_t rank, const Slot& slot) const {
    return static_cast<size_t>(places_.ChunkOf(static_cast<int64_t>(rank), slot.chunk));
  }
  size_t Index(size_t chunk, int32_t micro_batch) const {
    return chunk * micro_batches_ + static_cast<size_t>(micro_batch);
  }
  bool IsBottom(size_t chunk) const { return places_.IsBottom(static_cast<int64_t>(chunk)); }
  bool IsTop(size_t chunk) const { return places_.IsTop(static_cast<int64_t>(chunk)); }

  /// What a slot waits for: nothing, or a task that may not be there yet.
  const TaskIndex* SourceOf(size_t rank, const Slot& slot) const {
    const size_t chunk = ChunkOf(rank, slot);
    switch (slot.kind) {
      case SlotKind::kForward:
        return IsBottom(chunk) ? nullptr : &done_forward_[Index(chunk - 1, slot.micro_batch)];
      case SlotKind::kBackward:
      case SlotKind::kInput:
        return IsTop(chunk) ? &done_forward_[Index(chunk, slot.micro_batch)]
                            : &done_backward_[Index(chunk + 1, slot.micro_batch)];
      case SlotKind::kWeight:
        break;  // behind its input gradient in the rank's own order
    }
    return nullptr;
  }

  bool IsReady(size_t rank, const Slot& slot) const {
    const TaskIndex* source = SourceOf(rank, slot);
    return source == nullptr || *source != kNoTask;
  }

  /// One slot, or two together; what they send leaves when both are over.
  void RunSlots(size_t rank, std::span<const Slot> slots) {
    for (const Slot& slot : slots) {
      const TaskIndex* source = SourceOf(rank, slot);
      if (source != nullptr && (slot.kind == SlotKind::kForward || !IsTop(ChunkOf(rank, slot)))) {
        tasks_.pending(rank).push_back(*source);
      }
    }
    if (AreOneTask(rank, slots)) {
      RunPair(rank, slots);
    } else {
      for (const Slot& slot : slots) {
        RunSlot(rank, slot);
      }
    }
    for (const Slot& slot : slots) {
      if (slot.kind != SlotKind::kWeight) {
        Send(rank, ChunkOf(rank, slot), slot);
      }
    }
    if (!training_.framework.overlap.gradient_reduce) {
      gradients_.WaitFor(rank);  // what is sent does not
    }
  }

  /// Whether two slots are one task (overlapped_pass.h). Not where other collectives run behind
  /// single layers: the first forward of a chunk and the last backward.
  bool AreOneTask(size_t rank, std::span<const Slot> slots) const {
    return slots.size() == 2 && !sharded_ && slots[0].kind == SlotKind::kForward &&
           slots[1].kind == SlotKind::kBackward &&
           gathers_of_chunk_[ChunkOf(rank, slots[0])].empty() &&
           backwards_left_[ChunkOf(rank, slots[1])] > 1 && !epilogue_.reduces_every_micro_batch;
  }

  void RunPair(size_t rank, std::span<const Slot> slots) {
    const size_t forward = ChunkOf(rank, slots[0]);
    const size_t backward = ChunkOf(rank, slots[1]);
    const auto [known, is_new] = pairs_.try_emplace({forward, backward});
    ChunkPair& pair = known->second;
    if (is_new) {
      std::vector<const CostedPass*> ups;
      std::vector<const CostedPass*> downs;
      for (const size_t layer : stages_.chunks[forward].layers) {
        ups.push_back(&stages_.layers[layer].forward);
      }
      for (const size_t layer : stages_.chunks[backward].layers) {
        downs.insert(downs.begin(), &stages_.layers[layer].backward);
      }
      pair.time = OverlapPasses(ups, downs);
      pair.label = labels_.Add(fmt::format("forward chunk {} beside backward", forward),
                               Cause::kMatmul, pair.time.causes);
    }
    const auto first = static_cast<TaskIndex>(step_.program.num_tasks());
    tasks_.AddCompute(rank, pair.time.total, pair.label,
                      {pair.time.host, pair.time.lead, issue_label_});
    --backwards_left_[backward];
    RecordMemory(rank, forward, SlotKind::kForward, first);
    RecordMemory(rank, backward, SlotKind::kBackward, first);
  }

  void RunSlot(size_t rank, const Slot& slot) {
    const size_t chunk = ChunkOf(rank, slot);
    const bool makes_gradients = MakesGradients(slot.kind);
    const bool is_last = makes_gradients && --backwards_left_[chunk] == 0;
    const bool reduces = is_last || (makes_gradients && epilogue_.reduces_every_micro_batch);
    const bool overlaps = training_.framework.overlap.gradient_reduce;
    const auto first = static_cast<TaskIndex>(step_.program.num_tasks());
    RunPass(rank, chunk, slot, reduces && overlaps);
    if (is_last && !overlaps) {
      late_reductions_.push_back(chunk);
    } else if (reduces && !overlaps) {
      ReduceChunk(chunk);
    }
    RecordMemory(rank, chunk, slot.kind, first);
  }

  void RunPass(size_t rank, size_t chunk, const Slot& slot, bool reduces) {
    const SlotKind kind = slot.kind;
    const std::vector<size_t>& layers = stages_.chunks[chunk].layers;
    // The first forward of a chunk waits for its parameters, layer by layer.
    std::vector<LayerGather> gathers;
    if (kind == SlotKind::kForward) {
      gathers.swap(gathers_of_chunk_[chunk]);
    }
    const ChunkPass& whole = passes_[chunk].at(static_cast<size_t>(kind));
    const PassLabels& labels = whole.labels;
    if (detail_ == Detail::kSlots && !reduces && gathers.empty() && !sharded_) {
      tasks_.AddChain(rank, whole.whole, labels.whole, issue_label_);
      return;
    }
    if (sharded_) {
      const bool is_last = kind == SlotKind::kBackward && backwards_left_[chunk] == 0;
      sharded_->BeginPass({.rank = rank,
                           .chunk = chunk,
                           .kind = kind,
                           .is_first = kind == SlotKind::kForward && slot.micro_batch == 0,
                           .is_last = is_last});
    }
    for (size_t i = 0; i < layers.size(); ++i) {
      const size_t position = kind == SlotKind::kForward ? i : layers.size() - 1 - i;
      const CostedPass& pass = PassOf(stages_.layers[layers[position]], kind);
      for (const LayerGather& gather : gathers) {
        if (gather.before_layer == position) {
          tasks_.pending(rank).push_back(gather.task);
        }
      }
      if (sharded_) {
        sharded_->BeforeLayer(position);
      }
      if (detail_ != Detail::kOperations) {
        tasks_.AddChain(rank, pass, labels.layers[position], issue_label_);
      } else {
        RunOperations(rank, pass, labels.operations[position], labels.issues[position]);
      }
      if (reduces) {
        if (!epilogue_.slows_backward.empty()) {
          const Duration& slowing = epilogue_.slows_backward[chunk][position];
          tasks_.AddSlowing(rank, slowing,
                            labels_.Add("slowed by collectives", Cause::kDataParallel, slowing),
                            issue_label_);
        }
        gradients_.Reduce(rank, chunk, position, issue_label_);
      }
      if (sharded_) {
        sharded_->AfterLayer(position);
      }
    }
    if (sharded_) {
      sharded_->EndPass();
    }
  }

  void RunOperations(size_t rank, const CostedPass& pass, const std::vector<LabelIndex>& labels,
                     const std::vector<LabelIndex>& issues) {
    TaskIndex beside = kNoTask;  // a collective that the next operation does not wait for
    const auto wait_for_beside = [&] {
      if (beside != kNoTask) {
        tasks_.pending(rank).push_back(beside);
        beside = kNoTask;
      }
    };
    for (size_t i = 0; i < pass.steps.size(); ++i) {
      const CostedStep& step = pass.steps[i];
      if (!step.is_collective) {
        const TaskIndex task =
            tasks_.AddCompute(rank, step.duration, labels[i],
                              {step.host, step.host, tasks_.has_host() ? issues[i] : 0});
        if (tasks_.has_host() && beside != kNoTask) {
          step_.beside.emplace_back(task, beside);
        }
        wait_for_beside();
        continue;
      }
      wait_for_beside();
      std::vector<TaskIndex> waits = tasks_.Frontier(rank);
      if (tasks_.has_host()) {
        waits.push_back(tasks_.Add(tasks_.streams(rank).host, step.host, issues[i], {}));
      }
      const TaskIndex task =
          tasks_.Add(tasks_.streams(rank).collectives, step.duration, labels[i], waits);
      if (step.runs_beside_next) {
        beside = task;
      } else {
        tasks_.pending(rank).push_back(task);
      }
    }
    wait_for_beside();
  }

  /// All of a chunk's, from the top.
  void ReduceChunk(size_t chunk) {
    const auto rank = static_cast<size_t>(places_.RankOf(static_cast<int64_t>(chunk)));
    for (size_t position = stages_.chunks[chunk].layers.size(); position-- > 0;) {
      gradients_.Reduce(rank, chunk, position, issue_label_);
    }
  }

  void Send(size_t rank, size_t chunk, const Slot& slot) {
    const bool is_forward = slot.kind == SlotKind::kForward;
    std::vector<TaskIndex>& done = is_forward ? done_forward_ : done_backward_;
    const std::optional<int64_t> above =
        is_forward        ? places_.BoundaryAbove(static_cast<int64_t>(chunk))
        : IsBottom(chunk) ? std::nullopt
                          : places_.BoundaryAbove(static_cast<int64_t>(chunk) - 1);
    if (!above) {
      done[Index(chunk, slot.micro_batch)] = tasks_.last_on_compute(rank);
      return;
    }
    const StreamIndex stream =
        is_forward ? tasks_.streams(rank).send_forward : tasks_.streams(rank).send_backward;
    const auto boundary = static_cast<size_t>(*above);
    const TaskIndex send = tasks_.Add(stream, stages_.boundary_sends[boundary],
                                      send_labels_[boundary], tasks_.Frontier(rank));
    done[Index(chunk, slot.micro_batch)] = send;
    if (!training_.framework.overlap.pipeline_sends) {
      tasks_.pending(rank).push_back(send);
    }
  }

  void RecordMemory(size_t rank, size_t chunk, SlotKind kind, TaskIndex first) {
    if (detail_ != Detail::kOperations || tasks_.last_on_compute(rank) == kNoTask) {
      return;
    }
    const bool is_forward = kind == SlotKind::kForward;
    TaskIndex task = tasks_.last_on_compute(rank);
    while (is_forward && first < task &&
           step_.program.task_streams()[first] != tasks_.streams(rank).compute) {
      ++first;  // a transfer or the host's
    }
    step_.memory_changes.push_back(
        {.task = is_forward ? std::min(first, task) : task,
         .at_end = !is_forward,
         .rank = static_cast<uint32_t>(rank),
         .bytes = ChangeBy(kind, stages_, stages_.chunks[chunk]).base()});
  }

  /// Reductions that did not hide, the word table shared by first and last stage, the norm over all
  /// ranks, the update.
  void Finish() {
    for (const size_t chunk : late_reductions_) {
      ReduceChunk(chunk);
    }
    // The first and the last stage reduce the word table together.
    std::vector<TaskIndex> both_ends = tasks_.Frontier(0);
    for (const TaskIndex task : tasks_.Frontier(pp_ - 1)) {
      both_ends.push_back(task);
    }
    std::vector<TaskIndex> arrivals;
    for (size_t rank = 0; rank < pp_; ++rank) {
      if (!epilogue_.tied_reduction.empty() && epilogue_.tied_reduction[rank][Bound::kMean] > 0) {
        const LabelIndex label = labels_.Add("reduce shared word table", Cause::kDataParallel,
                                             epilogue_.tied_reduction[rank]);
        gradients_.Append(rank, tasks_.Add(tasks_.streams(rank).data,
                                           epilogue_.tied_reduction[rank], label, both_ends));
      }
      gradients_.CopyBack(rank, issue_label_);
      gradients_.WaitFor(rank);
      const LabelIndex label =
          labels_.Add("gradient norm", Cause::kOptimizer, epilogue_.gradient_norm[rank]);
      HostWorkOfTask host = {.label = issue_label_};
      if (tasks_.has_host()) {
        host.host = host.lead = epilogue_.host->norm;
      }
      arrivals.push_back(tasks_.AddCompute(rank, epilogue_.gradient_norm[rank], label, host));
    }
    TaskIndex barrier = kNoTask;
    LabelIndex norm = 0;
    if (epilogue_.clips_gradients) {
      const LabelIndex meet = labels_.Add("all ranks meet", Cause::kBubble, Duration{});
      barrier = tasks_.Add(world_, Duration{}, meet, arrivals);
      norm = labels_.Add("reduce gradient norm", Cause::kDataParallel, epilogue_.norm_reduction);
    }
    for (size_t rank = 0; rank < pp_; ++rank) {
      if (epilogue_.clips_gradients) {
        tasks_.pending(rank).push_back(tasks_.Add(
            tasks_.streams(rank).data, epilogue_.norm_reduction, norm, std::span(&barrier, 1)));
      }
      const LabelIndex label = labels_.Add("optimizer", Cause::kOptimizer, epilogue_.update[rank]);
      HostWorkOfTask host = {.label = issue_label_};
      if (tasks_.has_host()) {
        host.host = epilogue_.host->update[rank];
        host.lead = epilogue_.host->update_lead[rank];
      }
      tasks_.AddCompute(rank, epilogue_.update[rank], label, host);
    }
    if (!training_.framework.overlap.parameter_gather) {
      for (const EpilogueCosts::Gather& gather : epilogue_.gathers) {
        const LabelIndex label =
            labels_.Add("gather parameters", Cause::kDataParallel, gather.duration);
        step_.trailing[gather.rank].push_back(tasks_.Add(tasks_.streams(gather.rank).data,
                                                         gather.duration, label,
                                                         tasks_.Frontier(gather.rank)));
      }
    }
  }

  /// One pass of a chunk, whole.
  struct ChunkPass {
    CostedChain whole;
    PassLabels labels;
  };

  const sim::TrainingScenario& training_;
  const StageView stages_;
  const EpilogueCosts& epilogue_;
  const Detail detail_;
  StepProgram step_;
  const size_t pp_;
  const workloads::PipelineChunks places_;
  RankTasks tasks_;    // of step_
  StepLabels labels_;  // likewise
  const size_t chunks_;
  const size_t micro_batches_;

  StreamIndex world_ = 0;
  std::vector<SlotKind> kinds_ = {SlotKind::kForward, SlotKind::kBackward};
  std::vector<std::array<ChunkPass, 4>> passes_;  // by chunk and kind of slot
  std::vector<LabelIndex> send_labels_;           // by stage, of the boundary above it
  LabelIndex issue_label_ = 0;                    // of whatever a host does
  std::optional<ShardedTasks> sharded_;           // with parameters cut over ranks
  std::map<std::pair<size_t, size_t>, ChunkPair> pairs_;
  std::vector<std::vector<Slot>> orders_;
  std::vector<TaskIndex> done_forward_,
      done_backward_;                   // by chunk and micro-batch: what the next chunk waits for
  std::vector<size_t> backwards_left_;  // by chunk
  std::vector<std::vector<LayerGather>> gathers_of_chunk_;
  GradientTasks gradients_;
  std::vector<size_t> late_reductions_;  // chunks
};

}  // namespace

Result<StepProgram> BuildStepProgram(const sim::TrainingScenario& training, const StageView& stages,
                                     const EpilogueCosts& epilogue, Detail detail,
                                     const Stop& stop) {
  return Builder(training, stages, epilogue, detail).Build(stop);
}

}  // namespace ridgeline::training
