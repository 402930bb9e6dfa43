#include "workloads/layer_placement.h"

namespace ridgeline::workloads {

std::optional<std::vector<ChunkLayers>> PlaceLayers(int64_t layers, int64_t chunks,
                                                    bool prefer_embedding_as_layer) {
  if (layers < 1 || chunks < 1) {
    return std::nullopt;
  }
  const bool is_even = layers % chunks == 0;
  const bool counts_embedding =
      (layers + 2) % chunks == 0 && chunks > 1 && (prefer_embedding_as_layer || !is_even);
  if (!is_even && !counts_embedding) {
    return std::nullopt;
  }
  const int64_t places = (counts_embedding ? layers + 2 : layers) / chunks;
  std::vector<ChunkLayers> chunk_layers;
  int64_t first = 0;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    const bool is_end = chunk == 0 || chunk == chunks - 1;
    const int64_t count = places - (counts_embedding && is_end ? 1 : 0);
    chunk_layers.push_back({first, count});
    first += count;
  }
  return chunk_layers;
}

}  // namespace ridgeline::workloads
