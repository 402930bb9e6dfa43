/// The tasks of a step, rank by rank, while its program is being built: what each rank did last on
/// its compute stream and what its next task there must wait for, and the host that issues it.
#pragma once

#include <span>
#include <vector>

#include "sim/engine/program.h"
#include "sim/training/step_program.h"

namespace ridgeline::training {

/// The streams of one rank.
struct RankStreams {
  engine::StreamIndex compute = 0;
  engine::StreamIndex collectives = 0;
  engine::StreamIndex send_forward = 0;
  engine::StreamIndex send_backward = 0;
  engine::StreamIndex data = 0;
  engine::StreamIndex host = 0;  // with host time only
};

/// What a host does for a compute task: the task waits for `lead`, the rest is done while it runs.
struct HostWorkOfTask {
  Duration host = {};
  Duration lead = {};
  engine::LabelIndex label = 0;
};

class RankTasks {
 public:
  /// Adds the streams of `ranks` ranks to `step`, which must outlive the calls.
  RankTasks(size_t ranks, bool has_host, StepProgram& step);

  bool has_host() const { return has_host_; }
  const RankStreams& streams(size_t rank) const { return streams_[rank]; }
  /// What the rank's next compute task waits for besides its stream.
  std::vector<engine::TaskIndex>& pending(size_t rank) { return pending_[rank]; }
  engine::TaskIndex last_on_compute(size_t rank) const { return last_on_compute_[rank]; }
  /// Whatever must be over before this rank's work so far counts as done.
  std::vector<engine::TaskIndex> Frontier(size_t rank) const;

  engine::TaskIndex Add(engine::StreamIndex stream, const Duration& duration,
                        engine::LabelIndex label, std::span<const engine::TaskIndex> dependencies);
  /// On the rank's host, if it has one: the task is appended to `waits`.
  void Issue(size_t rank, const Duration& host, engine::LabelIndex label,
             std::vector<engine::TaskIndex>& waits);
  /// On a rank's compute stream, behind what is pending and its host's lead.
  engine::TaskIndex AddCompute(size_t rank, const Duration& duration, engine::LabelIndex label,
                               const HostWorkOfTask& host);
  engine::TaskIndex AddChain(size_t rank, const CostedChain& chain, engine::LabelIndex label,
                             engine::LabelIndex issue_label) {
    return AddCompute(rank, chain.total, label, {chain.host, chain.lead, issue_label});
  }
  /// What a task before it takes longer; nothing when that is nothing.
  void AddSlowing(size_t rank, const Duration& duration, engine::LabelIndex label,
                  engine::LabelIndex issue_label) {
    if (duration[Bound::kMean] > 0) {
      AddCompute(rank, duration, label, {.label = issue_label});
    }
  }

 private:
  bool has_host_;
  StepProgram* step_;
  std::vector<RankStreams> streams_;
  std::vector<engine::TaskIndex> last_on_compute_;  // kNoTask before the first
  std::vector<std::vector<engine::TaskIndex>> pending_;
};

}  // namespace ridgeline::training
