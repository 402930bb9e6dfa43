#include "sim/engine/program.h"

#include <utility>

#include "base/check.h"

namespace ridgeline::engine {

StreamIndex Program::AddStream(uint32_t rank, std::string name) {
  CHECK(streams_.size() < kNoTask, "{} streams", streams_.size());
  streams_.push_back({.rank = rank, .name = std::move(name)});
  last_of_stream_.push_back(kNoTask);
  return static_cast<StreamIndex>(streams_.size() - 1);
}

LabelIndex Program::AddLabel(std::string name, uint32_t cause) {
  CHECK(labels_.size() < kNoTask, "{} labels", labels_.size());
  labels_.push_back({.name = std::move(name), .cause = cause});
  return static_cast<LabelIndex>(labels_.size() - 1);
}

TaskIndex Program::AddTask(StreamIndex stream, Picoseconds duration, LabelIndex label,
                           std::span<const TaskIndex> dependencies) {
  const size_t index = durations_.size();
  CHECK(index < kNoTask, "{} tasks", index);
  CHECK(stream < streams_.size(), "stream {} of {}", stream, streams_.size());
  CHECK(label < labels_.size(), "label {} of {}", label, labels_.size());
  CHECK(duration >= 0, "task {} of {} ps", index, duration);
  CHECK(dependencies.size() <= kNoTask - dependencies_.size(), "{} + {} dependencies",
        dependencies_.size(), dependencies.size());
  for (const TaskIndex dependency : dependencies) {
    // Only what was added before: program order stays a topological order, so nothing can deadlock.
    CHECK(dependency < index, "task {} depends on {}", index, dependency);
  }
  dependencies_.insert(dependencies_.end(), dependencies.begin(), dependencies.end());
  dependency_begin_.push_back(static_cast<uint32_t>(dependencies_.size()));
  durations_.push_back(duration);
  task_streams_.push_back(stream);
  task_labels_.push_back(label);
  last_of_stream_[stream] = static_cast<TaskIndex>(index);
  return static_cast<TaskIndex>(index);
}

TaskIndex Program::AddJoint(std::span<const StreamIndex> streams, Picoseconds duration,
                            LabelIndex label, std::span<const TaskIndex> dependencies) {
  CHECK(!streams.empty(), "a joint task of no stream");
  if (streams.size() == 1) {
    return AddTask(streams[0], duration, label, dependencies);
  }
  std::vector<TaskIndex> gate(dependencies.begin(), dependencies.end());
  for (const StreamIndex stream : streams) {
    CHECK(stream < streams_.size(), "stream {} of {}", stream, streams_.size());
    if (last_of_stream_[stream] != kNoTask) {
      gate.push_back(last_of_stream_[stream]);
    }
  }
  const TaskIndex all_arrived = AddTask(streams[0], 0, label, gate);
  for (const StreamIndex stream : streams) {
    AddTask(stream, duration, label, {&all_arrived, 1});
  }
  return all_arrived + 1;
}

void Program::Reserve(size_t tasks, size_t dependencies) {
  durations_.reserve(tasks);
  task_streams_.reserve(tasks);
  task_labels_.reserve(tasks);
  dependency_begin_.reserve(tasks + 1);
  dependencies_.reserve(dependencies);
}

void Program::ReplaceDurations(std::vector<Picoseconds> durations) {
  CHECK(durations.size() == durations_.size(), "{} durations for {} tasks", durations.size(),
        durations_.size());
  for (size_t i = 0; i < durations.size(); ++i) {
    CHECK(durations[i] >= 0, "task {} of {} ps", i, durations[i]);
  }
  durations_ = std::move(durations);
}

}  // namespace ridgeline::engine
