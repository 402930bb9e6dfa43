/// Multi-token prediction: a layer beside the model's own that predicts one token further ahead
/// (DeepSeek-V3, arXiv:2412.19437, section 2.2; NVIDIA/Megatron-LM
/// megatron/core/transformer/multi_token_prediction.py). The states below it and the embedding of
/// the next tokens are normalised each, joined, and projected from 2h to h; a transformer layer and
/// the model's own head and loss follow.
#pragma once

#include "workloads/lowering.h"

namespace ridgeline::workloads {

/// One depth, head and loss included; `layer` is its transformer layer. It recomputes what the
/// request says of that, nothing of the rest.
Result<LoweredLayer> LowerNextTokenLayer(const LoweringRequest& request, const Layer& layer);

/// Its transformer layer, the projection (cut by tp) and three norms. Embedding and output table
/// are the model's.
RankParameters NextTokenParametersOnRank(const Model& model, const Layer& layer,
                                         const Layout& layout);

}  // namespace ridgeline::workloads
