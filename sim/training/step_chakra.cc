#include "sim/training/step_chakra.h"

#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <utility>

#include "sim/engine/static_sweep.h"
#include "sim/training/step_trace.h"

namespace ridgeline::training {
namespace {

using engine::kNoTask;
using engine::TaskIndex;
using trace::ChakraCollective;
using trace::ChakraNode;
using trace::ChakraNodeType;

constexpr engine::Picoseconds kPicosecondsAMicrosecond = 1'000'000;

/// What is known of a label's tasks: labels are those of operations, shared by micro-batches.
using StepsByName = std::map<std::pair<std::string, engine::Picoseconds>, const CostedStep*>;

StepsByName Steps(const StageCosts& stages) {
  StepsByName steps;
  for (const CostedLayer& layer : stages.layers) {
    for (const CostedPass* const pass :
         {&layer.forward, &layer.backward, &layer.input_gradient, &layer.weight_gradient}) {
      for (const CostedStep& step : pass->steps) {
        steps.emplace(std::pair{step.name, step.duration[Bound::kMean]}, &step);
      }
    }
  }
  return steps;
}

ChakraCollective KindOf(CollectiveKind kind) {
  switch (kind) {
    case CollectiveKind::kAllReduce:
      return ChakraCollective::kAllReduce;
    case CollectiveKind::kAllGather:
      return ChakraCollective::kAllGather;
    case CollectiveKind::kReduceScatter:
      return ChakraCollective::kReduceScatter;
    case CollectiveKind::kAllToAll:
    case CollectiveKind::kSend:  // round a ring: each to the next
      return ChakraCollective::kAllToAll;
    case CollectiveKind::kBroadcast:
      return ChakraCollective::kBroadcast;
  }
  return ChakraCollective::kAllReduce;
}

bool IsCommunication(Cause cause) {
  return cause == Cause::kTensorParallel || cause == Cause::kContextParallel ||
         cause == Cause::kExpertParallel || cause == Cause::kDataParallel;
}

class Export {
 public:
  Export(const StepProgram& step, const engine::Timeline& timeline, const StageCosts& stages)
      : step_(&step), timeline_(&timeline), steps_(Steps(stages)) {
    const engine::Program& program = step.program;
    is_compute_.resize(program.num_streams(), false);
    for (const engine::StreamIndex stream : step.compute_streams) {
      is_compute_[stream] = true;
    }
    last_of_stream_.resize(program.num_streams(), kNoTask);
    next_id_ = program.num_tasks();
    FindRemote();
  }

  std::vector<std::vector<ChakraNode>> Run() {
    std::vector<std::vector<ChakraNode>> ranks(step_->compute_streams.size());
    for (TaskIndex task = 0; task < step_->program.num_tasks(); ++task) {
      const uint32_t rank = RankOf(task);
      ChakraNode node = NodeOf(task);
      for (const TaskIndex dependency : step_->program.dependencies(task)) {
        node.data_dependencies.push_back(
            RankOf(dependency) == rank ? dependency : Receive(dependency, rank, ranks[rank]));
      }
      TaskIndex& previous = last_of_stream_[step_->program.task_streams()[task]];
      if (previous != kNoTask) {
        node.control_dependencies.push_back(previous);
      }
      previous = task;
      ranks[rank].push_back(std::move(node));
      Send(task, ranks[rank]);
    }
    return ranks;
  }

 private:
  uint32_t RankOf(TaskIndex task) const {
    return step_->program.streams()[step_->program.task_streams()[task]].rank;
  }
  Cause CauseOfTask(TaskIndex task) const {
    return static_cast<Cause>(step_->program.labels()[step_->program.task_labels()[task]].cause);
  }

  /// By task: the other ranks that wait for it.
  void FindRemote() {
    for (TaskIndex task = 0; task < step_->program.num_tasks(); ++task) {
      for (const TaskIndex dependency : step_->program.dependencies(task)) {
        if (RankOf(dependency) != RankOf(task)) {
          remote_[dependency].emplace(RankOf(task), uint64_t{0});
        }
      }
    }
  }

  /// A transfer whose message is the task itself.
  bool IsSend(TaskIndex task) const {
    const auto waiting = remote_.find(task);
    return CauseOfTask(task) == Cause::kPipelineParallel && waiting != remote_.end() &&
           waiting->second.size() == 1;
  }

  static void AddMessage(ChakraNode& node, uint32_t source, uint32_t destination, TaskIndex tag,
                         int64_t bytes) {
    node.attributes.push_back({"comm_src", static_cast<int32_t>(source)});
    node.attributes.push_back({"comm_dst", static_cast<int32_t>(destination)});
    node.attributes.push_back({"comm_tag", static_cast<int32_t>(tag)});
    node.attributes.push_back({"comm_size", bytes});
  }

