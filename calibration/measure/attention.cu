/// Decode attention over a paged KV cache: not built in this program; attention.py times PyTorch's.
#include "calibration/measure/families.cuh"

namespace ridgeline::measure {

Result<Workload> MakeDecodeAttention(const Point&, const MakerContext&) {
  return Unimplemented("attention is measured by attention.py");
}

}  // namespace ridgeline::measure
