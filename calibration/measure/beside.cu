#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>

#include "calibration/measure/beside.cuh"
#include "calibration/measure/stopping_rule.h"

namespace ridgeline::measure {
namespace {

constexpr double kReplaySeconds = 4e-3;  // of either side alone
constexpr int kCompanyReplays = 5;       // lasts while the other side slows down to a third
constexpr int kSamples = 7;
constexpr double kLongestRest = 0.1;

/// A stream and events of its own, released in any case.
struct Side {
  cudaStream_t stream = nullptr;
  cudaEvent_t begin = nullptr;
  cudaEvent_t end = nullptr;
  ReplayedGraph graph;
  int64_t nodes = 1;

  Side() = default;
  Side(const Side&) = delete;
  Side& operator=(const Side&) = delete;
  ~Side() {
    if (begin != nullptr) static_cast<void>(cudaEventDestroy(begin));
    if (end != nullptr) static_cast<void>(cudaEventDestroy(end));
    if (stream != nullptr) static_cast<void>(cudaStreamDestroy(stream));
  }
  Status Open() {
    RETURN_IF_ERROR(
        Cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "create a stream"));
    RETURN_IF_ERROR(Cuda(cudaEventCreate(&begin), "create an event"));
    return Cuda(cudaEventCreate(&end), "create an event");
  }
  Status Begin() { return Cuda(cudaEventRecord(begin, stream), "record an event"); }
  Status End() { return Cuda(cudaEventRecord(end, stream), "record an event"); }
  Status Replay() { return Cuda(cudaGraphLaunch(graph.get(), stream), "replay a graph"); }
  Status Wait() { return Cuda(cudaStreamSynchronize(stream), "run"); }
};

Result<double> Between(cudaEvent_t from, cudaEvent_t to) {
  float milliseconds = 0;
  RETURN_IF_ERROR(Cuda(cudaEventElapsedTime(&milliseconds, from, to), "read the timer"));
  return static_cast<double>(milliseconds) * 1e-3;
}

Status Prepare(const Workload& workload, Side& side, Ensemble& ensemble) {
  RETURN_IF_ERROR(side.Open());
  RETURN_IF_ERROR(workload.launch(side.stream, 0));
  RETURN_IF_ERROR(side.Wait());
  RETURN_IF_ERROR(side.Begin());
  RETURN_IF_ERROR(workload.launch(side.stream, 1 % workload.sets));
  RETURN_IF_ERROR(workload.launch(side.stream, 2 % workload.sets));
  RETURN_IF_ERROR(side.End());
  RETURN_IF_ERROR(side.Wait());
  ASSIGN_OR_RETURN(const double mine, Between(side.begin, side.end));
  ASSIGN_OR_RETURN(const double seconds, ensemble.Largest(std::max(mine / 2, 1e-6)));
  side.nodes =
      std::clamp<int64_t>(static_cast<int64_t>(std::ceil(kReplaySeconds / seconds)), 1, 400);
  RETURN_IF_ERROR(side.graph.Capture(workload, workload.sets, side.nodes, side.stream));
  RETURN_IF_ERROR(side.Replay());
  return side.Wait();
}

Result<Workload> Make(const Fields& op, const Point& point, const MakerContext& context,
                      Ensemble& ensemble) {
  if (Ensemble::Knows(op.Text("op"))) {
    return ensemble.MakeCollective(op, point.with, context);
  }
  Point one = point;
  one.op = op;
  return MakeWorkload(one, context);
}

/// Idles for Timer::kUsualRest times the work before, so that the power cap slows neither what is
/// measured alone nor what is measured in company. The ranks wait for each other afterwards.
void Rest(double worked_seconds) {
  std::this_thread::sleep_for(
      std::chrono::duration<double>(std::min(Timer::kUsualRest * worked_seconds, kLongestRest)));
}

/// Median over samples of the mean over ranks, of one launch.
Result<StoppingRule> Alone(Side& side, Ensemble& ensemble) {
  StoppingRule rule({});
  for (int i = 0; i < kSamples; ++i) {
    std::vector<double> barrier(1);
    RETURN_IF_ERROR(ensemble.Average(barrier, ensemble.ranks()));
    RETURN_IF_ERROR(side.Replay());
    RETURN_IF_ERROR(side.Begin());
    RETURN_IF_ERROR(side.Replay());
    RETURN_IF_ERROR(side.End());
    RETURN_IF_ERROR(side.Wait());
    ASSIGN_OR_RETURN(const double seconds, Between(side.begin, side.end));
    std::vector<double> mean = {seconds};
    RETURN_IF_ERROR(ensemble.Average(mean, ensemble.ranks()));
    rule.Add(mean[0] / static_cast<double>(side.nodes), mean[0]);
    Rest(2 * seconds);
  }
  return rule;
}

}  // namespace

