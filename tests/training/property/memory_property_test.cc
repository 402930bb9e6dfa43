// Memory grows with the micro-batch while as many of them are in flight.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "sim/training/training_memory.h"
#include "tests/training/scenarios.h"

namespace ridgeline::training {
namespace {

TEST(MemoryProperty, IsMonotoneInTheMicroBatchAtAFixedNumberInFlight) {
  EXPECT_TRUE(rc::check([] {
    const int pp = *rc::gen::element(1, 2, 4);
    const std::string schedule =
        pp > 1 ? *rc::gen::element<std::string>("gpipe", "1f1b", "interleaved", "zb-h1", "zb-v",
                                                "dualpipe")
               : *rc::gen::element<std::string>("gpipe", "1f1b");
    const int vpp = schedule == "interleaved" || schedule == "zb-v" ? 2 : 1;
    const std::string sharding =
        schedule == "gpipe" || schedule == "1f1b" || schedule == "interleaved"
            ? *rc::gen::element<std::string>("ddp", "zero-1", "zero-2", "fsdp")
            : *rc::gen::element<std::string>("ddp", "zero-1", "zero-2");
    const std::string recompute = *rc::gen::element<std::string>("none", "selective", "full");
    const int tp = *rc::gen::element(1, 2);
    const int dp = 2;
    const int micro_batches = pp * *rc::gen::inRange(2, 5);
    std::vector<MemoryUse> before;
    for (const int micro_batch : {1, 2, 4}) {
      const sim::Scenario scenario = MustResolve(SmallJob(
          tp, pp, vpp, dp, micro_batches * micro_batch,
          fmt::format("  micro_batch: {}\n  schedule: {}\n  sharding: {}\n  recompute: {}\n",
                      micro_batch, schedule, sharding, recompute)));
      RC_ASSERT(scenario.training->micro_batches == micro_batches);
      const compute::OperationTime time = compute::OperationTime::Analytic(scenario.cluster);
      const std::vector<MemoryUse> uses =
          CountMemory(*scenario.training, CostStages(*scenario.training, time).value()).value();
      for (size_t rank = 0; rank < before.size(); ++rank) {
        RC_ASSERT(before[rank].allocated() < uses[rank].allocated());
        RC_ASSERT(before[rank].optimizer == uses[rank].optimizer);
      }
      before = uses;
    }
  }));
}

}  // namespace
}  // namespace ridgeline::training
