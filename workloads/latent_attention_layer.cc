// Multi-head latent attention in training (arXiv:2405.04434, section 2.1): keys and values are
// expanded for every head. The down-projections run on every rank's own tokens; their latents are
// gathered before the up-projections, which tp divides by heads (Megatron-LM
// multi_latent_attention.py).
#include "workloads/rank_steps.h"

namespace ridgeline::workloads {

Result<PartOfLayer> LowerLatentAttention(const RankShape& shape, const Layer& /*layer*/) {
  return Unimplemented("training of latent attention (MLA): " + shape.model.model_type);
}

}  // namespace ridgeline::workloads
