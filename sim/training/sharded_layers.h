/// Parameters cut over the data-parallel ranks (ZeRO-3, FSDP): a layer's are gathered before it
/// computes, given up after, gathered again for its backward, and its gradients scattered as sums
/// behind that. For every micro-batch; embedding and head are layers like the others.
///
/// The order is that of FSDP2 (pytorch/pytorch torch/distributed/fsdp/_fully_shard): collectives
/// run one after the other as they are issued. Forward: a layer's gather is issued before it, and
/// may begin once the parameters of the layer two below have been copied out of their buffer; the
/// first of a forward begins behind all that came before. Backward: a layer's gather is issued when
/// the one above begins; gradients are copied into their buffer once the reduction before has left
/// it. What a micro-batch reduces is waited for before the next begins.
///
/// In a pipeline every slot is a pass of its own: its first layer's gather begins behind all that
/// came before on the rank, in a backward too. Where parameters are not given up (`reshard: false`)
/// a pipeline gathers each chunk once, before its first forward, and sums gradients whole until its
/// last backward (pytorch/pytorch torch/distributed/pipelining/stage.py,
/// backward_maybe_with_nosync).
///
/// FSDP2 casts and copies a rank's own part into the gather's buffer on a stream of its own, just
/// before the gather: it counts as part of the gather.
#pragma once

#include <vector>

#include "base/result.h"
#include "sim/training/rank_tasks.h"
#include "sim/training/step_labels.h"
#include "sim/training/step_program.h"

namespace ridgeline::training {

/// The traffic of each layer, chunk by chunk, bottom to top; empty unless parameters are cut over
/// more than one rank. Adds to `reliance` what a step makes of it.
Result<std::vector<ShardedLayer>> CostShardedLayers(const sim::TrainingScenario& training,
                                                    const StageView& stages,
                                                    const compute::OperationTime& time,
                                                    sim::Reliance& reliance);

/// Lengthens compute and collectives that run beside one another (contention.h).
void SlowSharded(const StageView& stages, std::vector<ShardedLayer>& sharded);

/// A pass of one chunk on its rank.
struct ShardedPass {
  size_t rank = 0;
  size_t chunk = 0;
  workloads::SlotKind kind = workloads::SlotKind::kForward;  // kForward or kBackward
  bool is_first = false;                                     // forward of its chunk
  bool is_last = false;                                      // backward of its chunk
};

/// Adds the traffic to a step's program, around each layer's compute tasks.
class ShardedTasks {
 public:
  /// All must outlive the calls. `issue_label`: of whatever the host does.
  ShardedTasks(const sim::TrainingScenario& training, const StageView& stages,
               const EpilogueCosts& epilogue, StepLabels& labels, engine::LabelIndex issue_label,
               RankTasks& tasks);

  void BeginPass(const ShardedPass& pass);
  void BeforeLayer(size_t position);
  void AfterLayer(size_t position);
  /// A backward ends with its last reduction.
  void EndPass();

 private:
  struct Labels {
    engine::LabelIndex gather = 0;
    engine::LabelIndex regather = 0;
    engine::LabelIndex copy_out = 0;
    engine::LabelIndex copy_in = 0;
    engine::LabelIndex reduce = 0;
    engine::LabelIndex slows_forward = 0;
    engine::LabelIndex slows_backward = 0;
  };
  void Gather(size_t layer, std::vector<engine::TaskIndex> waits);
  void CopyOut(size_t layer);
  size_t IndexOf(size_t position) const { return first_layer_[pass_.chunk] + position; }
  bool IsForward() const { return pass_.kind == workloads::SlotKind::kForward; }

  const EpilogueCosts* epilogue_;
  RankTasks* tasks_;
  bool keeps_gathered_;
  std::vector<Labels> labels_;  // by layer
  engine::LabelIndex issue_label_;
  std::vector<size_t> first_layer_;              // by chunk, among all; one more entry than chunks
  std::vector<engine::TaskIndex> gathered_;      // by layer: its last gather
  std::vector<engine::TaskIndex> copied_;        // and the copy out of its buffer
  ShardedPass pass_;                             // the one under way
  engine::TaskIndex reduced_ = engine::kNoTask;  // its last reduction
};

}  // namespace ridgeline::training
