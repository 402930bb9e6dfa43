/// A program: what is to be executed, before anything is known of when. Streams run their tasks in
/// the order in which they were added; a task also waits for the tasks it depends on, which were
/// added before it. Program order is therefore a topological order, and one pass over it finds
/// every finishing time (static_sweep.h); the event-driven engine (event_engine.h) executes the
/// same program when rates depend on what else runs.
///
/// Structure of arrays: a task is 8 B duration, 4 B stream, 4 B begin of its dependencies, 4 B
/// label, and 4 B a dependency. Everything wrong in here is a bug of the builder: CHECK refuses
/// negative durations, unknown streams and labels, and dependencies that were not added before. A
/// collective that joins ranks is one task per stream that takes part, made by AddJoint.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "sim/engine/sim_time.h"

namespace ridgeline::engine {

using TaskIndex = uint32_t;
using StreamIndex = uint32_t;
using LabelIndex = uint32_t;

inline constexpr TaskIndex kNoTask = UINT32_MAX;

/// What a task is called in traces and which cause its time is booked under; shared by many tasks.
struct Label {
  std::string name;    // "gemm 8192x4096x5120 bf16"
  uint32_t cause = 0;  // index that the owner of the program gives meaning to
};

/// One in-order queue of one rank.
struct Stream {
  uint32_t rank = 0;
  std::string name;  // "compute", "tensor parallel"
};

class Program {
 public:
  StreamIndex AddStream(uint32_t rank, std::string name);
  LabelIndex AddLabel(std::string name, uint32_t cause);
  /// Appends a task to `stream`. `dependencies` must have been added before. Returns its index.
  TaskIndex AddTask(StreamIndex stream, Picoseconds duration, LabelIndex label,
                    std::span<const TaskIndex> dependencies = {});

  /// Appends one task to each of `streams`, all beginning at the same instant: when every stream
  /// has come to it and `dependencies` are done. The task of streams[i] is the returned index + i.
  /// A gate of no duration on streams[0], just before, keeps this linear in the streams; it is the
  /// only other task added, and only when there are two streams or more.
  TaskIndex AddJoint(std::span<const StreamIndex> streams, Picoseconds duration, LabelIndex label,
                     std::span<const TaskIndex> dependencies = {});

  /// Makes room; saves the growing when the sizes are known.
  void Reserve(size_t tasks, size_t dependencies);

  size_t num_tasks() const { return durations_.size(); }
  size_t num_streams() const { return streams_.size(); }
  std::span<const Picoseconds> durations() const { return durations_; }
  std::span<const StreamIndex> task_streams() const { return task_streams_; }
  std::span<const LabelIndex> task_labels() const { return task_labels_; }
  std::span<const TaskIndex> dependencies(TaskIndex task) const {
    return {dependencies_.data() + dependency_begin_[task],
            dependencies_.data() + dependency_begin_[task + 1]};
  }
  /// All dependencies one after the other, task by task, and where each task's begin (num_tasks + 1
  /// entries): what the executors walk.
  std::span<const TaskIndex> all_dependencies() const { return dependencies_; }
  std::span<const uint32_t> dependency_begin() const { return dependency_begin_; }
  const std::vector<Stream>& streams() const { return streams_; }
  const std::vector<Label>& labels() const { return labels_; }

  /// The same program with other durations (the low and high ends of a range); sizes must match.
  void ReplaceDurations(std::vector<Picoseconds> durations);

 private:
  std::vector<Picoseconds> durations_;
  std::vector<StreamIndex> task_streams_;
  std::vector<LabelIndex> task_labels_;
  std::vector<uint32_t> dependency_begin_ = {0};
  std::vector<TaskIndex> dependencies_;
  std::vector<Stream> streams_;
  std::vector<Label> labels_;
  std::vector<TaskIndex> last_of_stream_;  // kNoTask while empty
};

/// When each task began and ended. Both executors return it.
struct Timeline {
  std::vector<Picoseconds> begin;
  std::vector<Picoseconds> end;
  Picoseconds makespan = 0;
};

}  // namespace ridgeline::engine
