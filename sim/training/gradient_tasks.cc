#include "sim/training/gradient_tasks.h"

namespace ridgeline::training {

void GradientTasks::Reduce(size_t rank, size_t chunk, size_t position,
                           engine::LabelIndex issue_label) {
  for (const EpilogueCosts::Reduction& reduction : epilogue_->reductions) {
    if (reduction.after_chunk != chunk || reduction.after_layer != position) {
      continue;
    }
    if (epilogue_->copies_gradients) {
      Copy(rank, reduction.copy_in, issue_label);
    }
    const engine::LabelIndex label =
        labels_->Add("reduce gradients", Cause::kDataParallel, reduction.duration);
    reductions_[rank].push_back(
        tasks_->Add(tasks_->streams(rank).data, reduction.duration, label, tasks_->Frontier(rank)));
    if (epilogue_->copies_gradients) {
      buckets_[rank].push_back({reductions_[rank].back(), &reduction});
    }
  }
}

void GradientTasks::WaitFor(size_t rank) {
  std::vector<engine::TaskIndex>& reductions = reductions_[rank];
  tasks_->pending(rank).insert(tasks_->pending(rank).end(), reductions.begin(), reductions.end());
  reductions.clear();
}

void GradientTasks::CopyBack(size_t rank, engine::LabelIndex issue_label) {
  for (const ReducedBucket& bucket : buckets_[rank]) {
    tasks_->pending(rank).push_back(bucket.reduced);
    Copy(rank, bucket.reduction->copy_out, issue_label);
  }
}

void GradientTasks::Copy(size_t rank, const CostedChain& copy, engine::LabelIndex issue_label) {
  tasks_->AddChain(rank, copy, labels_->Add("copy gradients", Cause::kElementwise, copy.total),
                   issue_label);
}

}  // namespace ridgeline::training
