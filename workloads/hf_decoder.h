/// The reader for model_type `decoder`: a decoder described by hand, from a paper's table or inline
/// in a scenario. Ours, so that unknown keys are refused.
#pragma once

#include "workloads/hf_fields.h"

namespace ridgeline::workloads {

Model ReadDecoder(const HfFields& root);

}  // namespace ridgeline::workloads