  ChakraNode NodeOf(TaskIndex task) const {
    const engine::Program& program = step_->program;
    const engine::StreamIndex stream = program.task_streams()[task];
    const engine::Label& label = program.labels()[program.task_labels()[task]];
    const engine::Picoseconds duration = timeline_->end[task] - timeline_->begin[task];
    const Cause cause = CauseOfTask(task);
    ChakraNode node{.id = task, .name = label.name, .type = ChakraNodeType::kCompute};
    node.start_micros = static_cast<uint64_t>(timeline_->begin[task] / kPicosecondsAMicrosecond);
    node.duration_micros =
        static_cast<uint64_t>((duration + kPicosecondsAMicrosecond / 2) / kPicosecondsAMicrosecond);
    const bool is_host = cause == Cause::kHost && !is_compute_[stream];
    node.attributes.push_back({"is_cpu_op", is_host});
    node.attributes.push_back({"duration_ps", int64_t{duration}});
    node.attributes.push_back({"stream", static_cast<int32_t>(stream)});
    const auto known = steps_.find({label.name, program.durations()[task]});
    const CostedStep* const step = known == steps_.end() || is_host ? nullptr : known->second;
    if (IsSend(task)) {
      node.type = ChakraNodeType::kSend;
      AddMessage(node, RankOf(task), remote_.at(task).begin()->first, task, 1);
    } else if (!is_compute_[stream] && IsCommunication(cause)) {
      node.type = ChakraNodeType::kCollective;
      if (step != nullptr && step->is_collective) {
        node.attributes.push_back({"comm_type", static_cast<int64_t>(KindOf(step->collective))});
        node.attributes.push_back({"comm_size", static_cast<int64_t>(step->bytes.base())});
      } else {
        node.attributes.push_back(
            {"comm_type", static_cast<int64_t>(ChakraCollective::kAllReduce)});
      }
      node.attributes.push_back({"pg_name", std::string(CauseName(cause))});
    } else if (step != nullptr && !step->is_collective) {
      node.attributes.push_back({"num_ops", static_cast<int64_t>(step->flops.base())});
      node.attributes.push_back({"tensor_size", static_cast<uint64_t>(step->bytes.base())});
    }
    return node;
  }

  /// The id of rank's node that receives what `dependency` sends; made when first asked for.
  uint64_t Receive(TaskIndex dependency, uint32_t rank, std::vector<ChakraNode>& nodes) {
    uint64_t& id = remote_.at(dependency).at(rank);
    if (id == 0) {
      id = next_id_++;
      ChakraNode node{.id = id, .name = "receive", .type = ChakraNodeType::kReceive};
      node.start_micros =
          static_cast<uint64_t>(timeline_->end[dependency] / kPicosecondsAMicrosecond);
      node.attributes.push_back({"is_cpu_op", false});
      AddMessage(node, RankOf(dependency), rank, dependency, 1);
      nodes.push_back(std::move(node));
    }
    return id;
  }

  /// Empty messages behind a task that other ranks wait for and that is none itself.
  void Send(TaskIndex task, std::vector<ChakraNode>& nodes) {
    const auto waiting = remote_.find(task);
    if (waiting == remote_.end() || IsSend(task)) {
      return;
    }
    for (const auto& [rank, receive] : waiting->second) {
      ChakraNode node{.id = next_id_++, .name = "send", .type = ChakraNodeType::kSend};
      node.data_dependencies = {task};
      node.start_micros = static_cast<uint64_t>(timeline_->end[task] / kPicosecondsAMicrosecond);
      node.attributes.push_back({"is_cpu_op", false});
      AddMessage(node, RankOf(task), rank, task, 1);
      nodes.push_back(std::move(node));
    }
  }

  const StepProgram* step_;
  const engine::Timeline* timeline_;
  StepsByName steps_;
  std::vector<bool> is_compute_;  // by stream
  std::vector<TaskIndex> last_of_stream_;
  std::map<TaskIndex, std::map<uint32_t, uint64_t>> remote_;  // task -> rank -> receive's id
  uint64_t next_id_ = 0;
};

}  // namespace

std::vector<std::vector<ChakraNode>> ChakraNodesOf(const StepProgram& step,
                                                   const engine::Timeline& timeline,
                                                   const StageCosts& stages) {
  return Export(step, timeline, stages).Run();
}

Result<std::vector<std::string>> WriteStepChakra(const sim::TrainingScenario& training,
                                                 const StageCosts& stages,
                                                 const EpilogueCosts& epilogue, const Stop& stop) {
  ASSIGN_OR_RETURN(const StepProgram step, BuildStepProgram(training, stages, epilogue,
                                                            TraceDetail(training, stages), stop));
  std::vector<std::string> files;
  for (const std::vector<ChakraNode>& nodes :
       ChakraNodesOf(step, engine::StaticSweep(step.program), stages)) {
    std::ostringstream out;
    trace::ChakraWriter writer(out);
    for (const ChakraNode& node : nodes) {
      writer.Write(node);
    }
    files.push_back(std::move(out).str());
  }
  return files;
}

}  // namespace ridgeline::training
