/// Readers for hybrids of attention with layers of constant state: nemotron_h (Mamba-2), qwen3_next
/// and qwen3_5 (gated delta net), kimi_linear (Kimi delta attention with latent attention), mamba2.
#pragma once

#include "workloads/hf_fields.h"

namespace ridgeline::workloads {

Model ReadNemotronH(const HfFields& root);
Model ReadQwenHybrid(const HfFields& root);
Model ReadKimiLinear(const HfFields& root);
Model ReadMamba2(const HfFields& root);

}  // namespace ridgeline::workloads
