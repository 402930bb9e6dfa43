/// Stands in for collective.cu where NCCL was not found: says so for every point that needs it.
#include "calibration/measure/collective.cuh"

namespace ridgeline::measure {

struct Ensemble::State {};

Ensemble::Ensemble() = default;
Ensemble::~Ensemble() = default;

bool Ensemble::Knows(const Point& point) {
  const std::string op = point.op.Text("op");
  return op == "all_reduce" || op == "all_gather" || op == "reduce_scatter" || op == "all_to_all" ||
         op == "broadcast" || op == "send" || op == "beside";
}

Status Ensemble::Join(const Options&, Arena*, cudaStream_t) {
  return Unimplemented("built without NCCL: one rank only");
}

Result<int> Ensemble::FromFirst(int value) { return value; }

Result<Outcome> Ensemble::Measure(const Point&, const MakerContext&, const GpuMonitor&) {
  return Unimplemented("built without NCCL");
}

}  // namespace ridgeline::measure
