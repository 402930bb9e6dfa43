#include "planner/validation/step_fit.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/percentile.h"

namespace ridgeline::validation {
namespace {

constexpr size_t kConstants = 4;
constexpr double kFlat = 1e-3;  // relative spread of a simplex that has nothing left to find
using Point = std::array<double, kConstants>;  // logarithms of the constants in seconds

StepConstants ConstantsAt(const Point& point) {
  return {.step = Seconds::FromBase(std::exp(point[0])),
          .token = Seconds::FromBase(std::exp(point[1])),
          .sequence = Seconds::FromBase(std::exp(point[2])),
          .context = Seconds::FromBase(std::exp(point[3]))};
}

/// Orders of magnitude of one large GPU, where every search begins: weights of tens of gigabytes at
/// a terabyte a second, a tenth of a millisecond a prompt token, a hundred kilobytes of cache a
/// token.
constexpr StepConstants kStart = {.step = Seconds::FromBase(15e-3),
                                  .token = Seconds::FromBase(100e-6),
                                  .sequence = Seconds::FromBase(30e-6),
                                  .context = Seconds::FromBase(100e-9)};

Result<serving::ServingOutcome> Simulate(const serving::SchedulerLimits& limits,
                                         const workloads::RequestLoad& load,
                                         const StepConstants& constants, const Stop& stop) {
  FittedStepCost cost(constants);
  return serving::Serve({.limits = limits, .stop = stop}, load, cost);
}

double SecondsOf(engine::Picoseconds span) { return engine::ToSeconds(span).base(); }

/// Nelder, J. and Mead, R., A simplex method for function minimization, The Computer Journal 7
/// (1965): reflection 1, expansion 2, contraction 1/2, shrinkage 1/2. Needs no derivative, which a
/// scheduler's decisions do not have.
template <class F>
Result<Point> Minimize(const F& loss, Point start, double edge, int most_steps) {
  struct Vertex {
    Point at;
    double loss;
  };
  std::array<Vertex, kConstants + 1> simplex{};
  const auto visit = [&](const Point& at) -> Result<Vertex> {
    ASSIGN_OR_RETURN(const double value, loss(at));
    return Vertex{at, value};
  };
  for (size_t i = 0; i <= kConstants; ++i) {
    Point at = start;
    if (i > 0) {
      at[i - 1] += edge;
    }
    ASSIGN_OR_RETURN(simplex[i], visit(at));
  }
  for (int step = 0; step < most_steps; ++step) {
    std::ranges::stable_sort(simplex, {}, &Vertex::loss);
    Vertex& worst = simplex.back();
    if (worst.loss - simplex.front().loss < kFlat * simplex.front().loss) {
      break;
    }
    Point center{};
    for (size_t i = 0; i < kConstants; ++i) {
      for (size_t j = 0; j < kConstants; ++j) {
        center[j] += simplex[i].at[j] / kConstants;
      }
    }
    const auto toward = [&](double factor) {
      Point at{};
      for (size_t j = 0; j < kConstants; ++j) {
        at[j] = center[j] + factor * (worst.at[j] - center[j]);
      }
      return visit(at);
    };
    ASSIGN_OR_RETURN(const Vertex reflected, toward(-1));
    if (reflected.loss < simplex.front().loss) {
      ASSIGN_OR_RETURN(const Vertex expanded, toward(-2));
      worst = expanded.loss < reflected.loss ? expanded : reflected;
    } else if (reflected.loss < simplex[kConstants - 1].loss) {
      worst = reflected;
    } else {
      ASSIGN_OR_RETURN(const Vertex contracted, toward(reflected.loss < worst.loss ? -0.5 : 0.5));
      if (contracted.loss < std::min(worst.loss, reflected.loss)) {
        worst = contracted;
        continue;
      }
      for (size_t i = 1; i <= kConstants; ++i) {
        Point at{};
        for (size_t j = 0; j < kConstants; ++j) {
          at[j] = (simplex[i].at[j] + simplex.front().at[j]) / 2;
        }
        ASSIGN_OR_RETURN(simplex[i], visit(at));
      }
    }
  }
  return std::ranges::min_element(simplex, {}, &Vertex::loss)->at;
}

double Sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

/// Waits of the same requests, measured and simulated.
struct Waits {
  std::vector<double> measured;
  std::vector<double> simulated;

