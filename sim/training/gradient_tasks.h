/// Gradient reductions of a step while its program is being built: bucket by bucket behind the
/// backward that fills it, on each rank's stream of data-parallel traffic.
#pragma once

#include <vector>

#include "sim/training/rank_tasks.h"
#include "sim/training/step_labels.h"
#include "sim/training/step_program.h"

namespace ridgeline::training {

class GradientTasks {
 public:
  /// All must outlive the calls.
  GradientTasks(size_t ranks, const EpilogueCosts& epilogue, StepLabels& labels, RankTasks& tasks)
      : epilogue_(&epilogue),
        labels_(&labels),
        tasks_(&tasks),
        reductions_(ranks),
        buckets_(ranks) {}

  /// The buckets that are full once a layer's gradients are there. `issue_label`: of the host.
  void Reduce(size_t rank, size_t chunk, size_t position, engine::LabelIndex issue_label);
  /// The rank's next task waits for all of its reductions.
  void WaitFor(size_t rank);
  void Append(size_t rank, engine::TaskIndex reduction) { reductions_[rank].push_back(reduction); }
  /// Out of their buckets, where gradients are copied into them, each once it is reduced.
  void CopyBack(size_t rank, engine::LabelIndex issue_label);

 private:
  struct ReducedBucket {
    engine::TaskIndex reduced = 0;
    const EpilogueCosts::Reduction* reduction = nullptr;
  };
  void Copy(size_t rank, const CostedChain& copy, engine::LabelIndex issue_label);

  const EpilogueCosts* epilogue_;
  StepLabels* labels_;
  RankTasks* tasks_;
  std::vector<std::vector<engine::TaskIndex>> reductions_;  // by rank, not yet waited for
  std::vector<std::vector<ReducedBucket>> buckets_;         // likewise, where gradients are copied
};

}  // namespace ridgeline::training
