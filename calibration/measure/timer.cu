#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>

#include "calibration/measure/stopping_rule.h"
#include "calibration/measure/timer.cuh"

namespace ridgeline::measure {
namespace {

constexpr double kReplaySeconds = 2.5e-3;  // long beside the 1 to 2 us that events and start add
constexpr double kSustainedReplaySeconds = 10e-3;
constexpr double kLongestRest = 0.25;
constexpr double kSustainedSeconds = 1.0;  // clocks have settled under the power cap by then

using SteadyClock = std::chrono::steady_clock;

double SecondsSince(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

Result<double> SecondsBetween(cudaEvent_t begin, cudaEvent_t end) {
  float milliseconds = 0;
  RETURN_IF_ERROR(Cuda(cudaEventElapsedTime(&milliseconds, begin, end), "read the timer"));
  return static_cast<double>(milliseconds) * 1e-3;
}

}  // namespace

Result<TimingCondition> ReadCondition(const Fields& condition) {
  TimingCondition read;
  const auto is = [&](const char* name, const char* usual, const char* other) -> Result<bool> {
    const std::string value = condition.Text(name, usual);
    if (value != usual && value != other) {
      return InvalidArgument(std::string("condition must be ") + usual + " or " + other + ": " +
                             name + " " + value);
    }
    return value == other;
  };
  ASSIGN_OR_RETURN(read.is_sustained, is("clock", "burst", "sustained"));
  ASSIGN_OR_RETURN(read.is_eager, is("launch", "graph", "eager"));
  ASSIGN_OR_RETURN(read.is_warm, is("cache", "cold", "warm"));
  return read;
}

void RecordState(const GpuState& state, Outcome& outcome) {
  outcome.sm_clock_hz = state.sm_clock_hz;
  outcome.power_w = state.power_w;
  outcome.temperature_c = state.temperature_c;
  outcome.throttled = outcome.throttled || state.IsThrottled();
  outcome.throttle_reasons |= state.throttle_reasons;
}

ReplayedGraph::~ReplayedGraph() {
  if (executable_ != nullptr) {
    static_cast<void>(cudaGraphExecDestroy(executable_));
  }
}

Status ReplayedGraph::Capture(const Workload& workload, int64_t sets, int64_t nodes,
                              cudaStream_t stream) {
  RETURN_IF_ERROR(Cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal),
                       "begin to capture a graph"));
  Status launched;
  for (int64_t i = 0; i < nodes && launched; ++i) {
    launched = workload.launch(stream, i % sets);
  }
  cudaGraph_t graph = nullptr;
  const Status captured = Cuda(cudaStreamEndCapture(stream, &graph), "capture a graph");
  RETURN_IF_ERROR(launched);
  RETURN_IF_ERROR(captured);
  const Status made = Cuda(cudaGraphInstantiate(&executable_, graph, 0), "instantiate a graph");
  RETURN_IF_ERROR(Cuda(cudaGraphDestroy(graph), "release a graph"));
  RETURN_IF_ERROR(made);
  return Cuda(cudaGraphUpload(executable_, stream), "upload a graph");
}

Timer::~Timer() {
  for (int i = 0; i < kBatch; ++i) {
    if (begin_[i] != nullptr) static_cast<void>(cudaEventDestroy(begin_[i]));
    if (end_[i] != nullptr) static_cast<void>(cudaEventDestroy(end_[i]));
  }
  if (stream_ != nullptr) static_cast<void>(cudaStreamDestroy(stream_));
}

Status Timer::Open(Arena* arena, const GpuMonitor* monitor, double rest) {
  arena_ = arena;
  monitor_ = monitor;
  rest_ = rest;
  RETURN_IF_ERROR(clock_.Open(arena->multiprocessors()));
  RETURN_IF_ERROR(
      Cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "create a stream"));
  for (int i = 0; i < kBatch; ++i) {
    RETURN_IF_ERROR(Cuda(cudaEventCreate(&begin_[i]), "create an event"));
    RETURN_IF_ERROR(Cuda(cudaEventCreate(&end_[i]), "create an event"));
  }
  return {};
}

