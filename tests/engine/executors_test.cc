// Both executors by hand, and what only the event-driven one does: rates, observers, stopping.
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/engine/event_engine.h"
#include "sim/engine/static_sweep.h"

namespace ridgeline::engine {
namespace {

using testing::ElementsAre;

// compute: a (10), b (20), d (5, after c); network: c (7, after a).
struct FourTasks {
  Program program;
  TaskIndex a, b, c, d;
  FourTasks() {
    const StreamIndex compute = program.AddStream(0, "compute");
    const StreamIndex network = program.AddStream(0, "network");
    const LabelIndex label = program.AddLabel("task", 0);
    a = program.AddTask(compute, 10, label);
    c = program.AddTask(network, 7, label, {&a, 1});
    b = program.AddTask(compute, 20, label);
    d = program.AddTask(compute, 5, label, {&c, 1});
  }
};

// a 0-10, c 10-17 beside b 10-30, d 30-35. Program order is a, c, b, d.
TEST(ExecutorsTest, FourTasksByHand) {
  const FourTasks four;
  const Timeline swept = StaticSweep(four.program);
  EXPECT_THAT(swept.begin, ElementsAre(0, 10, 10, 30));
  EXPECT_THAT(swept.end, ElementsAre(10, 17, 30, 35));
  EXPECT_EQ(swept.makespan, 35);
  const Timeline executed = ExecuteEvents(four.program).value();
  EXPECT_EQ(executed.begin, swept.begin);
  EXPECT_EQ(executed.end, swept.end);
  EXPECT_EQ(executed.makespan, 35);
}

TEST(ExecutorsTest, AnEmptyProgramTakesNoTime) {
  Program program;
  EXPECT_EQ(StaticSweep(program).makespan, 0);
  EXPECT_EQ(ExecuteEvents(program)->makespan, 0);
  program.AddStream(0, "idle");
  EXPECT_EQ(StaticSweep(program).makespan, 0);
  EXPECT_EQ(ExecuteEvents(program)->makespan, 0);
}

TEST(ExecutorsTest, OverflowOfTheClockIsRefused) {
  Program program;
  const StreamIndex stream = program.AddStream(0, "compute");
  const LabelIndex label = program.AddLabel("age", 0);
  const Picoseconds half = std::numeric_limits<Picoseconds>::max() / 2 + 1;
  program.AddTask(stream, half, label);
  EXPECT_EQ(StaticSweep(program).makespan, half);
  program.AddTask(stream, half, label);
  program.AddTask(stream, half, label);  // wraps twice: still seen
  EXPECT_THROW(StaticSweep(program), InternalError);
  EXPECT_THROW((void)ExecuteEvents(program), InternalError);
}

TEST(ExecutorsTest, TheSweeperServesOtherProgramsAndDurations) {
  const FourTasks four;
  StaticSweeper sweeper;
  EXPECT_EQ(sweeper.Makespan(four.program), 35);
  // c takes 40: 10 + 40, then d.
  const std::vector<Picoseconds> slower = {10, 40, 20, 5};
  EXPECT_EQ(sweeper.Makespan(four.program, slower), 55);
  Program one;
  one.AddTask(one.AddStream(0, "compute"), 3, one.AddLabel("task", 0));
  EXPECT_EQ(sweeper.Makespan(one), 3);
  EXPECT_EQ(sweeper.Makespan(four.program), 35);
  EXPECT_THROW((void)sweeper.Makespan(one, slower), InternalError);
}

// Every task at `beside` while another runs on the rank, at 1 alone.
class SlowBeside : public RateModel {
 public:
  explicit SlowBeside(double beside) : beside_(beside) {}
  void SetRates(uint32_t rank, std::span<const TaskIndex> running,
                std::span<double> rates) override {
    calls.push_back(fmt::format("{}:{}", rank, fmt::join(running, ",")));
    for (double& rate : rates) {
      rate = running.size() > 1 ? beside_ : 1.0;
    }
  }
  std::vector<std::string> calls;

