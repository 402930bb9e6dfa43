#include <map>

#include "calibration/measure/families.cuh"

namespace ridgeline::measure {

Result<Workload> MakeWorkload(const Point& point, const MakerContext& context) {
  using Maker = Result<Workload> (*)(const Point&, const MakerContext&);
  static const std::map<std::string, Maker> kMakers = {
      {"gemm", MakeGemm},
      {"grouped_gemm", MakeGroupedGemm},
      {"attention", MakeDecodeAttention},
      {"launch", MakeLaunch},
      {"host_to_device", MakeTransfer},
      {"device_to_host", MakeTransfer},
      {"peer_copy", MakeTransfer},
  };
  const std::string op = point.op.Text("op");
  const auto found = kMakers.find(op);
  return found != kMakers.end() ? found->second(point, context) : MakeMemoryBound(point, context);
}

}  // namespace ridgeline::measure