/// A first time, good to a factor of two: eager, so a short operation reads too long.
Result<double> Timer::Estimate(const Workload& workload) {
  // The first launch loads the kernel and is not timed.
  RETURN_IF_ERROR(workload.launch(stream_, 0));
  RETURN_IF_ERROR(Cuda(cudaEventRecord(begin_[0], stream_), "record an event"));
  constexpr int kLaunches = 2;
  for (int i = 0; i < kLaunches; ++i) {
    RETURN_IF_ERROR(workload.launch(stream_, (i + 1) % workload.sets));
  }
  RETURN_IF_ERROR(Cuda(cudaEventRecord(end_[0], stream_), "record an event"));
  RETURN_IF_ERROR(Cuda(cudaEventSynchronize(end_[0]), "run for the first time"));
  ASSIGN_OR_RETURN(const double seconds, SecondsBetween(begin_[0], end_[0]));
  return std::max(seconds / kLaunches, 1e-6);
}

Result<Outcome> Timer::Measure(const Workload& workload, const TimingCondition& condition) {
  ASSIGN_OR_RETURN(const double estimate, Estimate(workload));
  ASSIGN_OR_RETURN(Outcome outcome, condition.is_eager
                                        ? MeasureEager(workload, condition, estimate)
                                        : MeasureGraph(workload, condition, estimate));
  outcome.library = workload.library;
  outcome.remarks = workload.remarks;
  outcome.figures.insert(workload.figures.begin(), workload.figures.end());
  return outcome;
}

void Timer::Worked(double seconds) {
  owed_seconds_ += rest_ * seconds;
  idle_since_ = SteadyClock::now();
}

void Timer::Rest() {
  std::this_thread::sleep_until(
      idle_since_ + std::chrono::duration_cast<SteadyClock::duration>(
                        std::chrono::duration<double>(std::min(owed_seconds_, kLongestRest))));
  owed_seconds_ = 0;
}

/// Replays for kSustainedSeconds with the queue never empty.
Status Timer::KeepBusy(cudaGraphExec_t graph, double replay_seconds) {
  const int at_once = std::max(1, static_cast<int>(0.05 / std::max(replay_seconds, 1e-6)));
  const SteadyClock::time_point start = SteadyClock::now();
  for (int round = 0; SecondsSince(start) < kSustainedSeconds; ++round) {
    for (int i = 0; i < at_once; ++i) {
      RETURN_IF_ERROR(Cuda(cudaGraphLaunch(graph, stream_), "replay a graph"));
    }
    // Waits for the round before last: one round is always queued.
    const cudaEvent_t event = begin_[round % 2];
    if (round >= 2) {
      RETURN_IF_ERROR(Cuda(cudaEventSynchronize(event), "wait for the GPU"));
    }
    RETURN_IF_ERROR(Cuda(cudaEventRecord(event, stream_), "record an event"));
  }
  return {};
}

