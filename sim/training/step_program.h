/// One training step as a program: per pipeline rank an in-order compute stream, a stream for
/// tensor and expert collectives, one for sends in each direction and one for data-parallel
/// traffic. Ranks that do the same thing at the same time (the tensor, context and data parallel
/// replicas of a healthy job) are one rank here.
///
/// The same step at three levels of detail, with equal times to the picosecond (a property test): a
/// task per slot of the schedule (what is swept for an answer), a task per layer, a task per
/// operation (what a trace shows). Every order of a schedule is turned into one topological order
/// in O(tasks).
///
/// With host time a rank has a host stream besides: each compute task (at kOperations each
/// collective of a pass too) waits for the host's task before it, and what the host issues while
/// that task runs is a task after it (host_chain.h). Sends, gathers and reductions are issued for
/// nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/stop.h"
#include "sim/engine/program.h"
#include "sim/scenario.h"
#include "sim/training/stage_costs.h"
#include "workloads/pipeline_schedule.h"

namespace ridgeline::training {

enum class Detail { kSlots, kLayers, kOperations };

inline const CostedPass& PassOf(const CostedLayer& layer, workloads::SlotKind kind) {
  switch (kind) {
    case workloads::SlotKind::kForward:
      return layer.forward;
    case workloads::SlotKind::kBackward:
      break;
    case workloads::SlotKind::kInput:
      return layer.input_gradient;
    case workloads::SlotKind::kWeight:
      return layer.weight_gradient;
  }
  return layer.backward;
}
/// Whether a slot leaves gradients of weights behind it.
inline bool MakesGradients(workloads::SlotKind kind) {
  return kind == workloads::SlotKind::kBackward || kind == workloads::SlotKind::kWeight;
}

/// What a rank's memory changes by when a task begins or ends: a micro-batch's activations come and
/// go.
struct MemoryChange {
  engine::TaskIndex task = 0;
  bool at_end = false;
  uint32_t rank = 0;
  double bytes = 0.0;
};

struct StepProgram {
  engine::Program program;                           // durations at the mean
  std::vector<engine::Picoseconds> low, high;        // durations at the ends of the range
  std::vector<BoundedCauseTimes> label_causes;       // by label: what one task of it spends
  std::vector<engine::StreamIndex> compute_streams;  // by rank
  std::vector<std::vector<engine::TaskIndex>>
      trailing;  // by rank: data-parallel traffic after the last compute task
  std::vector<MemoryChange> memory_changes;  // at kOperations only
  /// Operations that a collective runs beside, in order, each with that collective: where the host
  /// delays the operation, its stream waits with the collective under way. At kOperations only, and
  /// only with host time.
  std::vector<std::pair<engine::TaskIndex, engine::TaskIndex>> beside;
};

/// What one layer with parameters cut over ranks sends and copies for a micro-batch
/// (sharded_layers.h).
struct ShardedLayer {
  bool regathers = false;   // gathered again before its backward
  Duration gather;          // of its parameters, as they compute; with the copy into the buffer
  Duration regather;        // likewise, before its backward
  Duration reduce;          // of its gradients
  Bytes gathered, reduced;  // by one of each
  CollectiveLoad gather_load;
  CollectiveLoad reduce_load;
  Duration slows_forward;  // what collectives beside its forward add to that (contention.h)
  Duration slows_backward;
  CostedChain copy_out;  // of the gathered parameters out of the buffer, on the compute stream
  CostedChain copy_in;   // of its gradients into a buffer
};

/// Data-parallel traffic, and the updates that follow the last backward, costed.
struct EpilogueCosts {
  struct Reduction {
    size_t rank = 0;
    size_t after_chunk = 0;  // model chunk whose last backward it waits for
    size_t after_layer =
        0;  // position in that chunk, counted from the bottom: all layers from here up are done
    Duration duration;
    /// Of the gradients into the bucket and, once all layers are done and it is reduced, out of it;
    /// on the compute stream. Nothing where gradients live in their buckets.
    CostedChain copy_in = {};
    CostedChain copy_out = {};
    workloads::Axis axis = workloads::Axis::kData;  // who takes part
    Bytes bytes = {};
    CollectiveLoad load = {};
  };
  struct Gather {
    size_t rank = 0;
    size_t before_chunk = 0;  // model chunk whose parameters it brings
    size_t before_layer = 0;  // position in that chunk of the lowest layer among them
    Duration duration;
    workloads::Axis axis = workloads::Axis::kData;  // who takes part
    Bytes bytes = {};
  };
  std::vector<Reduction>
      reductions;               // gradients, bucket by bucket, in order of readiness within a rank
  std::vector<Gather> gathers;  // parameters of a distributed optimizer, by the same buckets, in
                                // the order in which the forward needs them
  bool copies_gradients = false;  // into buckets and out of them
  /// By chunk and position: what reductions beside it add to a layer's backward (contention.h);
  /// empty when none runs beside.
  std::vector<std::vector<Duration>> slows_backward;
  /// Gradients are reduced behind every micro-batch's backward, not only the last (ZeRO-2).
  bool reduces_every_micro_batch = false;
  std::vector<ShardedLayer> sharded;    // chunk by chunk, bottom to top; empty: nothing is cut
  Duration issue_gather, issue_reduce;  // the host's time for one collective of `sharded`
  std::vector<Duration>
      tied_reduction;  // by rank: the word table shared by first and last stage; empty when none
  bool clips_gradients = true;          // by their norm, for which all ranks meet
  std::vector<Duration> gradient_norm;  // by rank
  Duration norm_reduction;              // one scalar over all ranks
  std::vector<Duration> update;         // by rank
  /// The host's part; absent when the framework has no host time.
  struct Host {
    Duration start;  // before the first operation of the step can begin: its calls, a launch
    Duration norm;   // before the gradient norm
    std::vector<Duration> update;       // by rank: of the update, layer by layer
    std::vector<Duration> update_lead;  // of those, what the update's task waits for
  };
  std::optional<Host> host;
  sim::Reliance reliance;  // of all ranks of a pipeline together
};
/// Whether gradients are copied into buckets to be reduced, and back.
bool CopiesGradients(const sim::TrainingScenario& training);

Result<EpilogueCosts> CostEpilogue(const sim::TrainingScenario& training, const StageView& stages,
                                   const compute::OperationTime& time);

/// OK when all that the step does, one thing after the other, stays within the simulated clock (106
/// days); kOutOfRange, with the span, otherwise.
Status FitsClock(const sim::TrainingScenario& training, const StageView& stages,
                 const EpilogueCosts& epilogue);

/// Builds the program of costs that fit the clock. Errors: those of workloads::OrderOf; kCancelled
/// or kDeadlineExceeded from `stop`.
Result<StepProgram> BuildStepProgram(const sim::TrainingScenario& training, const StageView& stages,
                                     const EpilogueCosts& epilogue, Detail detail,
                                     const Stop& stop);

}  // namespace ridgeline::training
