#include "workloads/layer_placement.h"

#include <vector>

#include <gtest/gtest.h>

#include "tests/workloads/small_models.h"

namespace ridgeline::workloads {
namespace {

using Counts = std::vector<int64_t>;

// Layers of each chunk; empty when they cannot be placed.
Counts Placed(int64_t layers, int64_t chunks, const LayerPlacement& placement = {}) {
  const Model model = Llama(1024, 8, 8, 4096, layers);
  Counts counts;
  int64_t next = 0;
  for (const ChunkLayers& chunk :
       PlaceLayers(model, chunks, placement).value_or(std::vector<ChunkLayers>{})) {
    EXPECT_EQ(chunk.first, next);
    next += chunk.count;
    counts.push_back(chunk.count);
  }
  return counts;
}

TEST(LayerPlacementTest, LayersThatDivideAreSpreadEvenly) {
  EXPECT_EQ(Placed(8, 4), (Counts{2, 2, 2, 2}));
  EXPECT_EQ(Placed(6, 4), (Counts{1, 2, 2, 1}));  // with embedding and head 8
  EXPECT_EQ(Placed(7, 4), Counts{});
}

TEST(LayerPlacementTest, EmbeddingAndHeadTakeALayersPlaceWhereAsked) {
  // 2 layers + 2 over 2: two places each, one of them taken.
  EXPECT_EQ(Placed(2, 2, {.counts_embedding = true, .counts_head = true}), (Counts{1, 1}));
  // 7 + 1 over 4: the embedding alone, or the head alone.
  EXPECT_EQ(Placed(7, 4, {.counts_embedding = true}), (Counts{1, 2, 2, 2}));
  EXPECT_EQ(Placed(7, 4, {.counts_head = true}), (Counts{2, 2, 2, 1}));
  // 2 + 2 over 4: embedding and head stand alone.
  EXPECT_EQ(Placed(2, 4), (Counts{0, 1, 1, 0}));
}

TEST(LayerPlacementTest, UniformGivesTheFirstChunksOneMore) {
  const LayerPlacement uniform = {.rule = PlacementRule::kUniform};
  EXPECT_EQ(Placed(78, 12, uniform), (Counts{7, 7, 7, 7, 7, 7, 6, 6, 6, 6, 6, 6}));
  // 80 places: eight of 7, four of 6.
  EXPECT_EQ(
      Placed(78, 12,
             {.rule = PlacementRule::kUniform, .counts_embedding = true, .counts_head = true}),
      (Counts{6, 7, 7, 7, 7, 7, 7, 7, 6, 6, 6, 5}));
  EXPECT_EQ(Placed(61, 16, uniform), (Counts{4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 3, 3, 3}));
  EXPECT_EQ(Placed(3, 8, uniform), Counts{});
}

TEST(LayerPlacementTest, AJobsOwnNumbersAreTaken) {
  const auto said = [](Counts counts) { return LayerPlacement{.stage_layers = std::move(counts)}; };
  EXPECT_EQ(Placed(8, 4, said({1, 3, 3, 1})), (Counts{1, 3, 3, 1}));
  EXPECT_EQ(Placed(8, 4, said({0, 4, 4, 0})), (Counts{0, 4, 4, 0}));  // embedding, head alone
  EXPECT_EQ(Placed(8, 4, said({4, 0, 2, 2})), Counts{});              // an empty chunk
  EXPECT_EQ(Placed(8, 4, said({2, 2, 2})), Counts{});
  EXPECT_EQ(Placed(8, 4, said({2, 2, 2, 3})), Counts{});
  EXPECT_EQ(Placed(8, 4, said({2, -1, 4, 3})), Counts{});
}

// Layers of 12.6 M and two tables of 1 M (a vocabulary of 1,000): parameters are nearly even where
// layers are, and the tables go to the ends.
TEST(LayerPlacementTest, BalancedFollowsTheParameters) {
  const LayerPlacement balanced = {.rule = PlacementRule::kBalanced};
  Model model = Llama(1024, 8, 8, 4096, 8);
  model.vocabulary = 1000;
  EXPECT_EQ(PlaceLayers(model, 2, balanced).value(), (std::vector<ChunkLayers>{{0, 4}, {4, 4}}));
  // A table as large as four layers and more: the embedding alone, and the layers before the head.
  model.vocabulary = 64 * 1024;
  const std::vector<ChunkLayers> placed = PlaceLayers(model, 4, balanced).value();
  EXPECT_EQ(placed.front().count, 0);
  EXPECT_EQ(placed.back().count, 0);
  EXPECT_EQ(placed[1].count, 4);
}

}  // namespace
}  // namespace ridgeline::workloads
