/// Measures the points of a file on this machine's GPU: see --help, README.md and families.cuh.
///
/// Exit code 0 when every point was tried or the time was up; 1, with a sentence, without a GPU, or
/// when the GPU no longer answers (start again: the point that broke it is on record); 2 for a
/// command line that is wrong.
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

#include <cuda_runtime.h>

#include "calibration/measure/beside.cuh"
#include "calibration/measure/collective.cuh"
#include "calibration/measure/families.cuh"
#include "calibration/measure/options.h"

namespace ridgeline::measure {
namespace {

int Complain(const Error& error, int code) {
  std::fprintf(stderr, "error: %s\n", error.message.c_str());
  if (!error.hint.empty()) {
    std::fprintf(stderr, "  hint: %s\n", error.hint.c_str());
  }
  return code;
}

Status PrintDevice(int device) {
  cudaDeviceProp properties = {};
  RETURN_IF_ERROR(Cuda(cudaGetDeviceProperties(&properties, device), "read the device"));
  std::printf(
      "{\"kind\":\"device\",\"device\":%d,\"name\":\"%s\",\"gpu\":\"%s\",\"compute_capability\":"
      "\"%d.%d\",\"streaming_multiprocessors\":%d,\"memory_bytes\":%zu,\"l2_bytes\":%d}\n",
      device, properties.name, CatalogName(properties.name).c_str(), properties.major,
      properties.minor, properties.multiProcessorCount, properties.totalGlobalMem,
      properties.l2CacheSize);
  return {};
}

/// Measures the points that one GPU can answer alone, or those that all ranks answer together.
class Program {
 public:
  explicit Program(const Options& options) : options_(options) {}

  Status Run(int device) {
    RETURN_IF_ERROR(Cuda(cudaSetDevice(device), "select the device"));
    cudaDeviceProp properties = {};
    RETURN_IF_ERROR(Cuda(cudaGetDeviceProperties(&properties, device), "read the device"));
    ASSIGN_OR_RETURN(const std::vector<Point> points, ReadPoints(options_.points));
    const GpuMonitor monitor(device);
    RunFacts facts{.gpu = options_.gpu.empty() ? CatalogName(properties.name) : options_.gpu,
                   .device = properties.name,
                   .driver = monitor.DriverVersion(),
                   .source = options_.source};
    // NVML's utilization is of the last second: a program that ended just before still shows in it.
    constexpr std::chrono::milliseconds kPause(100);
    busy_ = monitor.IsBusy(true);
    for (int i = 0; i < 30 && busy_; ++i) {
      std::this_thread::sleep_for(kPause);
      busy_ = monitor.IsBusy(true);
    }
    if (busy_) {
      std::fprintf(stderr, "warning: others use this GPU; the points say so (\"busy\")\n");
    }
    if (!monitor.is_there()) {
      std::fprintf(stderr, "warning: no NVML: clocks, power and throttling are not recorded\n");
    }
    RETURN_IF_ERROR(arena_.Open(device));
    RETURN_IF_ERROR(timer_.Open(&arena_, &monitor, options_.rest));
    Ensemble ensemble;
    if (options_.ranks > 1) {
      RETURN_IF_ERROR(ensemble.Join(options_, &arena_, timer_.stream()));
    }
    if (options_.rank == 0) {
      RETURN_IF_ERROR(results_.Open(options_.out, facts));
    }
    const MakerContext context{.arena = &arena_, .device = device, .stream = timer_.stream()};
    for (const Point& point : points) {
      // Rank 0 knows what is done and what time it is; the others follow.
      int command = kMeasure;
      if (options_.rank == 0) {
        command = Seconds() > options_.seconds ? kStop : results_.Has(point) ? kLeaveOut : kMeasure;
      }
      ASSIGN_OR_RETURN(command, ensemble.FromFirst(command));
      if (command == kStop) {
        stopped_ = true;
        break;
      }
      if (command == kMeasure) {
        RETURN_IF_ERROR(One(point, context, monitor, ensemble));
      }
    }
    if (options_.rank == 0) {
      std::fprintf(stderr, "measured %d, skipped %d, of %zu points in %.0f s%s\n", measured_,
                   skipped_, points.size(), Seconds(), stopped_ ? "; the time was up" : "");
    }
    return {};
  }

