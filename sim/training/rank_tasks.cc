#include "sim/training/rank_tasks.h"

namespace ridgeline::training {

using engine::kNoTask;
using engine::LabelIndex;
using engine::StreamIndex;
using engine::TaskIndex;

RankTasks::RankTasks(size_t ranks, bool has_host, StepProgram& step)
    : has_host_(has_host), step_(&step), last_on_compute_(ranks, kNoTask), pending_(ranks) {
  engine::Program& program = step.program;
  for (uint32_t rank = 0; rank < ranks; ++rank) {
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
    step.compute_streams.push_back(streams.compute);
  }
}

std::vector<TaskIndex> RankTasks::Frontier(size_t rank) const {
  std::vector<TaskIndex> tasks = pending_[rank];
  if (last_on_compute_[rank] != kNoTask) {
    tasks.push_back(last_on_compute_[rank]);
  }
  return tasks;
}

TaskIndex RankTasks::Add(StreamIndex stream, const Duration& duration, LabelIndex label,
                         std::span<const TaskIndex> dependencies) {
  const TaskIndex task =
      step_->program.AddTask(stream, duration[Bound::kMean], label, dependencies);
  step_->low.push_back(duration[Bound::kLow]);
  step_->high.push_back(duration[Bound::kHigh]);
  return task;
}

void RankTasks::Issue(size_t rank, const Duration& host, LabelIndex label,
                      std::vector<TaskIndex>& waits) {
  if (has_host_) {
    waits.push_back(Add(streams_[rank].host, host, label, {}));
  }
}

TaskIndex RankTasks::AddCompute(size_t rank, const Duration& duration, LabelIndex label,
                                const HostWorkOfTask& host) {
  Issue(rank, host.lead, host.label, pending_[rank]);
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

}  // namespace ridgeline::training
