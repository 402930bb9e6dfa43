#include "tests/planner/exhaustive/enumerator.h"

#include <algorithm>
#include <array>
#include <future>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/diagnostic.h"
#include "sim/scenario.h"
#include "sim/simulate.h"

namespace ridgeline::planner {
namespace {

struct Point {
  int64_t tp, pp, vpp, micro_batch;
  std::string recompute, sharding;
};

std::set<int64_t> Divisors(int64_t number) {
  std::set<int64_t> divisors;
  for (int64_t d = 1; d <= number; ++d) {
    if (number % d == 0) {
      divisors.insert(d);
    }
  }
  return divisors;
}

/// The rules as Megatron-LM's own checks state them, for a dense decoder with sequence parallelism.
bool IsLegal(const DenseJob& job, const Point& at) {
  if (job.gpus % (at.tp * at.pp) != 0) {
    return false;
  }
  const int64_t dp = job.gpus / (at.tp * at.pp);
  if (job.heads % at.tp != 0 || job.kv_heads % at.tp != 0 || job.intermediate % at.tp != 0 ||
      job.sequence_length % at.tp != 0) {
    return false;
  }
  if (at.vpp > 1 && at.pp == 1) {
    return false;
  }
  const int64_t chunks = at.pp * at.vpp;
  if (job.layers % chunks != 0 && (job.layers + 2) % chunks != 0) {
    return false;
  }
  if (job.global_batch % (dp * at.micro_batch) != 0) {
    return false;
  }
  const int64_t micro_batches = job.global_batch / (dp * at.micro_batch);
  return at.vpp == 1 || micro_batches % at.pp == 0;
}

std::map<std::string, std::string> SettingsOf(const Point& at) {
  return {{"training.parallelism.tp", std::to_string(at.tp)},
          {"training.parallelism.pp", std::to_string(at.pp)},
          {"training.parallelism.vpp", std::to_string(at.vpp)},
          {"training.micro_batch", std::to_string(at.micro_batch)},
          {"training.recompute", at.recompute},
          {"training.sharding", at.sharding}};
}

Result<sim::Scenario> ResolveAt(const Node& base, const Point& at,
                                const hardware::Catalog& catalog) {
  Node document = base;
  for (const auto& [path, value] : SettingsOf(at)) {
    RETURN_IF_ERROR(SetPath(document, path, value, "enumerator"));
  }
  return sim::ResolveScenario(document, catalog);
}

struct Outcome {
  bool fits = false;
  double step_time = 0;
  std::string error;
};

Outcome SimulateAt(const Node& base, const Point& at, const hardware::Catalog& catalog) {
  const auto report = ResolveAt(base, at, catalog).and_then([](const sim::Scenario& scenario) {
    return sim::Simulate(scenario, {});
  });
  if (!report) {
    return {.error = RenderError(report.error())};
  }
  return {.fits = report->fits, .step_time = report->Find("step_time")->value, .error = {}};
}

/// In canonical order.
std::vector<Point> AllPoints(const DenseJob& job) {
  std::set<int64_t> depths = Divisors(job.layers);
  depths.merge(Divisors(job.layers + 2));
  std::vector<Point> points;
  for (const int64_t tp : Divisors(job.gpus)) {
    for (const int64_t pp : Divisors(job.gpus)) {
      for (const int64_t vpp : depths) {
        for (const int64_t micro_batch : Divisors(job.global_batch)) {
          for (const char* recompute : {"none", "selective", "full"}) {
            for (const char* sharding : {"ddp", "zero-1"}) {
              if (tp <= job.heads && pp <= job.layers + 2) {
                points.push_back({tp, pp, vpp, micro_batch, recompute, sharding});
              }
            }
          }
        }
      }
    }
  }
  return points;
}

}  // namespace

const Enumeration::Fit* Enumeration::Best() const {
  const auto best = std::min_element(fits.begin(), fits.end(), [](const Fit& a, const Fit& b) {
    return a.step_time < b.step_time;
  });
  return best == fits.end() ? nullptr : &*best;
}

Enumeration Enumerate(const DenseJob& job, const hardware::Catalog& catalog, int illegal_sample) {
  const Node base = ParseDocument("enumerated.yaml", job.document).value();
  Enumeration result;
  std::vector<Point> legal;
  for (const Point& at : AllPoints(job)) {
    ++result.considered;
    if (IsLegal(job, at)) {
      legal.push_back(at);
      continue;
    }
    if (result.illegal++ % illegal_sample == 0) {
      EXPECT_FALSE(ResolveAt(base, at, catalog).has_value())
          << at.tp << " " << at.pp << " " << at.vpp << " " << at.micro_batch;
    }
  }
  std::vector<Outcome> outcomes(legal.size());
  constexpr size_t kThreads = 2;
  std::array<std::future<void>, kThreads> workers;
  for (size_t worker = 0; worker < kThreads; ++worker) {
    workers.at(worker) = std::async(std::launch::async, [&, worker] {
      for (size_t i = worker; i < legal.size(); i += kThreads) {
        outcomes[i] = SimulateAt(base, legal[i], catalog);
      }
    });
  }
  for (std::future<void>& worker : workers) {
    worker.get();
  }
  for (size_t i = 0; i < legal.size(); ++i) {
    EXPECT_EQ(outcomes[i].error, "");
    if (outcomes[i].fits) {
      ++result.simulated;
      result.fits.push_back({SettingsOf(legal[i]), outcomes[i].step_time});
    } else {
      ++result.out_of_memory;
    }
  }
  return result;
}

}  // namespace ridgeline::planner
