#include <sstream>
#include <vector>

#include <gtest/gtest.h>

#include "sim/serving/fleet.h"
#include "sim/serving/request_log.h"
#include "tests/serving/plain_step_cost.h"

namespace ridgeline::serving {
namespace {

using workloads::Request;
using workloads::RequestLoad;

Request At(double picoseconds, int64_t input, int64_t output) {
  Request request;
  request.arrival = Seconds::FromBase(picoseconds * 1e-12);
  request.input_tokens = input;
  request.output_tokens = output;
  return request;
}

Fleet FleetOf(int64_t replicas, workloads::Router router = workloads::Router::kRoundRobin) {
  Fleet fleet;
  fleet.limits.blocks = 100;
  fleet.limits.max_model_len = 1000;
  fleet.replicas = replicas;
  fleet.router = router;
  return fleet;
}

ServingOutcome ServeAll(const Fleet& fleet, const RequestLoad& load,
                        const PlainStepCost::Constants& constants = {}) {
  PlainStepCost cost(constants);
  Result<ServingOutcome> outcome = Serve(fleet, load, cost);
  EXPECT_TRUE(outcome.has_value());
  return outcome.value_or(ServingOutcome{});
}

// Steps take 1,000 ps, and 1 ps more a token read. Prompt of 10: 1,000. Then 11 tokens are read,
// then 12: 1,011 and 1,012.
TEST(ServeTest, OneRequestByHand) {
  RequestLoad load;
  load.requests = {At(500, 10, 3)};
  const ServingOutcome outcome = ServeAll(FleetOf(1), load, {.per_token = 1});
  const RequestOutcome& request = outcome.requests[0];
  EXPECT_EQ(request.state, RequestState::kDone);
  EXPECT_EQ(request.scheduled, 500);
  EXPECT_EQ(request.first_token, 1500);
  EXPECT_EQ(request.last_token, 1500 + 1011 + 1012);
  EXPECT_EQ(outcome.makespan, 3523);
  EXPECT_EQ(outcome.steps, 3);
  ASSERT_EQ(outcome.gaps.size(), 1U);
  EXPECT_EQ(outcome.gaps[0].first, 1011);
  EXPECT_EQ(outcome.gaps[0].step, 1);
  EXPECT_EQ(outcome.gaps[0].count, 2);
}

// The second arrives while the step from 3,000 to 4,000 runs, and is scheduled at 4,000.
TEST(ServeTest, AnArrivalJoinsTheNextStepOfARun) {
  RequestLoad load;
  load.requests = {At(0, 10, 20), At(3001, 10, 1), At(5000, 10, 1)};
  const ServingOutcome outcome = ServeAll(FleetOf(1), load);
  EXPECT_EQ(outcome.requests[1].scheduled, 4000);
  EXPECT_EQ(outcome.requests[1].last_token, 5000);
  // On the edge of a step it joins the one that begins then.
  EXPECT_EQ(outcome.requests[2].scheduled, 5000);
  EXPECT_EQ(outcome.requests[0].last_token, 20'000);
}

// Two clients, answers of 2, 3 and 1 tokens: the third is sent when the first is answered, at
// 2,000.
TEST(ServeTest, AClosedLoopSendsTheNextWhenOneIsAnswered) {
  RequestLoad load;
  load.requests = {At(9e9, 10, 2), At(0, 10, 3), At(0, 10, 1)};
  load.concurrency = 2;
  const ServingOutcome outcome = ServeAll(FleetOf(2), load);
  EXPECT_EQ(outcome.requests[0].arrival, 0);
  EXPECT_EQ(outcome.requests[1].arrival, 0);
  EXPECT_EQ(outcome.requests[2].arrival, 2000);
  EXPECT_EQ(outcome.requests[2].replica, 0);
  EXPECT_EQ(outcome.makespan, 3000);
}

// A refused request frees its client at once.
TEST(ServeTest, WhatCanNeverFitIsRejectedAndTheClientGoesOn) {
  RequestLoad load;
  load.requests = {At(0, 2000, 2), At(0, 10, 1)};
  load.concurrency = 1;
  const ServingOutcome outcome = ServeAll(FleetOf(1), load);
  EXPECT_EQ(outcome.requests[0].state, RequestState::kRejected);
  EXPECT_EQ(outcome.requests[1].state, RequestState::kDone);
  EXPECT_EQ(outcome.requests[1].arrival, 0);
}

// 0 is long. 1 goes to the idle replica 1 and is answered at 1,000; at that very instant 2 sees it
// idle again. Round-robin would send 2 to replica 0.
TEST(ServeTest, LeastRequestsSeesWhoIsIdleNow) {
  RequestLoad load;
  load.requests = {At(0, 10, 50), At(0, 10, 1), At(1000, 10, 1), At(1500, 10, 1)};
  const ServingOutcome least = ServeAll(FleetOf(2, workloads::Router::kLeastRequests), load);
  EXPECT_EQ(least.requests[1].replica, 1);
  EXPECT_EQ(least.requests[2].replica, 1);
  // Both have one: the lower number.
  EXPECT_EQ(least.requests[3].replica, 0);
  EXPECT_EQ(ServeAll(FleetOf(2), load).requests[2].replica, 0);
}

TEST(ServeTest, BeyondTheClockIsAnErrorNotAWrongTime) {
  RequestLoad load;
  load.requests = {At(0, 10, 900)};
  PlainStepCost cost({.base = int64_t{1} << 60});
  const Result<ServingOutcome> outcome = Serve(FleetOf(1), load, cost);
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code, ErrorCode::kOutOfRange);
}

TEST(RequestLogTest, SecondsAreExactAndWhatIsNotThereIsEmpty) {
  RequestLoad load;
  load.requests = {At(500, 10, 3), At(600, 2000, 3)};
  std::ostringstream out;
  const ServingOutcome outcome = ServeAll(FleetOf(1), load, {.base = 1'000'000'000'000});
  ASSERT_TRUE(WriteRequestLog(outcome.requests, out).has_value());
  EXPECT_EQ(out.str(),
            "id,state,replica,arrival_s,scheduled_s,first_token_s,last_token_s,input_tokens,"
            "output_tokens,cached_tokens,preemptions,ttft_s,tpot_s,e2el_s\n"
            "0,done,0,0.0000000005,0.0000000005,1.0000000005,3.0000000005,10,3,0,0,1,1,3\n"
            "1,rejected,0,0.0000000006,,,,2000,0,0,0,,,\n");
}

}  // namespace
}  // namespace ridgeline::serving
