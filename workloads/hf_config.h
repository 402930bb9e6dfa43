/// Hugging Face config.json -> Model. The name of a model is its spec: one reader per family
/// (`model_type`), the fields as published (ENGINES of the field differ in names only). An unknown
/// model_type is an error that names the nearest known ones.
///
/// Beside the published types there is `decoder`, for models given inline or from a paper's table:
/// hidden_size, num_hidden_layers, num_attention_heads, num_key_value_heads, head_dim,
/// intermediate_size, vocab_size, tie_word_embeddings, gated_mlp, norm (rmsnorm, layernorm), bias,
/// learned_positions, num_experts, num_experts_per_tok, moe_intermediate_size,
/// shared_intermediate_size, max_position_embeddings.
#pragma once

#include <string>
#include <vector>

#include "base/document.h"
#include "base/result.h"
#include "workloads/model.h"

namespace ridgeline::workloads {

/// Unknown keys are allowed here and only here: publishers add them freely. `decoder` refuses them.
Result<Model> ReadHfConfig(const Node& config, std::string name);
/// Sorted.
std::vector<std::string> KnownModelTypes();

}  // namespace ridgeline::workloads
