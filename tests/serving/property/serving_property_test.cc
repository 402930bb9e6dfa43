#include <algorithm>
#include <map>
#include <memory>
#include <tuple>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "sim/serving/fleet.h"
#include "sim/serving/prefix_keys.h"
#include "sim/serving/replica.h"
#include "sim/serving/serving_metrics.h"
#include "tests/serving/plain_step_cost.h"

namespace ridgeline::serving {
namespace {

using workloads::Request;
using workloads::RequestLoad;

int64_t Between(int64_t least, int64_t most) { return *rc::gen::inRange(least, most + 1); }

struct Case {
  Fleet fleet;
  RequestLoad load;
  PlainStepCost::Constants cost;
};

/// Prompts as paths in a tree of prefix ids, so that they share beginnings: an id stands for its
/// block and for everything before it.
class PrefixTree {
 public:
  void GiveIds(RequestLoad& load, Request& request) {
    request.first_prefix_id = static_cast<int64_t>(load.prefix_ids.size());
    int64_t id = -1;
    for (int64_t from = 0; from < request.input_tokens; from += load.prefix_block_tokens) {
      const int64_t tokens = std::min(load.prefix_block_tokens, request.input_tokens - from);
      const int64_t branch = Between(0, 5) == 0 ? 1 : 0;
      id = nodes_.emplace(std::make_tuple(id, branch, tokens), nodes_.size()).first->second;
      load.prefix_ids.push_back(id * id_step_);
      ++request.num_prefix_ids;
    }
  }

