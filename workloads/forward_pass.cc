#include "workloads/forward_pass.h"

#include <array>

namespace ridgeline {

EnumTable<AttentionPhase> EnumNames(Tag<AttentionPhase>) {
  static constexpr std::array<std::pair<std::string_view, AttentionPhase>, 2> kTable = {{
      {"prefill", AttentionPhase::kPrefill},
      {"decode", AttentionPhase::kDecode},
  }};
  return kTable;
}

}  // namespace ridgeline

namespace ridgeline::workloads {

const Schema<ForwardPass>& SchemaOf(Tag<ForwardPass>) {
  static const Schema<ForwardPass> schema =
      Schema<ForwardPass>("one prefill or decode pass of a batch of equal sequences")
          .Required("model", &ForwardPass::model,
                    "a name under configs/models, a path to a Hugging Face config.json, or its "
                    "keys inline")
          .Optional("layers", &ForwardPass::layers, "keep only the first n layers of the model",
                    {.at_least = 1, .at_most = 100'000})
          .Required("phase", &ForwardPass::phase,
                    "prefill computes the whole prompt, decode one token a sequence")
          .Optional("batch", &ForwardPass::batch, "sequences",
                    {.at_least = 1, .at_most = int64_t{1} << 24})
          .Required("context", &ForwardPass::context,
                    "tokens a sequence: in the prompt (prefill), in the KV cache before (decode)",
                    {.at_least = 1, .at_most = int64_t{1} << 30})
          .Optional("parallelism", &ForwardPass::parallelism, "how the pass is spread over GPUs")
          .Optional("precision", &ForwardPass::precision, "data type of weights and computation")
          .Optional("kv_cache", &ForwardPass::kv_cache,
                    "data type of the KV cache; default: the precision")
          .Optional("framework", &ForwardPass::framework,
                    "a name under configs/frameworks, a path, or inline; default: pytorch-graph");
  return schema;
}

}  // namespace ridgeline::workloads
