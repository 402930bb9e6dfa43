#include "sim/training/memory_advice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/simulate.h"
#include "tests/training/scenarios.h"

namespace ridgeline::training {
namespace {

using testing::HasSubstr;

/// Four long sequences at once: too much on 80 GB without recomputation.
constexpr const char* kTooLarge = R"(
cluster: {nodes: dgx-h100, count: 1}
training:
  model: llama-3.1-8b
  sequence_length: 8192
  global_batch: 16
  micro_batch: 4
  parallelism: {tp: 2}
)";

const MemoryChangeTried* Find(const std::vector<MemoryChangeTried>& tried,
                              const std::string& setting) {
  for (const MemoryChangeTried& change : tried) {
    if (change.setting == setting) {
      return &change;
    }
  }
  return nullptr;
}

TEST(MemoryAdviceTest, WhatItSaysOfAChangeIsWhatTheChangedJobTakes) {
  const sim::Scenario scenario = MustResolve(kTooLarge);
  const compute::OperationTime time = compute::OperationTime::Of(scenario.cluster);
  const std::vector<MemoryChangeTried> tried = TryMemoryChanges(scenario, time, {});
  const MemoryChangeTried* const full = Find(tried, "training.recompute=full");
  ASSERT_NE(full, nullptr);
  ASSERT_TRUE(full->fits);
  const Result<sim::Report> changed =
      sim::Simulate(MustResolve(std::string(kTooLarge) + "  recompute: full\n"), {});
  ASSERT_TRUE(changed.has_value());
  EXPECT_TRUE(changed->fits);
  EXPECT_DOUBLE_EQ(changed->Find("memory.peak")->value, full->peak.base());
  EXPECT_DOUBLE_EQ(changed->Find("step_time")->value, full->step.base());

  const MemoryChangeTried* const tp = Find(tried, "training.parallelism.tp=4");
  ASSERT_NE(tp, nullptr);
  std::string wider = kTooLarge;
  wider.replace(wider.find("tp: 2"), 5, "tp: 4");
  const Result<sim::Report> spread = sim::Simulate(MustResolve(wider), {});
  ASSERT_TRUE(spread.has_value());
  EXPECT_DOUBLE_EQ(spread->Find("memory.peak")->value, tp->peak.base());
}

TEST(MemoryAdviceTest, TheHintIsTheFastestThatFits) {
  const sim::Scenario scenario = MustResolve(kTooLarge);
  const Result<sim::Report> report = sim::Simulate(scenario, {});
  ASSERT_TRUE(report.has_value());
  ASSERT_FALSE(report->fits);
  ASSERT_FALSE(report->warnings.empty());
  EXPECT_THAT(report->warnings[0].message, HasSubstr("too much"));
  const std::vector<MemoryChangeTried> tried =
      TryMemoryChanges(scenario, compute::OperationTime::Of(scenario.cluster), {});
  const MemoryChangeTried* fastest = nullptr;
  for (const MemoryChangeTried& change : tried) {
    if (change.fits && (fastest == nullptr || change.step < fastest->step)) {
      fastest = &change;
    }
  }
  ASSERT_NE(fastest, nullptr);
  EXPECT_THAT(report->warnings[0].hint, HasSubstr("try " + fastest->setting));
}

TEST(MemoryAdviceTest, AJobThatFitsIsToldNothing) {
  const Result<sim::Report> report = sim::Simulate(MustResolve(SmallJob(2, 1, 1, 4, 4)), {});
  ASSERT_TRUE(report.has_value());
  EXPECT_TRUE(report->warnings.empty());
}

}  // namespace
}  // namespace ridgeline::training