Result<Outcome> Timer::MeasureGraph(const Workload& workload, const TimingCondition& condition,
                                    double estimate) {
  const double replay = condition.is_sustained ? kSustainedReplaySeconds : kReplaySeconds;
  const int64_t sets = condition.is_warm ? 1 : workload.sets;
  const auto nodes = std::clamp<int64_t>(static_cast<int64_t>(std::ceil(replay / estimate)), 1,
                                         workload.most_nodes);
  ReplayedGraph graph;
  RETURN_IF_ERROR(graph.Capture(workload, sets, nodes, stream_));
  const double footprint = workload.bytes_per_set * static_cast<double>(std::min(nodes, sets));
  const bool flushes =
      !condition.is_warm && !condition.is_sustained && footprint < 2 * arena_->l2_bytes();

  StoppingLimits limits;
  if (condition.is_sustained) {
    limits.most_seconds = 0.3;
    RETURN_IF_ERROR(KeepBusy(graph.get(), static_cast<double>(nodes) * estimate));
  }
  Outcome outcome;
  StoppingRule rule(limits);
  bool has_state = false;
  const bool is_long = static_cast<double>(nodes) * estimate > 15e-3;
  const int batch = is_long ? 2 : kBatch;
  std::vector<double> clocks;
  do {
    if (!condition.is_sustained) {
      Rest();
    }
    // An untimed replay first: while it runs, the timed ones are enqueued.
    if (!is_long || rule.count() == 0) {
      RETURN_IF_ERROR(Cuda(cudaGraphLaunch(graph.get(), stream_), "replay a graph"));
    }
    for (int i = 0; i < batch; ++i) {
      if (flushes) {
        RETURN_IF_ERROR(arena_->FlushL2(stream_));
      }
      RETURN_IF_ERROR(clock_.Mark(2 * i, stream_));
      RETURN_IF_ERROR(Cuda(cudaEventRecord(begin_[i], stream_), "record an event"));
      RETURN_IF_ERROR(Cuda(cudaGraphLaunch(graph.get(), stream_), "replay a graph"));
      RETURN_IF_ERROR(Cuda(cudaEventRecord(end_[i], stream_), "record an event"));
      RETURN_IF_ERROR(clock_.Mark(2 * i + 1, stream_));
    }
    if (!has_state || condition.is_sustained) {
      RETURN_IF_ERROR(Cuda(cudaEventSynchronize(begin_[batch - 1]), "run"));
      RecordState(monitor_->Now(), outcome);  // read while the last replay runs
      has_state = true;
    }
    RETURN_IF_ERROR(Cuda(cudaStreamSynchronize(stream_), "run"));
    double worked = 0;
    for (int i = 0; i < batch; ++i) {
      ASSIGN_OR_RETURN(const double seconds, SecondsBetween(begin_[i], end_[i]));
      rule.Add(seconds / static_cast<double>(nodes), seconds);
      worked += seconds;
      ASSIGN_OR_RETURN(const double clock, clock_.ClockBetween(2 * i, 2 * i + 1));
      if (clock > 0) {
        clocks.push_back(clock);
      }
    }
    Worked(worked * (batch + 1) / batch);
  } while (!rule.IsDone());
  if (!clocks.empty()) {
    const auto middle = clocks.begin() + static_cast<std::ptrdiff_t>(clocks.size() / 2);
    std::nth_element(clocks.begin(), middle, clocks.end());
    outcome.figures["counted_clock_hz"] = *middle;
  }
  outcome.time_s = rule.Median();
  outcome.spread = rule.Spread();
  outcome.samples = static_cast<int64_t>(rule.count());
  outcome.stopped_by = rule.reason();
  outcome.figures["nodes"] = static_cast<double>(nodes);
  outcome.figures["sets"] = static_cast<double>(std::min(nodes, sets));
  return outcome;
}

Result<Outcome> Timer::MeasureEager(const Workload& workload, const TimingCondition& condition,
                                    double estimate) {
  const int64_t sets = condition.is_warm ? 1 : workload.sets;
  const auto launches = std::clamp<int64_t>(
      static_cast<int64_t>(std::ceil(kReplaySeconds / estimate)), 1, 10 * workload.most_nodes);
  Outcome outcome;
  StoppingRule rule({.enough_spread = 0.01});
  std::vector<double> host;
  Rest();
  do {
    for (int i = 0; i < kBatch; ++i) {
      const SteadyClock::time_point start = SteadyClock::now();
      RETURN_IF_ERROR(Cuda(cudaEventRecord(begin_[i], stream_), "record an event"));
      for (int64_t j = 0; j < launches; ++j) {
        RETURN_IF_ERROR(workload.launch(stream_, j % sets));
      }
      RETURN_IF_ERROR(Cuda(cudaEventRecord(end_[i], stream_), "record an event"));
      host.push_back(SecondsSince(start) / static_cast<double>(launches));
      if (rule.count() == 0 && i == 0) {
        RecordState(monitor_->Now(), outcome);
      }
      RETURN_IF_ERROR(Cuda(cudaEventSynchronize(end_[i]), "run"));
      ASSIGN_OR_RETURN(const double seconds, SecondsBetween(begin_[i], end_[i]));
      rule.Add(seconds / static_cast<double>(launches), seconds);
    }
  } while (!rule.IsDone());
  std::nth_element(host.begin(), host.begin() + static_cast<std::ptrdiff_t>(host.size() / 2),
                   host.end());
  outcome.time_s = rule.Median();
  outcome.spread = rule.Spread();
  outcome.samples = static_cast<int64_t>(rule.count());
  outcome.stopped_by = rule.reason();
  outcome.figures["host_time_s"] = host[host.size() / 2];
  outcome.figures["sets"] = static_cast<double>(std::min(launches, sets));
  return outcome;
}

}  // namespace ridgeline::measure
