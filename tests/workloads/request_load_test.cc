#include "workloads/request_load.h"

#include <cmath>

#include <gtest/gtest.h>

#include "base/diagnostic.h"
#include "workloads/workload.h"

namespace ridgeline::workloads {
namespace {

Workload Parse(const std::string& text) {
  const Result<Workload> workload =
      ParseDocument("test", text).and_then([](const Node& node) { return Decode<Workload>(node); });
  EXPECT_TRUE(workload.has_value()) << RenderError(workload.error());
  return workload.value_or(Workload{});
}

Workload Lengths(const std::string& arrivals, const std::string& requests = "1000") {
  return Parse("{arrivals: " + arrivals + ", requests: " + requests +
               ", input_tokens: {min: 100, max: 200}, output_tokens: 7}");
}

RequestLoad Make(const Workload& workload, uint64_t seed = 1) {
  const Result<RequestLoad> load = MakeLoad(workload, {}, seed);
  EXPECT_TRUE(load.has_value()) << RenderError(load.error());
  return load.value_or(RequestLoad{});
}

TEST(RequestLoadTest, TheLastOfNRequestsArrivesAtExactlyNOverTheRate) {
  for (const std::string process : {"poisson", "constant", "gamma"}) {
    const RequestLoad load = Make(Lengths("{process: " + process + ", rate: 4 req/s}"));
    EXPECT_DOUBLE_EQ(load.requests.back().arrival.base(), 250.0) << process;
    for (size_t i = 1; i < load.requests.size(); ++i) {
      EXPECT_LE(load.requests[i - 1].arrival, load.requests[i].arrival);
    }
  }
}

TEST(RequestLoadTest, ConstantArrivalsComeEveryGap) {
  const RequestLoad load = Make(Lengths("{process: constant, rate: 4 req/s}", "3"));
  EXPECT_DOUBLE_EQ(load.requests[0].arrival.base(), 0.25);
  EXPECT_DOUBLE_EQ(load.requests[1].arrival.base(), 0.5);
}

TEST(RequestLoadTest, ARateChangesNoLengthAndScalesEveryArrival) {
  const RequestLoad slow = Make(Lengths("{rate: 4 req/s}"));
  const RequestLoad fast = Make(Lengths("{rate: 8 req/s}"));
  for (size_t i = 0; i < slow.requests.size(); ++i) {
    EXPECT_EQ(slow.requests[i].input_tokens, fast.requests[i].input_tokens);
    EXPECT_DOUBLE_EQ(slow.requests[i].arrival.base(), 2 * fast.requests[i].arrival.base());
  }
}

TEST(RequestLoadTest, LengthsCoverTheirRangeBothEndsIncluded) {
  int64_t least = 1000;
  int64_t most = 0;
  for (const Request& request : Make(Lengths("{process: all-at-once}", "5000")).requests) {
    least = std::min(least, request.input_tokens);
    most = std::max(most, request.input_tokens);
    EXPECT_EQ(request.output_tokens, 7);
    EXPECT_EQ(request.arrival, Seconds{});
  }
  EXPECT_EQ(least, 100);
  EXPECT_EQ(most, 200);
}

// A gamma process of shape k has gaps of coefficient of variation 1 / sqrt(k).
TEST(RequestLoadTest, BurstinessIsTheShapeOfTheGaps) {
  const RequestLoad load =
      Make(Lengths("{process: gamma, burstiness: 0.25, rate: 1 req/s}", "20000"));
  double sum = 0;
  double squares = 0;
  double before = 0;
  for (const Request& request : load.requests) {
    const double gap = request.arrival.base() - before;
    before = request.arrival.base();
    sum += gap;
    squares += gap * gap;
  }
  const double mean = sum / 20000;
  EXPECT_NEAR(std::sqrt(squares / 20000 - mean * mean) / mean, 2.0, 0.1);
}

TEST(RequestLoadTest, AClosedLoopIsWrittenInEitherForm) {
  EXPECT_EQ(Make(Lengths("{process: closed-loop, concurrency: 64}")).concurrency, 64);
  EXPECT_EQ(Make(Lengths("{concurrency: 64}")).concurrency, 64);
  EXPECT_EQ(Make(Lengths("{closed-loop: {concurrency: 64}}")).concurrency, 64);
  EXPECT_FALSE(Make(Lengths("{rate: 1 req/s}")).concurrency.has_value());
}

std::string Broken(const std::string& text) {
  const Status status = CheckWorkload(Parse(text));
  EXPECT_FALSE(status.has_value()) << text;
  return status ? "" : RenderError(status.error());
}

TEST(RequestLoadTest, EveryBrokenRuleIsToldWithItsPath) {
  const std::string all = Broken("{arrivals: {process: closed-loop, rate: 1 req/s}}");
  for (const char* path :
       {"[workload.arrivals.rate]", "[workload.arrivals.concurrency]", "[workload.requests]",
        "[workload.input_tokens]", "[workload.output_tokens]"}) {
    EXPECT_NE(all.find(path), std::string::npos) << path << "\n" << all;
  }
  EXPECT_NE(Broken("{arrivals: {}}").find("[workload.arrivals]"), std::string::npos);
  EXPECT_NE(Broken("{arrivals: {trace: x, rate: 1 req/s}, input_tokens: 3}")
                .find("[workload.input_tokens]"),
            std::string::npos);
  EXPECT_NE(
      Broken("{arrivals: {rate: 1 req/s, burstiness: 2}}").find("[workload.arrivals.burstiness]"),
      std::string::npos);
}

}  // namespace
}  // namespace ridgeline::workloads
