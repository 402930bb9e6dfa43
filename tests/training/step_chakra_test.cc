#include "sim/training/step_chakra.h"

#include <gtest/gtest.h>

#include "sim/simulate.h"
#include "sim/trace/chakra_replay.h"
#include "tests/training/scenarios.h"

namespace ridgeline::training {
namespace {

void ExpectRoundTrip(const std::string& yaml, size_t ranks) {
  const sim::Scenario scenario = MustResolve(yaml);
  std::vector<std::string> files;
  const Result<sim::Report> report = sim::Simulate(scenario, {.chakra = &files});
  ASSERT_TRUE(report.has_value());
  ASSERT_EQ(files.size(), ranks);
  std::vector<trace::ChakraTrace> traces;
  for (const std::string& file : files) {
    Result<trace::ChakraTrace> read = trace::ReadChakra(file, "step.et");
    ASSERT_TRUE(read.has_value());
    traces.push_back(*std::move(read));
  }
  const Result<trace::ChakraReplay> replay = trace::ReplayChakra(traces, trace::RecordedDuration);
  ASSERT_TRUE(replay.has_value()) << RenderError(replay.error());
  EXPECT_DOUBLE_EQ(engine::ToSeconds(replay->timeline.makespan).base(),
                   report->Find("step_time")->value);
}

TEST(StepChakraTest, ReplayedStepTakesTheSameTime) {
  ExpectRoundTrip(SmallJob(2, 1, 1, 2, 2), 1);
  ExpectRoundTrip(SmallJob(2, 4, 1, 2, 8), 4);
  ExpectRoundTrip(SmallJob(1, 2, 2, 4, 4), 2);
}

// Of one layer's operations somewhere: a matrix product with its work, a collective with its bytes.
TEST(StepChakraTest, NodesSayWhatTheyDo) {
  const sim::Scenario scenario = MustResolve(SmallJob(2, 2, 1, 2, 4));
  std::vector<std::string> files;
  ASSERT_TRUE(sim::Simulate(scenario, {.chakra = &files}).has_value());
  const Result<trace::ChakraTrace> read = trace::ReadChakra(files[0], "step.0.et");
  ASSERT_TRUE(read.has_value());
  int products = 0;
  int collectives = 0;
  int sends = 0;
  for (const trace::ChakraNode& node : read->nodes) {
    products += node.type == trace::ChakraNodeType::kCompute && node.Integer("num_ops", 0) > 0 &&
                node.Integer("tensor_size", 0) > 0;
    collectives +=
        node.type == trace::ChakraNodeType::kCollective && node.Integer("comm_size", 0) > 0;
    sends += node.type == trace::ChakraNodeType::kSend && node.Integer("comm_dst", -1) == 1;
  }
  EXPECT_GT(products, 0);
  EXPECT_GT(collectives, 0);
  EXPECT_GE(sends, 4);  // one a micro-batch
}

}  // namespace
}  // namespace ridgeline::training
