/// Readers for models with multi-head latent attention (arXiv:2405.04434) and its relatives:
/// deepseek_v2, deepseek_v3 (and kimi_k2, the text part of kimi_k25), deepseek_v32 and glm_moe_dsa
/// (with a sparse-attention indexer), deepseek_v4 (compressed attention).
#pragma once

#include "workloads/hf_fields.h"

namespace ridgeline::workloads {

Model ReadDeepSeekV3(const HfFields& root);
Model ReadDeepSeekSparse(const HfFields& root);
Model ReadDeepSeekV4(const HfFields& root);

/// kv_lora_rank, q_lora_rank (null: plain query projection), qk_nope_head_dim, qk_rope_head_dim,
/// v_head_dim.
Mixer ReadLatentAttention(const HfFields& text);

}  // namespace ridgeline::workloads
