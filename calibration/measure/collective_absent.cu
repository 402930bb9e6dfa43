/// Stands in for collective.cu where NCCL was not found: one rank, and no collectives.
#include "calibration/measure/collective.cuh"

namespace ridgeline::measure {

struct Ensemble::State {};

Ensemble::Ensemble() = default;
Ensemble::~Ensemble() = default;

bool Ensemble::Knows(const std::string& op) {
  return op == "all_reduce" || op == "all_gather" || op == "reduce_scatter" || op == "all_to_all" ||
         op == "broadcast" || op == "send";
}

Status Ensemble::Join(const Options&, Arena*, cudaStream_t) {
  return Unimplemented("built without NCCL: one rank only");
}

int Ensemble::ranks() const { return 1; }
Result<int> Ensemble::FromFirst(int value) { return value; }
Result<double> Ensemble::Largest(double value) { return value; }
Status Ensemble::Average(std::vector<double>&, int) { return {}; }
Status Ensemble::Agree(const Status& here) { return here; }

Result<Workload> Ensemble::MakeCollective(const Fields&, const std::string&, const MakerContext&) {
  return Unimplemented("built without NCCL");
}

Result<Outcome> Ensemble::Measure(const Point&, const MakerContext&, const GpuMonitor&, bool) {
  return Unimplemented("built without NCCL");
}

}  // namespace ridgeline::measure