 private:
  std::map<std::tuple<int64_t, int64_t, int64_t>, int64_t> nodes_;
  int64_t id_step_ = *rc::gen::element<int64_t>(1, 1'000'003);
};

Case AnyCase() {
  Case any;
  SchedulerLimits& limits = any.fleet.limits;
  limits.block_tokens = *rc::gen::element<int64_t>(1, 4, 16);
  limits.blocks = Between(8, 60) * std::max<int64_t>(1, 16 / limits.block_tokens);
  limits.chunked_prefill = *rc::gen::weightedElement<bool>({{4, true}, {1, false}});
  limits.max_batched_tokens = limits.chunked_prefill ? Between(2, 200) : Between(100, 400);
  limits.max_sequences = Between(1, 12);
  limits.long_prefill_token_threshold = *rc::gen::element<int64_t>(0, 0, 7, 50);
  limits.max_model_len = Between(100, 500);
  limits.prefix_caching = *rc::gen::weightedElement<bool>({{3, true}, {1, false}});
  any.fleet.replicas = Between(1, 3);
  any.fleet.router =
      *rc::gen::element(workloads::Router::kRoundRobin, workloads::Router::kLeastRequests);
  any.cost = {.base = Between(1, 1000),
              .per_sequence = Between(0, 50),
              .per_token = Between(0, 5),
              .per_new_token = Between(0, 30),
              .line_tokens = *rc::gen::element<int64_t>(1, 64, 500, 1 << 20)};
  const int64_t requests = Between(1, 40);
  const bool has_ids = *rc::gen::arbitrary<bool>();
  PrefixTree tree;
  any.load.prefix_block_tokens = *rc::gen::element<int64_t>(4, 16, 24, 64);
  const int64_t gap = *rc::gen::element<int64_t>(0, 300, 5000, 40'000);
  int64_t arrival = 0;
  for (int64_t i = 0; i < requests; ++i) {
    Request request;
    arrival += Between(0, gap);
    request.arrival = Seconds::FromBase(static_cast<double>(arrival) * 1e-12);
    request.input_tokens = *rc::gen::element(Between(1, 40), Between(1, 300));
    request.output_tokens = *rc::gen::element(Between(1, 4), Between(1, 120));
    if (has_ids) {
      tree.GiveIds(any.load, request);
    }
    any.load.requests.push_back(request);
  }
  if (*rc::gen::arbitrary<bool>()) {
    any.load.concurrency = Between(1, 10);
  }
  return any;
}

ServingOutcome Run(Case one, bool fast_forward) {
  one.fleet.fast_forward = fast_forward;
  PlainStepCost cost(one.cost);
  const Result<ServingOutcome> outcome = Serve(one.fleet, one.load, cost);
  RC_ASSERT(outcome.has_value());
  return *outcome;
}

/// How often each gap occurs.
std::map<int64_t, int64_t> Expand(const std::vector<GapRun>& runs) {
  std::map<int64_t, int64_t> gaps;
  for (const GapRun& run : runs) {
    for (int64_t i = 0; i < run.count; ++i) {
      gaps[run.first + i * run.step] += run.sequences;
    }
  }
  return gaps;
}

auto Fields(const RequestOutcome& request) {
  return std::make_tuple(request.state, request.replica, request.arrival, request.scheduled,
                         request.first_token, request.last_token, request.preempted_wait,
                         request.input_tokens, request.output_tokens, request.cached_tokens,
                         request.preemptions);
}

RC_GTEST_PROP(ServingProperty, FastForwardEndsAsSingleStepsDo, ()) {
  const Case any = AnyCase();
  const ServingOutcome fast = Run(any, true);
  const ServingOutcome slow = Run(any, false);
  RC_TAG(fast.preemptions > 0 ? "preempted" : "not preempted");
  RC_ASSERT(fast.requests.size() == slow.requests.size());
  for (size_t i = 0; i < fast.requests.size(); ++i) {
    RC_ASSERT(Fields(fast.requests[i]) == Fields(slow.requests[i]));
  }
  RC_ASSERT(Expand(fast.gaps) == Expand(slow.gaps));
  RC_ASSERT(fast.makespan == slow.makespan);
  RC_ASSERT(fast.steps == slow.steps);
  RC_ASSERT(fast.preemptions == slow.preemptions);
  RC_ASSERT(fast.running_time_integral == slow.running_time_integral);
  RC_ASSERT(fast.busy_seconds == slow.busy_seconds);
  const ServingMetrics a = MeasureServing(fast);
  const ServingMetrics b = MeasureServing(slow);
  RC_ASSERT(a.itl == b.itl && a.tpot == b.tpot && a.ttft == b.ttft && a.e2el == b.e2el);
}

// INV-1, and that times are in order and tokens all there.
RC_GTEST_PROP(ServingProperty, EveryRequestEndsInOneStateWithAllItsTokens, ()) {
  const Case any = AnyCase();
  const ServingOutcome outcome = Run(any, true);
  const ServingMetrics metrics = MeasureServing(outcome);
  RC_ASSERT(metrics.done + metrics.rejected == static_cast<int64_t>(any.load.requests.size()));
  RC_ASSERT(metrics.running == 0 && metrics.queued == 0);
  int64_t gaps = 0;
  int64_t preemptions = 0;
  for (size_t i = 0; i < outcome.requests.size(); ++i) {
    const RequestOutcome& request = outcome.requests[i];
    const Request& asked = any.load.requests[i];
    RC_ASSERT((request.state == RequestState::kDone) == CanServe(any.fleet.limits, asked));
    preemptions += request.preemptions;
    if (request.state != RequestState::kDone) {
      continue;
    }
    gaps += request.output_tokens - 1;
    RC_ASSERT(request.output_tokens == asked.output_tokens);
    RC_ASSERT(request.arrival <= request.scheduled);
    RC_ASSERT(request.scheduled < request.first_token);
    RC_ASSERT(request.first_token <= request.last_token);
    RC_ASSERT(request.last_token <= outcome.makespan);
    RC_ASSERT(request.preempted_wait <= request.last_token - request.first_token);
    RC_ASSERT(request.cached_tokens < request.input_tokens);
    RC_ASSERT(request.cached_tokens % any.fleet.limits.block_tokens == 0);
  }
  RC_ASSERT(CountGaps(outcome.gaps) == gaps);
  RC_ASSERT(preemptions == outcome.preemptions);
}

// INV-4 at every step, whichever way the steps are taken.
RC_GTEST_PROP(ServingProperty, UsedAndFreeBlocksAreAllBlocksAtEveryStep, ()) {
  Case any = AnyCase();
  any.fleet.fast_forward = *rc::gen::arbitrary<bool>();
  PlainStepCost cost(any.cost);
  const PrefixKeys keys(any.load, any.fleet.limits.block_tokens);
  FleetRecord record;
  record.requests.resize(any.load.requests.size());
  Replica replica(0, any.fleet, any.load.prefix_ids.empty() ? nullptr : &keys, any.load, cost,
                  record);
  const int64_t together = Between(1, 8);
  for (size_t next = 0; next < any.load.requests.size() || replica.is_busy();) {
    const engine::Picoseconds now = replica.end();
    if (replica.is_busy()) {
      replica.Complete();
    }
    for (int64_t i = 0; i < together && next < any.load.requests.size(); ++i, ++next) {
      if (CanServe(any.fleet.limits, any.load.requests[next])) {
        replica.Receive(static_cast<int64_t>(next), now);
      }
    }
    replica.scheduler().cache().CheckConsistent();
    RC_ASSERT(replica.Start(now).has_value());
    const KvCache& cache = replica.scheduler().cache();
    cache.CheckConsistent();
    RC_ASSERT(cache.used() + cache.free() == any.fleet.limits.blocks);
  }
  RC_ASSERT(replica.scheduler().cache().used() == 0);
}

}  // namespace
}  // namespace ridgeline::serving