Result<Outcome> MeasureBeside(const Point& point, const MakerContext& context,
                              const GpuMonitor& monitor, Ensemble& ensemble) {
  const Fields of = point.op.Of("of");
  const Fields company = point.op.Of("beside");
  if (!of.Has("op") || !company.Has("op")) {
    return InvalidArgument("beside needs two operations: of and beside");
  }
  context.arena->Hold(false);
  Result<Workload> first = Make(of, point, context, ensemble);
  context.arena->Hold(true);  // the second must not be given the first one's operands
  Result<Workload> second = Make(company, point, context, ensemble);
  context.arena->Hold(false);
  RETURN_IF_ERROR(ensemble.Agree(first ? Status() : Status(Fail(first.error()))));
  RETURN_IF_ERROR(ensemble.Agree(second ? Status() : Status(Fail(second.error()))));
  Side measured;
  Side other;
  RETURN_IF_ERROR(Prepare(*first, measured, ensemble));
  RETURN_IF_ERROR(Prepare(*second, other, ensemble));
  ASSIGN_OR_RETURN(const StoppingRule alone, Alone(measured, ensemble));
  ASSIGN_OR_RETURN(const StoppingRule company_alone, Alone(other, ensemble));

  // The company must outlast what is measured, which may be much longer than a replay of it.
  const double ratio = alone.Median() * static_cast<double>(measured.nodes) /
                       std::max(company_alone.Median() * static_cast<double>(other.nodes), 1e-9);
  const int replays =
      std::min(kCompanyReplays * std::max(1, static_cast<int>(std::ceil(ratio))), 200);
  StoppingRule together({});
  Outcome outcome;
  bool is_covered = true;
  for (int i = 0; i < kSamples; ++i) {
    std::vector<double> barrier(1);
    RETURN_IF_ERROR(ensemble.Average(barrier, ensemble.ranks()));
    RETURN_IF_ERROR(other.Replay());
    RETURN_IF_ERROR(other.Begin());
    for (int j = 0; j < replays; ++j) {
      RETURN_IF_ERROR(other.Replay());
    }
    RETURN_IF_ERROR(other.End());
    RETURN_IF_ERROR(
        Cuda(cudaStreamWaitEvent(measured.stream, other.begin, 0), "wait for the company"));
    RETURN_IF_ERROR(measured.Replay());  // both are under way when the clock starts
    RETURN_IF_ERROR(measured.Begin());
    RETURN_IF_ERROR(measured.Replay());
    RETURN_IF_ERROR(measured.End());
    RETURN_IF_ERROR(measured.Wait());
    if (i == 0) {
      RecordState(monitor.Now(), outcome);
    }
    RETURN_IF_ERROR(other.Wait());
    ASSIGN_OR_RETURN(const double seconds, Between(measured.begin, measured.end));
    ASSIGN_OR_RETURN(const double left, Between(measured.end, other.end));
    std::vector<double> mean = {seconds, left > 0 ? 1.0 : 0.0};
    RETURN_IF_ERROR(ensemble.Average(mean, ensemble.ranks()));
    is_covered = is_covered && mean[1] == 1.0;
    together.Add(mean[0] / static_cast<double>(measured.nodes), mean[0]);
    Rest(2 * seconds + std::max(left, 0.0));
  }
  outcome.time_s = together.Median();
  outcome.spread = together.Spread();
  outcome.samples = static_cast<int64_t>(together.count());
  outcome.stopped_by = "samples";
  outcome.library = first->library + " beside " + second->library;
  outcome.remarks = first->remarks;
  outcome.remarks.insert(second->remarks.begin(), second->remarks.end());
  outcome.figures = {{"alone_s", alone.Median()},
                     {"alone_spread", alone.Spread()},
                     {"beside_alone_s", company_alone.Median()},
                     {"ratio", together.Median() / alone.Median()},
                     {"covered", is_covered ? 1.0 : 0.0}};
  return outcome;
}

}  // namespace ridgeline::measure
