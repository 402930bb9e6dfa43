/// Which layers stand on which pipeline chunk. A pipeline of pp ranks with vpp virtual stages has
/// pp·vpp chunks; chunk c runs on rank c mod pp. Layers are spread evenly; when only the layers
/// plus embedding and head divide evenly (Llama 3 405B: 126 + 2 over 16 stages; BLOOM: 70 + 2 over
/// 12), embedding and head take a layer's place each and the first and last chunk hold one layer
/// less (Megatron-LM: account_for_embedding_in_pipeline_split, account_for_loss_in_pipeline_split).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace ridgeline::workloads {

struct ChunkLayers {
  int64_t first = 0;
  int64_t count = 0;
  friend bool operator==(const ChunkLayers&, const ChunkLayers&) = default;
};

/// One entry a chunk, bottom to top; nullopt when neither way divides. `prefer_embedding_as_layer`
/// decides where both do.
std::optional<std::vector<ChunkLayers>> PlaceLayers(int64_t layers, int64_t chunks,
                                                    bool prefer_embedding_as_layer);

}  // namespace ridgeline::workloads
