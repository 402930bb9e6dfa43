#include "sim/training/step_program.h"

#include <algorithm>
#include <utility>

#include "sim/training/step_labels.h"

namespace ridgeline::training {
namespace {

using engine::LabelIndex;
using engine::StreamIndex;
using engine::TaskIndex;
using workloads::Slot;
using workloads::SlotKind;

constexpr TaskIndex kNoTask = ~TaskIndex{0};

/// The streams of one rank.
struct RankStreams {
  StreamIndex compute = 0;
  StreamIndex collectives = 0;
  StreamIndex send_forward = 0;
  StreamIndex send_backward = 0;
  StreamIndex data = 0;
  StreamIndex host = 0;  // with host time only
};

/// What a host does for a compute task: the task waits for `lead`, the rest is done while it runs.
struct HostWorkOfTask {
  Duration host = {};
  Duration lead = {};
  LabelIndex label = 0;
};

/// Both passes of a chunk, whole.
struct ChunkPasses {
  CostedChain forward;
  CostedChain backward;
};

/// A gather of parameters, and the lowest layer of a chunk that waits for it.
struct LayerGather {
  size_t before_layer = 0;
  TaskIndex task = 0;
};

class Builder {
 public:
  Builder(const sim::TrainingScenario& training, const StageCosts& stages,
          const EpilogueCosts& epilogue, Detail detail)
      : training_(training),
        stages_(stages),
        epilogue_(epilogue),
        detail_(detail),
        has_host_(epilogue.host.has_value()),
        labels_(stages, detail, has_host_, step_),
        pp_(static_cast<size_t>(training.layout.pp)),
        chunks_(stages.chunks.size()),
        micro_batches_(static_cast<size_t>(training.micro_batches)) {}