  void Add(Seconds arrival, Seconds end, engine::Picoseconds simulated_end) {
    measured.push_back((end - arrival).base());
    simulated.push_back(SecondsOf(simulated_end) - arrival.base());
  }
  double Residual() const {
    double sum = 0;
    for (size_t i = 0; i < measured.size(); ++i) {
      sum += std::abs(simulated[i] - measured[i]);
    }
    return sum / Sum(measured);
  }
  TimeComparison Compare() const {
    const auto mean = [](const std::vector<double>& values) {
      return Seconds::FromBase(Sum(values) / static_cast<double>(values.size()));
    };
    const auto p99 = [](std::vector<double> values) {
      return Seconds::FromBase(ExactQuantile(values, 0.99));
    };
    std::vector<double> errors;
    for (size_t i = 0; i < measured.size(); ++i) {
      errors.push_back(std::abs(simulated[i] / measured[i] - 1));
    }
    return {.measured_mean = mean(measured),
            .simulated_mean = mean(simulated),
            .measured_p99 = p99(measured),
            .simulated_p99 = p99(simulated),
            .median_error = ExactQuantile(errors, 0.5)};
  }
};

struct BothWaits {
  Waits ttft;
  Waits completion;
};

/// Of requests `from` and following, one for each of `times`.
BothWaits WaitsOf(const workloads::RequestLoad& load, std::span<const TokenTimes> times,
                  const serving::ServingOutcome& outcome, size_t from) {
  BothWaits waits;
  for (size_t i = 0; i < times.size(); ++i) {
    const Seconds arrival = load.requests[from + i].arrival;
    const serving::RequestOutcome& simulated = outcome.requests[from + i];
    waits.ttft.Add(arrival, times[i].first, simulated.first_token);
    waits.completion.Add(arrival, times[i].last, simulated.last_token);
  }
  return waits;
}

}  // namespace

Result<StepFit> FitStepCost(const serving::SchedulerLimits& limits,
                            const workloads::RequestLoad& load,
                            std::span<const TokenTimes, kFittedRequests> seen, const Stop& stop) {
  CHECK(load.requests.size() >= kFittedRequests, "{} requests", load.requests.size());
  const auto loss = [&](const Point& point) -> Result<double> {
    ASSIGN_OR_RETURN(const serving::ServingOutcome outcome,
                     Simulate(limits, load, ConstantsAt(point), stop));
    double sum = 0;
    for (size_t i = 0; i < seen.size(); ++i) {
      const double first = SecondsOf(outcome.requests[i].first_token) - seen[i].first.base();
      const double last = SecondsOf(outcome.requests[i].last_token) - seen[i].last.base();
      sum += first * first + last * last;
    }
    return sum;
  };
  Point best = {std::log(kStart.step.base()), std::log(kStart.token.base()),
                std::log(kStart.sequence.base()), std::log(kStart.context.base())};
  // A simplex collapses where a decision flips; a new one around the best point goes on.
  for (const double edge : {0.5, -0.3, 0.2, -0.1}) {
    ASSIGN_OR_RETURN(best, Minimize(loss, best, edge, 120));
  }
  const StepConstants constants = ConstantsAt(best);
  ASSIGN_OR_RETURN(const serving::ServingOutcome outcome, Simulate(limits, load, constants, stop));
  const BothWaits waits = WaitsOf(load, seen, outcome, 0);
  return StepFit{.constants = constants,
                 .ttft_residual = waits.ttft.Residual(),
                 .completion_residual = waits.completion.Residual()};
}

Result<ServingLogScore> ScoreServingLog(const MeasuredServing& log, const StepConstants& constants,
                                        size_t from, const Stop& stop) {
  CHECK(from < log.measured.size(), "{} of {} requests", from, log.measured.size());
  ASSIGN_OR_RETURN(const serving::ServingOutcome outcome,
                   Simulate(log.limits, log.load, constants, stop));
  const BothWaits waits = WaitsOf(log.load, std::span(log.measured).subspan(from), outcome, from);
  return ServingLogScore{.ttft = waits.ttft.Compare(), .completion = waits.completion.Compare()};
}

}  // namespace ridgeline::validation
