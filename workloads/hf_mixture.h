/// Readers for mixture-of-experts decoders with grouped-query attention: mixtral, qwen3_moe (and
/// the text part of qwen3_vl_moe), gpt_oss, llama4, minimax_m2, minimax_m3, mimo_v2_flash, gemma4,
/// step3p7. Field names and shapes as in huggingface/transformers' or the publisher's modeling
/// code.
#pragma once

#include "workloads/hf_fields.h"

namespace ridgeline::workloads {

Model ReadMixtral(const HfFields& root);
Model ReadQwen3Moe(const HfFields& root);
Model ReadGptOss(const HfFields& root);
Model ReadLlama4(const HfFields& root);
Model ReadMiniMaxM2(const HfFields& root);
Model ReadMiniMaxM3(const HfFields& root);
Model ReadMimoV2Flash(const HfFields& root);
Model ReadGemma4(const HfFields& root);
Model ReadStep3(const HfFields& root);

/// A mixture of gated experts from the fields of these names; checks experts_per_token.
FeedForward ReadMixture(const HfFields& text, HfFields::Names experts, HfFields::Names per_token,
                        HfFields::Names intermediate);

}  // namespace ridgeline::workloads
