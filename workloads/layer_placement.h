/// Which layers stand on which pipeline chunk. A pipeline of pp ranks with vpp virtual stages has
/// pp·vpp chunks, numbered from the bottom of the model; pipeline_chunks.h says on which rank each
/// runs. The embedding stands on the first chunk, the head on the last.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/config_reader.h"
#include "workloads/model.h"

namespace ridgeline::workloads {

/// How a framework cuts layers into chunks when a job does not say.
enum class PlacementRule {
  /// As many on each. When only the layers plus embedding and head divide evenly (Llama 3 405B: 126
  /// + 2 over 16 stages; BLOOM: 70 + 2 over 12), both take a layer's place (Megatron-LM:
  /// account_for_embedding_in_pipeline_split, account_for_loss_in_pipeline_split).
  kEven,
  /// As kEven; what does not divide gives the first chunks one layer more (DeepSpeed
  /// runtime/utils.py, partition_uniform).
  kUniform,
  /// Contiguous parts with the smallest spread of parameters, embedding and head counted with
  /// theirs (DeepSpeed runtime/pipe/module.py, partition_method "parameters"; runtime/utils.py,
  /// partition_balanced).
  kBalanced
};
EnumTable<PlacementRule> EnumNames(Tag<PlacementRule>);

/// What decides a placement.
struct LayerPlacement {
  PlacementRule rule = PlacementRule::kEven;
  /// Embedding, head: each takes a layer's place. Where the layers divide evenly too, this decides.
  bool counts_embedding = false;
  bool counts_head = false;
  std::vector<int64_t> stage_layers = {};  // of each chunk, as the job says; empty: by the rule
};

struct ChunkLayers {
  int64_t first = 0;
  int64_t count = 0;
  friend bool operator==(const ChunkLayers&, const ChunkLayers&) = default;
};

/// One entry a chunk, bottom to top. nullopt when the rule cannot, or when `stage_layers` has
/// another number of chunks or of layers, or a chunk without layer, embedding and head.
/// O(layers^2·chunks) for kBalanced, else O(chunks).
std::optional<std::vector<ChunkLayers>> PlaceLayers(const Model& model, int64_t chunks,
                                                    const LayerPlacement& placement);

}  // namespace ridgeline::workloads
