#include "planner/validation/model_state.h"

namespace ridgeline::validation {

Bytes ModelStateBytesPerParameter(const workloads::TrainingDtypes& dtypes,
                                  workloads::Sharding sharding, int64_t replicas) {
  using workloads::Sharding;
  const double n = static_cast<double>(replicas);
  const bool shares_parameters = sharding == Sharding::kZero3 || sharding == Sharding::kFsdp;
  const bool shares_gradients = shares_parameters || sharding == Sharding::kZero2;
  const bool shares_states = shares_gradients || sharding == Sharding::kZero1;
  // Adam: two moments, and a master copy unless the weights themselves are it.
  const Bytes states =
      2.0 * BytesPerElement(dtypes.optimizer) +
      (dtypes.master == dtypes.parameters ? Bytes{} : BytesPerElement(dtypes.master));
  return BytesPerElement(dtypes.parameters) / (shares_parameters ? n : 1.0) +
         BytesPerElement(dtypes.gradients) / (shares_gradients ? n : 1.0) +
         states / (shares_states ? n : 1.0);
}

}  // namespace ridgeline::validation
