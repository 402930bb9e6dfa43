#include "workloads/layer_placement.h"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <string_view>
#include <utility>

namespace ridgeline::workloads {
namespace {

std::vector<ChunkLayers> Consecutive(const std::vector<int64_t>& counts) {
  std::vector<ChunkLayers> chunks;
  int64_t first = 0;
  for (const int64_t count : counts) {
    chunks.push_back({first, count});
    first += count;
  }
  return chunks;
}

/// `at_bottom`, `at_top`: places of the first and of the last chunk that embedding and head take.
std::optional<std::vector<ChunkLayers>> Spread(int64_t layers, int64_t chunks, int64_t at_bottom,
                                               int64_t at_top) {
  const int64_t places = layers + at_bottom + at_top;
  if (places < chunks) {
    return std::nullopt;
  }
  std::vector<int64_t> counts(static_cast<size_t>(chunks), places / chunks);
  for (int64_t chunk = 0; chunk < places % chunks; ++chunk) {
    ++counts[static_cast<size_t>(chunk)];
  }
  counts.front() -= at_bottom;
  counts.back() -= at_top;
  if (counts.front() < 0 || counts.back() < 0) {
    return std::nullopt;
  }
  return Consecutive(counts);
}

/// Parameters of embedding, layers and head, bottom to top.
std::vector<double> Weights(const Model& model) {
  const ModelParameters whole = CountParameters(model);
  std::vector<double> of_kind;
  for (const Layer& layer : model.kinds) {
    of_kind.push_back(static_cast<double>(CountParameters(model, layer).total()));
  }
  std::vector<double> weights = {static_cast<double>(whole.embedding)};
  for (const int kind : model.layers) {
    weights.push_back(of_kind[static_cast<size_t>(kind)]);
  }
  weights.push_back(static_cast<double>(whole.head));
  return weights;
}

/// DeepSpeed's dynamic programme: of the first i items in j parts it keeps the cut whose largest
/// part exceeds the smallest by least, the last such.
std::vector<ChunkLayers> Balanced(const Model& model, size_t parts) {
  const std::vector<double> weights = Weights(model);
  const size_t items = weights.size();
  std::vector<double> below(items + 1, 0.0);
  std::partial_sum(weights.begin(), weights.end(), below.begin() + 1);
  struct Cut {
    double largest = 0;
    double smallest = std::numeric_limits<double>::infinity();
    double spread = std::numeric_limits<double>::infinity();
    size_t from = 0;
    bool is_reached = false;
  };
  std::vector<Cut> cuts((items + 1) * (parts + 1));
  const auto at = [&](size_t i, size_t j) -> Cut& { return cuts[i * (parts + 1) + j]; };
  at(0, 0).is_reached = true;
  for (size_t i = 1; i <= items; ++i) {
    for (size_t j = 1; j <= std::min(i, parts); ++j) {
      Cut& best = at(i, j);
      for (size_t from = 0; from < i; ++from) {
        const Cut& before = at(from, j - 1);
        if (!before.is_reached) {
          continue;
        }
        const double part = below[i] - below[from];
        const double largest = std::max(before.largest, part);
        const double smallest = std::min(before.smallest, part);
        if (best.spread >= largest - smallest) {
          best = {largest, smallest, largest - smallest, from, true};
        }
      }
    }
  }
  std::vector<int64_t> counts(parts, 0);
  size_t end = items;
  for (size_t part = parts; part-- > 0;) {
    const size_t from = at(end, part + 1).from;
    counts[part] = static_cast<int64_t>(end - from);
    end = from;
  }
  --counts.front();  // the embedding
  --counts.back();   // the head
  return Consecutive(counts);
}

std::optional<std::vector<ChunkLayers>> AsSaid(const std::vector<int64_t>& stage_layers,
                                               int64_t layers, int64_t chunks) {
  if (static_cast<int64_t>(stage_layers.size()) != chunks) {
    return std::nullopt;
  }
  int64_t left = layers;
  for (size_t chunk = 0; chunk < stage_layers.size(); ++chunk) {
    const int64_t count = stage_layers[chunk];
    const bool has_other = chunk == 0 || chunk + 1 == stage_layers.size();
    if (count < (has_other ? 0 : 1) || count > left) {
      return std::nullopt;
    }
    left -= count;
  }
  return left == 0 ? std::optional(Consecutive(stage_layers)) : std::nullopt;
}

}  // namespace

EnumTable<PlacementRule> EnumNames(Tag<PlacementRule>) {
  static constexpr std::array<std::pair<std::string_view, PlacementRule>, 3> kNames = {{
      {"even", PlacementRule::kEven},
      {"uniform", PlacementRule::kUniform},
      {"balanced", PlacementRule::kBalanced},
  }};
  return kNames;
}

std::optional<std::vector<ChunkLayers>> PlaceLayers(const Model& model, int64_t chunks,
                                                    const LayerPlacement& placement) {
  const int64_t layers = model.num_layers();
  if (layers < 1 || chunks < 1) {
    return std::nullopt;
  }
  if (!placement.stage_layers.empty()) {
    return AsSaid(placement.stage_layers, layers, chunks);
  }
  if (chunks == 1) {
    return Consecutive({layers});
  }
  if (placement.rule == PlacementRule::kBalanced && chunks <= layers + 2) {
    return Balanced(model, static_cast<size_t>(chunks));
  }
  const int64_t at_bottom = placement.counts_embedding ? 1 : 0;
  const int64_t at_top = placement.counts_head ? 1 : 0;
  if ((layers + at_bottom + at_top) % chunks == 0) {
    return Spread(layers, chunks, at_bottom, at_top);
  }
  if (layers % chunks == 0) {
    return Spread(layers, chunks, 0, 0);
  }
  if ((layers + 2) % chunks == 0) {
    return Spread(layers, chunks, 1, 1);
  }
  return placement.rule == PlacementRule::kEven ? std::nullopt
                                                : Spread(layers, chunks, at_bottom, at_top);
}

}  // namespace ridgeline::workloads