  Result<StepProgram> Build(const Stop& stop) {
    AddStreams();
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
  void AddStreams() {
    engine::Program& program = step_.program;
    for (uint32_t rank = 0; rank < pp_; ++rank) {
      RankStreams streams;
      streams.compute = program.AddStream(rank, "compute");
      streams.collectives = program.AddStream(rank, "tensor and expert parallel");
      streams.send_forward = program.AddStream(rank, "send activations");
      streams.send_backward = program.AddStream(rank, "send gradients");
      streams.data = program.AddStream(rank, "data parallel");
      if (has_host_) {
        streams.host = program.AddStream(rank, "host");
      }
      streams_.push_back(streams);
      step_.compute_streams.push_back(streams.compute);
    }
    world_ = program.AddStream(0, "all ranks");
    step_.trailing.resize(pp_);
    last_on_compute_.assign(pp_, kNoTask);
    pending_.resize(pp_);
    reductions_.resize(pp_);
  }

  void AddLabels() {
    for (size_t chunk = 0; chunk < chunks_; ++chunk) {
      forward_labels_.push_back(labels_.OfPass(chunk, SlotKind::kForward));
      backward_labels_.push_back(labels_.OfPass(chunk, SlotKind::kBackward));
    }
    for (const Duration& send : stages_.boundary_sends) {
      send_labels_.push_back(labels_.Add("send", Cause::kPipelineParallel, send));
    }
    if (has_host_) {
      issue_label_ = labels_.Add("issue", Cause::kHost, Duration{});
    }
  }

  /// A slot's whole pass is the same for every micro-batch.
  void SumChunks() {
    chunk_passes_.resize(chunks_);
    for (size_t chunk = 0; chunk < chunks_; ++chunk) {
      const std::vector<size_t>& layers = stages_.chunks[chunk].layers;
      for (size_t i = 0; i < layers.size(); ++i) {
        chunk_passes_[chunk].forward.Append(stages_.layers[layers[i]].forward);
        chunk_passes_[chunk].backward.Append(
            stages_.layers[layers[layers.size() - 1 - i]].backward);
      }
    }
  }

  Status MakeOrders(const Stop& stop) {
    const workloads::Layout& layout = training_.layout;
    for (size_t rank = 0; rank < pp_; ++rank) {
      RETURN_IF_ERROR(stop.Check());
      ASSIGN_OR_RETURN(std::vector<Slot> order,
                       workloads::OrderOf(training_.schedule, layout.pp, layout.vpp,
                                          static_cast<int64_t>(rank), training_.micro_batches));
      orders_.push_back(std::move(order));
    }
    done_forward_.assign(chunks_ * micro_batches_, kNoTask);
    done_backward_.assign(chunks_ * micro_batches_, kNoTask);
    backwards_left_.assign(chunks_, micro_batches_);
    gathers_of_chunk_.resize(chunks_);
    return {};
  }

  TaskIndex Add(StreamIndex stream, const Duration& duration, LabelIndex label,
                std::span<const TaskIndex> dependencies) {
    const TaskIndex task =
        step_.program.AddTask(stream, duration[Bound::kMean], label, dependencies);
    step_.low.push_back(duration[Bound::kLow]);
    step_.high.push_back(duration[Bound::kHigh]);
    return task;
  }

  /// A task on a rank's compute stream; it also waits for whatever the rank's compute was told to
  /// wait for, and for its host.
  TaskIndex AddCompute(size_t rank, const Duration& duration, LabelIndex label,
                       const HostWorkOfTask& host) {
    if (has_host_) {
      pending_[rank].push_back(Add(streams_[rank].host, host.lead, host.label, {}));
    }
    const TaskIndex task = Add(streams_[rank].compute, duration, label, pending_[rank]);
    pending_[rank].clear();
    last_on_compute_[rank] = task;
    if (has_host_ && host.lead.at != host.host.at) {
      Duration rest;
      for (const Bound bound : kBounds) {
        rest[bound] = host.host[bound] - host.lead[bound];
      }
      Add(streams_[rank].host, rest, host.label, {});
    }
    return task;
  }
  TaskIndex AddChain(size_t rank, const CostedChain& chain, LabelIndex label) {
    return AddCompute(rank, chain.total, label, {chain.host, chain.lead, issue_label_});
  }

  /// Host and GPU begin a step together; the latency of a launch delays all alike.
  void StartHosts() {
    if (has_host_) {
      const LabelIndex label = labels_.Add("begin step", Cause::kHost, epilogue_.host->start);
      for (size_t rank = 0; rank < pp_; ++rank) {
        Add(streams_[rank].host, epilogue_.host->start, label, {});
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
          {gather.before_layer, Add(streams_[gather.rank].data, gather.duration, label, {})});
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
        while (next[rank] < orders_[rank].size() && IsReady(rank, orders_[rank][next[rank]])) {
          RunSlot(rank, orders_[rank][next[rank]]);
          ++next[rank];
          --left;
          if (left % 1024 == 0) {
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
    return static_cast<size_t>(slot.chunk) * pp_ + rank;
  }
  size_t Index(size_t chunk, int32_t micro_batch) const {
    return chunk * micro_batches_ + static_cast<size_t>(micro_batch);
  }

  bool IsReady(size_t rank, const Slot& slot) const {
    const size_t chunk = ChunkOf(rank, slot);
    if (slot.kind == SlotKind::kForward) {
      return chunk == 0 || done_forward_[Index(chunk - 1, slot.micro_batch)] != kNoTask;
    }
    return chunk + 1 == chunks_ ? done_forward_[Index(chunk, slot.micro_batch)] != kNoTask
                                : done_backward_[Index(chunk + 1, slot.micro_batch)] != kNoTask;
  }

  void RunSlot(size_t rank, const Slot& slot) {
    const size_t chunk = ChunkOf(rank, slot);
    const bool is_forward = slot.kind == SlotKind::kForward;
    if (is_forward) {
      if (chunk > 0) {
        pending_[rank].push_back(done_forward_[Index(chunk - 1, slot.micro_batch)]);
      }
    } else if (chunk + 1 < chunks_) {
      pending_[rank].push_back(done_backward_[Index(chunk + 1, slot.micro_batch)]);
    }
    const bool is_last_backward = !is_forward && --backwards_left_[chunk] == 0;
    const auto first = static_cast<TaskIndex>(step_.program.num_tasks());
    RunPass(rank, chunk, slot.kind,
            is_last_backward && training_.framework.overlap.gradient_reduce);
    if (is_last_backward && !training_.framework.overlap.gradient_reduce) {
      late_reductions_.push_back(chunk);
    }
    RecordMemory(rank, chunk, is_forward, first);
    Send(rank, chunk, slot, is_forward);
  }

  void RunPass(size_t rank, size_t chunk, SlotKind kind, bool reduces) {
    const std::vector<size_t>& layers = stages_.chunks[chunk].layers;
    // The first forward of a chunk waits for its parameters, layer by layer.
    std::vector<LayerGather> gathers;
    if (kind == SlotKind::kForward) {
      gathers.swap(gathers_of_chunk_[chunk]);
    }
    const PassLabels& labels =
        kind == SlotKind::kForward ? forward_labels_[chunk] : backward_labels_[chunk];
    if (detail_ == Detail::kSlots && !reduces && gathers.empty()) {
      const ChunkPasses& passes = chunk_passes_[chunk];
      AddChain(rank, kind == SlotKind::kForward ? passes.forward : passes.backward, labels.whole);
      return;
    }
    for (size_t i = 0; i < layers.size(); ++i) {
      const size_t position = kind == SlotKind::kForward ? i : layers.size() - 1 - i;
      const CostedPass& pass = PassOf(stages_.layers[layers[position]], kind);
      for (const LayerGather& gather : gathers) {
        if (gather.before_layer == position) {
          pending_[rank].push_back(gather.task);
        }
      }
      if (detail_ != Detail::kOperations) {
        AddChain(rank, pass, labels.layers[position]);
      } else {
        RunOperations(rank, pass, labels.operations[position], labels.issues[position]);
      }
      if (reduces) {
        Reduce(rank, chunk, position);
      }
    }
  }

  void RunOperations(size_t rank, const CostedPass& pass, const std::vector<LabelIndex>& labels,
                     const std::vector<LabelIndex>& issues) {
    TaskIndex beside = kNoTask;  // a collective that the next operation does not wait for
    const auto wait_for_beside = [&] {
      if (beside != kNoTask) {
        pending_[rank].push_back(beside);
        beside = kNoTask;
      }
    };
    for (size_t i = 0; i < pass.steps.size(); ++i) {
      const CostedStep& step = pass.steps[i];
      if (!step.is_collective) {
        const TaskIndex task = AddCompute(rank, step.duration, labels[i],
                                          {step.host, step.host, has_host_ ? issues[i] : 0});
        if (has_host_ && beside != kNoTask) {
          step_.beside.emplace_back(task, beside);
        }
        wait_for_beside();
        continue;
      }
      wait_for_beside();
      std::vector<TaskIndex> waits = Frontier(rank);
      if (has_host_) {
        waits.push_back(Add(streams_[rank].host, step.host, issues[i], {}));
      }
      const TaskIndex task = Add(streams_[rank].collectives, step.duration, labels[i], waits);
      if (step.runs_beside_next) {
        beside = task;
      } else {
        pending_[rank].push_back(task);
      }
    }
    wait_for_beside();
  }

  /// Whatever must be over before this rank's work so far counts as done.
  std::vector<TaskIndex> Frontier(size_t rank) const {
    std::vector<TaskIndex> tasks = pending_[rank];
    if (last_on_compute_[rank] != kNoTask) {
      tasks.push_back(last_on_compute_[rank]);
    }
    return tasks;
  }

  void Reduce(size_t rank, size_t chunk, size_t position) {
    for (const EpilogueCosts::Reduction& reduction : epilogue_.reductions) {
      if (reduction.after_chunk == chunk && reduction.after_layer == position) {
        const LabelIndex label =
            labels_.Add("reduce gradients", Cause::kDataParallel, reduction.duration);
        reductions_[rank].push_back(
            Add(streams_[rank].data, reduction.duration, label, Frontier(rank)));
      }
    }
  }

  void Send(size_t rank, size_t chunk, const Slot& slot, bool is_forward) {
    const bool is_last = is_forward ? chunk + 1 == chunks_ : chunk == 0;
    std::vector<TaskIndex>& done = is_forward ? done_forward_ : done_backward_;
    if (is_last || !stages_.has_pipeline) {
      done[Index(chunk, slot.micro_batch)] = last_on_compute_[rank];
      return;
    }
    const StreamIndex stream =
        is_forward ? streams_[rank].send_forward : streams_[rank].send_backward;
    const size_t boundary = is_forward ? rank : (rank + pp_ - 1) % pp_;
    const TaskIndex send =
        Add(stream, stages_.boundary_sends[boundary], send_labels_[boundary], Frontier(rank));
    done[Index(chunk, slot.micro_batch)] = send;
    if (!training_.framework.overlap.pipeline_sends) {
      pending_[rank].push_back(send);
    }
  }

  void RecordMemory(size_t rank, size_t chunk, bool is_forward, TaskIndex first) {
    if (detail_ != Detail::kOperations) {
      return;
    }
    double bytes = 0;
    for (const size_t layer : stages_.chunks[chunk].layers) {
      bytes += stages_.layers[layer].saved_activations.base();
    }
    step_.memory_changes.push_back({.task = is_forward ? first : last_on_compute_[rank],
                                    .at_end = !is_forward,
                                    .rank = static_cast<uint32_t>(rank),
                                    .bytes = is_forward ? bytes : -bytes});
  }

  /// Reductions that did not hide, the word table shared by first and last stage, the norm over all
  /// ranks, the update.
  void Finish() {
    for (const size_t chunk : late_reductions_) {
      for (size_t position = stages_.chunks[chunk].layers.size(); position-- > 0;) {
        Reduce(chunk % pp_, chunk, position);
      }
    }
    // The first and the last stage reduce the word table together: once both have its gradient.
    std::vector<TaskIndex> both_ends = Frontier(0);
    for (const TaskIndex task : Frontier(pp_ - 1)) {
      both_ends.push_back(task);
    }
    std::vector<TaskIndex> arrivals;
    for (size_t rank = 0; rank < pp_; ++rank) {
      if (!epilogue_.tied_reduction.empty() && epilogue_.tied_reduction[rank][Bound::kMean] > 0) {
        const LabelIndex label = labels_.Add("reduce shared word table", Cause::kDataParallel,
                                             epilogue_.tied_reduction[rank]);
        reductions_[rank].push_back(
            Add(streams_[rank].data, epilogue_.tied_reduction[rank], label, both_ends));
      }
      pending_[rank].insert(pending_[rank].end(), reductions_[rank].begin(),
                            reductions_[rank].end());
      const LabelIndex label =
          labels_.Add("gradient norm", Cause::kOptimizer, epilogue_.gradient_norm[rank]);
      HostWorkOfTask host = {.label = issue_label_};
      if (has_host_) {
        host.host = host.lead = epilogue_.host->norm;
      }
      arrivals.push_back(AddCompute(rank, epilogue_.gradient_norm[rank], label, host));
    }
    const LabelIndex meet = labels_.Add("all ranks meet", Cause::kBubble, Duration{});
    const TaskIndex barrier = Add(world_, Duration{}, meet, arrivals);
    const LabelIndex norm =
        labels_.Add("reduce gradient norm", Cause::kDataParallel, epilogue_.norm_reduction);
    for (size_t rank = 0; rank < pp_; ++rank) {
      const TaskIndex reduced =
          Add(streams_[rank].data, epilogue_.norm_reduction, norm, std::span(&barrier, 1));
      pending_[rank].push_back(reduced);
      const LabelIndex label = labels_.Add("optimizer", Cause::kOptimizer, epilogue_.update[rank]);
      HostWorkOfTask host = {.label = issue_label_};
      if (has_host_) {
        host.host = epilogue_.host->update[rank];
        host.lead = epilogue_.host->update_lead[rank];
      }
      AddCompute(rank, epilogue_.update[rank], label, host);
    }
    if (!training_.framework.overlap.parameter_gather) {
      for (const EpilogueCosts::Gather& gather : epilogue_.gathers) {
        const LabelIndex label =
            labels_.Add("gather parameters", Cause::kDataParallel, gather.duration);
        step_.trailing[gather.rank].push_back(
            Add(streams_[gather.rank].data, gather.duration, label, Frontier(gather.rank)));
      }
    }
  }

  const sim::TrainingScenario& training_;
  const StageCosts& stages_;
  const EpilogueCosts& epilogue_;
  const Detail detail_;
  const bool has_host_;
  StepProgram step_;
  StepLabels labels_;  // of step_
  const size_t pp_;
  const size_t chunks_;
  const size_t micro_batches_;

  std::vector<RankStreams> streams_;
  StreamIndex world_ = 0;
  std::vector<PassLabels> forward_labels_, backward_labels_;
  std::vector<LabelIndex> send_labels_;  // by stage, of the boundary above it
  LabelIndex issue_label_ = 0;           // of whatever a host does
  std::vector<ChunkPasses> chunk_passes_;
  std::vector<std::vector<Slot>> orders_;
  std::vector<TaskIndex> done_forward_,
      done_backward_;                   // by chunk and micro-batch: what the next chunk waits for
  std::vector<size_t> backwards_left_;  // by chunk
  std::vector<std::vector<LayerGather>> gathers_of_chunk_;
  std::vector<TaskIndex> last_on_compute_;  // by rank
  std::vector<std::vector<TaskIndex>>
      pending_;  // by rank: what its next compute task waits for besides the stream
  std::vector<std::vector<TaskIndex>> reductions_;  // by rank
  std::vector<size_t> late_reductions_;             // chunks
};

}  // namespace

Result<StepProgram> BuildStepProgram(const sim::TrainingScenario& training,
                                     const StageCosts& stages, const EpilogueCosts& epilogue,
                                     Detail detail, const Stop& stop) {
  return Builder(training, stages, epilogue, detail).Build(stop);
}

}  // namespace ridgeline::training
