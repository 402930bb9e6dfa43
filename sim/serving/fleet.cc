#include "sim/serving/fleet.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <queue>
#include <utility>
#include <vector>

#include "base/check.h"
#include "sim/serving/prefix_keys.h"
#include "sim/serving/replica.h"
#include "sim/serving/router.h"
#include "sim/serving/vllm_scheduler.h"

namespace ridgeline::serving {
namespace {

using engine::Picoseconds;

constexpr Picoseconds kNever = std::numeric_limits<Picoseconds>::max();

/// At one instant: first all steps that end there, by replica; then all requests that arrive, in
/// the order of the load; then the replicas that got work or have some left begin their next step.
class FleetRun {
 public:
  FleetRun(const Fleet& fleet, const workloads::RequestLoad& load, StepCost& cost)
      : fleet_(fleet), load_(load), keys_(load, fleet.limits.block_tokens), router_(fleet.router) {
    CHECK(fleet.replicas > 0, "{} replicas", fleet.replicas);
    CHECK(load.requests.size() < std::numeric_limits<int32_t>::max(), "{} requests",
          load.requests.size());
    record_.requests.resize(load.requests.size());
    const PrefixKeys* keys = load.prefix_ids.empty() ? nullptr : &keys_;
    replicas_.reserve(static_cast<size_t>(fleet.replicas));
    for (int64_t i = 0; i < fleet.replicas; ++i) {
      replicas_.emplace_back(static_cast<int32_t>(i), fleet_, keys, load_, cost, record_);
    }
    is_touched_.resize(replicas_.size());
    free_clients_ = load.concurrency.value_or(0);
  }

  Result<ServingOutcome> Run() {
    int64_t instants = 0;
    while (true) {
      if (instants++ % 1024 == 0) {
        RETURN_IF_ERROR(fleet_.stop.Check());
        Report();
      }
      const Picoseconds now = std::min(NextEnd(), NextArrival());
      if (now == kNever) {
        break;
      }
      CompleteAt(now);
      ReceiveAt(now);
      RETURN_IF_ERROR(StartAt(now));
    }
    CHECK(next_request_ == load_.requests.size(), "{} of {} requests sent", next_request_,
          load_.requests.size());
    Report();
    return Outcome();
  }

 private:
  struct End {
    Picoseconds at = 0;
    int32_t replica = 0;
    auto operator<=>(const End&) const = default;
  };

  Replica& At(int32_t replica) { return replicas_[static_cast<size_t>(replica)]; }

  /// A run that was cut has two entries, of which the later one is stale.
  Picoseconds NextEnd() {
    while (!ends_.empty()) {
      const End next = ends_.top();
      if (At(next.replica).is_busy() && At(next.replica).end() == next.at) {
        return next.at;
      }
      ends_.pop();
    }
    return kNever;
  }

  Picoseconds NextArrival() const {
    if (next_request_ == load_.requests.size()) {
      return kNever;
    }
    if (load_.concurrency) {
      return free_clients_ > 0 ? clients_free_at_ : kNever;
    }
    return engine::ToPicosecondsSaturating(load_.requests[next_request_].arrival);
  }

  void CompleteAt(Picoseconds now) {
    while (NextEnd() == now) {
      const int32_t replica = ends_.top().replica;
      ends_.pop();
      const auto answered = static_cast<int64_t>(At(replica).Complete().size());
      answered_ += answered;
      free_clients_ += answered;
      clients_free_at_ = now;
      last_completion_ = answered > 0 ? now : last_completion_;
      Touch(replica);
    }
  }

  void ReceiveAt(Picoseconds now) {
    while (NextArrival() == now) {
      const workloads::Request& asked = load_.requests[next_request_];
      RequestOutcome& outcome = record_.requests[next_request_];
      outcome.arrival = now;
      outcome.input_tokens = asked.input_tokens;
      outcome.replica = router_.Choose(replicas_);
      if (CanServe(fleet_.limits, asked)) {
        Replica& replica = At(outcome.replica);
        replica.Receive(static_cast<int64_t>(next_request_), now);
        if (replica.is_busy()) {
          // Cut or not, an entry more does no harm.
          ends_.push({replica.end(), outcome.replica});
        } else {
          Touch(outcome.replica);
        }
        --free_clients_;
      } else {
        // Refused at once; a closed loop's client sends its next.
        outcome.state = RequestState::kRejected;
      }
      ++next_request_;
    }
  }

  Status StartAt(Picoseconds now) {
    std::sort(touched_.begin(), touched_.end());
    for (const int32_t replica : touched_) {
      is_touched_[static_cast<size_t>(replica)] = false;
      RETURN_IF_ERROR(At(replica).Start(now));
      if (At(replica).is_busy()) {
        ends_.push({At(replica).end(), replica});
      }
    }
    touched_.clear();
    return {};
  }

  void Touch(int32_t replica) {
    if (!is_touched_[static_cast<size_t>(replica)]) {
      is_touched_[static_cast<size_t>(replica)] = true;
      touched_.push_back(replica);
    }
  }

  void Report() const {
    if (fleet_.progress != nullptr) {
      fleet_.progress->Report("serving", static_cast<double>(answered_),
                              static_cast<double>(load_.requests.size()), "requests");
    }
  }

  ServingOutcome Outcome() {
    ServingOutcome outcome;
    outcome.requests = std::move(record_.requests);
    outcome.gaps = std::move(record_.gaps);
    outcome.makespan = last_completion_;
    outcome.steps = record_.steps;
    outcome.preemptions = record_.preemptions;
    outcome.running_time_integral = static_cast<double>(record_.running_time) * 1e-12;
    outcome.busy_seconds = static_cast<double>(record_.busy) * 1e-12;
    return outcome;
  }

  const Fleet& fleet_;
  const workloads::RequestLoad& load_;
  PrefixKeys keys_;
  RequestRouter router_;
  FleetRecord record_;
  std::vector<Replica> replicas_;
  std::priority_queue<End, std::vector<End>, std::greater<>> ends_;
  std::vector<int32_t> touched_;
  std::vector<char> is_touched_;
  size_t next_request_ = 0;
  int64_t answered_ = 0;
  int64_t free_clients_ = 0;  // closed loop: clients without a request under way
  Picoseconds clients_free_at_ = 0;
  Picoseconds last_completion_ = 0;
};

}  // namespace

Result<ServingOutcome> Serve(const Fleet& fleet, const workloads::RequestLoad& load,
                             StepCost& cost) {
  RETURN_IF_ERROR(fleet.stop.Check());
  CHECK(load.concurrency.value_or(1) > 0, "{} clients", *load.concurrency);
  if (!load.concurrency && !load.requests.empty()) {
    const auto is_earlier = [](const workloads::Request& a, const workloads::Request& b) {
      return a.arrival < b.arrival;
    };
    CHECK(std::is_sorted(load.requests.begin(), load.requests.end(), is_earlier),
          "requests out of order");
    if (engine::ToPicosecondsSaturating(load.requests.back().arrival) == kNever) {
      return Fail({.code = ErrorCode::kOutOfRange,
                   .message = "the last request arrives later than the simulated clock counts, "
                              "106 days",
                   .hint = "simulate a shorter load"});
    }
  }
  return FleetRun(fleet, load, cost).Run();
}

}  // namespace ridgeline::serving