 private:
  double beside_;
};

// At half speed together: a 0-10. c and b from 10 at 1/2: c's 7 take 14, to 24. By then b has done
// 7 of 20, the 13 left go at full speed: to 37. d to 42.
TEST(ExecutorsTest, HalfSpeedWhileTogetherByHand) {
  const FourTasks four;
  SlowBeside rates(0.5);
  const Timeline timeline = ExecuteEvents(four.program, {.rates = &rates}).value();
  EXPECT_THAT(timeline.begin, ElementsAre(0, 10, 10, 37));
  EXPECT_THAT(timeline.end, ElementsAre(10, 24, 37, 42));
  // Asked once an instant, in the order of streams: b (2) is on the first.
  EXPECT_THAT(rates.calls, ElementsAre("0:0", "0:2,1", "0:2", "0:3"));
}

// Alone a task keeps rate 1 whatever the model says of company; ranks do not touch each other.
TEST(ExecutorsTest, OtherRanksDoNotSlow) {
  Program program;
  const LabelIndex label = program.AddLabel("task", 0);
  for (const uint32_t rank : {7u, 3u}) {
    program.AddTask(program.AddStream(rank, "compute"), 1'000'003, label);
  }
  SlowBeside rates(0.1);
  EXPECT_EQ(ExecuteEvents(program, {.rates = &rates})->makespan, 1'000'003);
}

// At one third (rounded to 2^-32, down), 10 ps of work take 31: the end is rounded up, never down.
TEST(ExecutorsTest, EndsAreRoundedUp) {
  Program program;
  const LabelIndex label = program.AddLabel("task", 0);
  program.AddTask(program.AddStream(0, "compute"), 10, label);
  program.AddTask(program.AddStream(0, "network"), 10, label);
  SlowBeside rates(1.0 / 3.0);
  EXPECT_EQ(ExecuteEvents(program, {.rates = &rates})->makespan, 31);
}

TEST(ExecutorsTest, RatesOutsideZeroToOneAreRefused) {
  const FourTasks four;
  for (const double rate : {0.0, -0.5, 1.5, std::numeric_limits<double>::quiet_NaN()}) {
    SlowBeside rates(rate);
    EXPECT_THROW((void)ExecuteEvents(four.program, {.rates = &rates}), InternalError) << rate;
  }
}

class Recorder : public Observer {
 public:
  void OnBegin(TaskIndex task, Picoseconds at) override {
    lines.push_back(fmt::format("{} begin {}", at, task));
  }
  void OnEnd(TaskIndex task, Picoseconds at) override {
    lines.push_back(fmt::format("{} end {}", at, task));
  }
  void OnCounter(StreamIndex stream, Picoseconds at, double value) override {
    lines.push_back(fmt::format("{} stream {} rate {}", at, stream, value));
  }
  std::vector<std::string> lines;
};

TEST(ExecutorsTest, ObserversSeeBeginsEndsAndRatesInTheOrderOfTime) {
  const FourTasks four;
  Recorder plain;
  ASSERT_TRUE(ExecuteEvents(four.program, {.observer = &plain}));
  EXPECT_THAT(plain.lines, ElementsAre("0 begin 0", "10 end 0", "10 begin 2", "10 begin 1",
                                       "17 end 1", "30 end 2", "30 begin 3", "35 end 3"));
  Recorder slowed;
  SlowBeside rates(0.5);
  ASSERT_TRUE(ExecuteEvents(four.program, {.rates = &rates, .observer = &slowed}));
  EXPECT_THAT(
      slowed.lines,
      ElementsAre("0 begin 0", "0 stream 0 rate 1", "10 end 0", "10 begin 2", "10 begin 1",
                  "10 stream 0 rate 0.5", "10 stream 1 rate 0.5", "24 end 1", "24 stream 0 rate 1",
                  "37 end 2", "37 begin 3", "37 stream 0 rate 1", "42 end 3"));
}

TEST(ExecutorsTest, StopsWhenAskedTo) {
  Program program;
  const StreamIndex stream = program.AddStream(0, "compute");
  const LabelIndex label = program.AddLabel("task", 0);
  for (int i = 0; i < 5000; ++i) {
    program.AddTask(stream, 1, label);
  }
  // Asks to stop when the tenth task ends; the engine looks every 1,024 events.
  class StopAtTen : public Observer {
   public:
    void OnBegin(TaskIndex, Picoseconds) override {}
    void OnEnd(TaskIndex task, Picoseconds) override {
      if (task == 10) {
        source.request_stop();
      }
    }
    void OnCounter(StreamIndex, Picoseconds, double) override {}
    std::stop_source source;
  } observer;
  EventEngine engine;
  Timeline timeline;
  const EventOptions options = {.observer = &observer, .stop = Stop(observer.source.get_token())};
  const Status stopped = engine.Run(program, options, timeline);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(engine.num_events(), 1024u);
  // Asked before it begins, it does not begin; the engine can be used again.
  EXPECT_EQ(engine.Run(program, options, timeline).error().code, ErrorCode::kCancelled);
  EXPECT_EQ(engine.num_events(), 0u);
  ASSERT_TRUE(engine.Run(program, {}, timeline));
  EXPECT_EQ(timeline.makespan, 5000);
}

}  // namespace
}  // namespace ridgeline::engine
