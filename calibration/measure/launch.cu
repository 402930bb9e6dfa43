/// What a launch costs by itself: an empty kernel, in a graph (time a node) or eager.
#include "calibration/measure/families.cuh"

namespace ridgeline::measure {
namespace {

__global__ void Nothing() {}

}  // namespace

Result<Workload> MakeLaunch(const Point& point, const MakerContext&) {
  const auto blocks = static_cast<unsigned>(point.op.Int("blocks", 1));
  const auto threads = static_cast<unsigned>(point.op.Int("threads", 32));
  Workload workload;
  workload.launch = [blocks, threads](cudaStream_t stream, int64_t) {
    Nothing<<<blocks, threads, 0, stream>>>();
    return Launched("launch nothing");
  };
  workload.library = "cudart";
  workload.bytes_per_set = 1e12;  // touches nothing, so nothing need be flushed
  return workload;
}

}  // namespace ridgeline::measure
