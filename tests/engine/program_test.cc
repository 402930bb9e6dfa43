#include "sim/engine/program.h"

#include <vector>

#include <gtest/gtest.h>

#include "sim/engine/static_sweep.h"

namespace ridgeline::engine {
namespace {

TEST(ProgramTest, RefusesForwardDependencies) {
  Program program;
  const StreamIndex stream = program.AddStream(0, "compute");
  const LabelIndex label = program.AddLabel("task", 0);
  const std::vector<TaskIndex> itself = {0};
  EXPECT_THROW(program.AddTask(stream, 1, label, itself), InternalError);
  program.AddTask(stream, 1, label);
  const std::vector<TaskIndex> later = {0, 2};
  EXPECT_THROW(program.AddTask(stream, 1, label, later), InternalError);
  EXPECT_EQ(program.num_tasks(), 1u) << "a refused task leaves nothing behind";
  EXPECT_TRUE(program.all_dependencies().empty());
}

TEST(ProgramTest, RefusesUnknownStreamsAndLabelsAndNegativeDurations) {
  Program program;
  const StreamIndex stream = program.AddStream(0, "compute");
  const LabelIndex label = program.AddLabel("task", 0);
  EXPECT_THROW(program.AddTask(stream + 1, 1, label), InternalError);
  EXPECT_THROW(program.AddTask(stream, 1, label + 1), InternalError);
  EXPECT_THROW(program.AddTask(stream, -1, label), InternalError);
  program.AddTask(stream, 1, label);
  EXPECT_THROW(program.ReplaceDurations({1, 2}), InternalError);
  EXPECT_THROW(program.ReplaceDurations({-1}), InternalError);
}

// Streams are busy until 10, 30 and 20; the joint task of 5 begins on all at 30, and what follows
// on the first stream ends at 30 + 5 + 1.
TEST(ProgramTest, PartsOfAJointTaskBeginTogether) {
  Program program;
  const LabelIndex label = program.AddLabel("task", 0);
  std::vector<StreamIndex> streams;
  for (const Picoseconds busy : {10, 30, 20}) {
    streams.push_back(program.AddStream(static_cast<uint32_t>(streams.size()), "compute"));
    program.AddTask(streams.back(), busy, label);
  }
  const TaskIndex first = program.AddJoint(streams, 5, label);
  const TaskIndex after = program.AddTask(streams[0], 1, label);
  const Timeline timeline = StaticSweep(program);
  for (TaskIndex part = first; part < first + 3; ++part) {
    EXPECT_EQ(program.task_streams()[part], streams[part - first]);
    EXPECT_EQ(timeline.begin[part], 30);
    EXPECT_EQ(timeline.end[part], 35);
  }
  EXPECT_EQ(timeline.end[after], 36);
}

TEST(ProgramTest, AJointTaskOfOneStreamIsATask) {
  Program program;
  const StreamIndex stream = program.AddStream(0, "compute");
  const LabelIndex label = program.AddLabel("task", 0);
  const TaskIndex before = program.AddTask(program.AddStream(1, "compute"), 7, label);
  EXPECT_EQ(program.AddJoint({&stream, 1}, 5, label, {&before, 1}), 1u);
  EXPECT_EQ(program.num_tasks(), 2u);
  EXPECT_EQ(StaticSweep(program).makespan, 12);
}

}  // namespace
}  // namespace ridgeline::engine
