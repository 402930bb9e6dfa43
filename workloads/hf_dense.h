/// Readers for dense decoders: llama, mistral, qwen2, qwen3 (and the text part of qwen3_vl), mimo,
/// and nemotron-nas, whose layers differ from one another.
#pragma once

#include "workloads/hf_fields.h"

namespace ridgeline::workloads {

Model ReadLlama(const HfFields& root);
Model ReadMistral(const HfFields& root);
Model ReadQwen2(const HfFields& root);
Model ReadQwen3(const HfFields& root);
/// Qwen2 with multi-token prediction: XiaomiMiMo/MiMo modeling_mimo.py.
Model ReadMimo(const HfFields& root);
/// block_configs: each layer has its own KV heads and width, or none (nvidia's DeciLM modeling
/// code).
Model ReadNemotronNas(const HfFields& root);

/// A gated dense feed-forward of `intermediate_size`.
FeedForward ReadGatedFeedForward(const HfFields& text);

}  // namespace ridgeline::workloads