 private:
  enum Command { kMeasure, kLeaveOut, kStop };

  double Seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

  Result<Outcome> Measured(const Point& point, const MakerContext& context,
                           const GpuMonitor& monitor, Ensemble& ensemble) {
    const std::string op = point.op.Text("op");
    if (op == "beside") {
      return MeasureBeside(point, context, monitor, ensemble);
    }
    if (Ensemble::Knows(op)) {
      return ensemble.Measure(point, context, monitor, options_.checks);
    }
    if (options_.ranks > 1) {
      return Unimplemented("one rank measures this operation: start one process");
    }
    ASSIGN_OR_RETURN(const TimingCondition condition, ReadCondition(point.condition));
    ASSIGN_OR_RETURN(const Workload workload, MakeWorkload(point, context));
    if (options_.only_chooses) {
      Outcome outcome;
      outcome.skipped = "only chosen";
      outcome.library = workload.library;
      outcome.figures = workload.figures;
      outcome.remarks = workload.remarks;
      return outcome;
    }
    if (options_.checks && workload.check) {
      RETURN_IF_ERROR(workload.check());
    }
    return timer_.Measure(workload, condition);
  }

  Status One(const Point& point, const MakerContext& context, const GpuMonitor& monitor,
             Ensemble& ensemble) {
    const Result<Outcome> measured = Measured(point, context, monitor, ensemble);
    Outcome outcome;
    if (measured) {
      outcome = *measured;
      ++measured_;
    } else {
      outcome.skipped = measured.error().message;
      ++skipped_;
    }
    if ((measured_ + skipped_) % 64 == 0) {
      busy_ = busy_ || monitor.IsBusy(false);
    }
    outcome.busy = busy_;
    if (options_.rank == 0) {
      RETURN_IF_ERROR(results_.Write(point, outcome));
    }
    if (!measured && measured.error().code == ErrorCode::kInternal) {
      std::fprintf(stderr, "warning: skipped %s: %s\n", point.key.c_str(), outcome.skipped.c_str());
      // An error that stays means that this process is done for; one that does not is the point's.
      static_cast<void>(cudaGetLastError());
      RETURN_IF_ERROR(Cuda(cudaDeviceSynchronize(), "go on after an error"));
    }
    return {};
  }

  const Options& options_;
  Arena arena_;
  Timer timer_;
  ResultFile results_;
  bool busy_ = false;
  bool stopped_ = false;
  int measured_ = 0;
  int skipped_ = 0;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace
}  // namespace ridgeline::measure

int main(int argc, char** argv) {
  using namespace ridgeline::measure;
  const auto options = ReadOptions(argc, argv);
  if (!options) {
    return Complain(options.error(), 2);
  }
  if (options->shows_help) {
    std::fputs(kUsage, stdout);
    return 0;
  }
  int count = 0;
  const cudaError_t found = cudaGetDeviceCount(&count);
  if (found != cudaSuccess || count == 0) {
    std::fprintf(stderr,
                 "error: no GPU found: %s\n  hint: run this on a machine with an NVIDIA driver\n",
                 found == cudaSuccess ? "no device" : cudaGetErrorString(found));
    return 1;
  }
  if (options->lists_devices) {
    for (int device = 0; device < count; ++device) {
      if (const auto printed = PrintDevice(device); !printed) {
        return Complain(printed.error(), 1);
      }
    }
    return std::fflush(stdout) == 0 ? 0 : 1;
  }
  const int device = options->device >= 0 ? options->device : options->local_rank % count;
  if (device >= count) {
    std::fprintf(stderr, "error: no such device: %d of %d\n", device, count);
    return 2;
  }
  Program program(*options);
  const auto ran = program.Run(device);
  return ran ? 0 : Complain(ran.error(), 1);
}
