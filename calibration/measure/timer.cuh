/// How long one operation takes on the device, in a stated condition.
///
/// Steady (graph, cold, burst): a CUDA graph of `nodes` launches that walk through the operand
/// sets, replayed; a sample is one replay between two events, divided by `nodes`. Replays are
/// enqueued ahead, so no launch gap is inside. Where all sets together are smaller than twice L2,
/// L2 is flushed between replays, outside the events.
///
/// Burst: about 10 ms of work, then a rest of `rest` times as long. The board's power cap acts on
/// averages over tens of milliseconds; with the rest, what ran before no longer shows in a time.
/// The clock is not the top one even so: within a burst H100 and H200 run memory-bound kernels at
/// 1.98 GHz, small GEMMs at 1.82 and the fastest ones at 1.60 GHz. `counted_clock_hz` is that
/// clock, counted on the device over each sample; NVML's clock, power and reasons are averages over
/// the rests too and say little about a burst. Sustained: the same graph back to back for a second
/// before and while samples are taken.
///
/// Eager: launches one after the other without a graph; the sample holds what the host adds. Warm:
/// one operand set over and over; what fits in L2 stays there.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "base/result.h"
#include "calibration/measure/arena.cuh"
#include "calibration/measure/clock_probe.cuh"
#include "calibration/measure/gpu_state.cuh"
#include "calibration/measure/point_file.h"

namespace ridgeline::measure {

/// Something that can be launched again and again over rotating operands.
struct Workload {
  std::function<Status(cudaStream_t stream, int64_t set)> launch;
  std::function<Status()> check = {};  // compares an answer with a reference; may be empty
  int64_t sets = 1;
  double bytes_per_set = 0;  // distinct device memory that one set touches
  int64_t most_nodes = 400;
  std::string library = {};
  std::map<std::string, double> figures = {};
  std::map<std::string, std::string> remarks = {};
};

struct TimingCondition {
  bool is_sustained = false;
  bool is_eager = false;
  bool is_warm = false;
};
Result<TimingCondition> ReadCondition(const Fields& condition);

class Timer {
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer();
  /// `rest`: idle time before burst samples, as a multiple of the work done since the last rest.
  Status Open(Arena* arena, const GpuMonitor* monitor, double rest = kUsualRest);
  /// A quarter of the time at work: large GEMMs then repeat to 0.2 % (median) between runs.
  static constexpr double kUsualRest = 3;
  /// Measures; fills every figure of the outcome but its words.
  Result<Outcome> Measure(const Workload& workload, const TimingCondition& condition);
  cudaStream_t stream() const { return stream_; }

 private:
  Result<Outcome> MeasureGraph(const Workload& workload, const TimingCondition& condition,
                               double estimate);
  Result<Outcome> MeasureEager(const Workload& workload, const TimingCondition& condition,
                               double estimate);
  Result<double> Estimate(const Workload& workload);
  Status KeepBusy(cudaGraphExec_t graph, double replay_seconds);
  /// Sleeps until the work since the last rest is paid for. The GPU is idle when it is called.
  void Rest();
  void Worked(double seconds);

  Arena* arena_ = nullptr;
  const GpuMonitor* monitor_ = nullptr;
  cudaStream_t stream_ = nullptr;
  static constexpr int kBatch = 4;
  cudaEvent_t begin_[kBatch] = {};
  cudaEvent_t end_[kBatch] = {};
  ClockProbe clock_;
  double rest_ = kUsualRest;
  double owed_seconds_ = 0;
  std::chrono::steady_clock::time_point idle_since_ = std::chrono::steady_clock::now();
};

/// A graph of `nodes` launches that walk through `sets` operand sets.
class ReplayedGraph {
 public:
  ReplayedGraph() = default;
  ReplayedGraph(const ReplayedGraph&) = delete;
  ReplayedGraph& operator=(const ReplayedGraph&) = delete;
  ~ReplayedGraph();
  Status Capture(const Workload& workload, int64_t sets, int64_t nodes, cudaStream_t stream);
  cudaGraphExec_t get() const { return executable_; }

 private:
  cudaGraphExec_t executable_ = nullptr;
};

/// The state folded into an outcome.
void RecordState(const GpuState& state, Outcome& outcome);

}  // namespace ridgeline::measure
