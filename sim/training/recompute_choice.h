/// Which layers are recomputed, and which parts of them, where the job leaves it open: the first n
/// layers of each chunk, or those that cost least time for the memory that there is.
///
/// The optimum is a knapsack on each pipeline rank: every layer takes one of its kind's few
/// variants (time of its backward against bytes that it keeps), so that the times' sum is least
/// while the rank fits. Layers of a kind are alike, and recomputation does not change what other
/// ranks hold. A sweep over layers that keeps only undominated sums (fewer bytes or less time than
/// any other) gives every optimum of every budget at once; Pareto dominance loses none, because a
/// dominated sum stays dominated whatever is added to both. Which of them fits is asked of
/// CountMemory, which knows micro-batches in flight, the buffer of the layer in its backward and
/// all else. With several chunks a rank a byte counts the same in each, though lower chunks hold
/// theirs longer: there the choice fits and is near the best.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "sim/engine/sim_time.h"
#include "sim/scenario.h"
#include "sim/training/stage_costs.h"

namespace ridgeline::training {

/// What one way to compute a layer keeps, and the time that it adds.
struct RecomputeOption {
  Bytes kept;
  engine::Picoseconds time = 0;
};

/// Layers that have the same options.
struct LikeLayers {
  int64_t count = 0;
  std::vector<RecomputeOption> options;
};

/// How many of each group's layers take each option.
struct RecomputePlan {
  Bytes kept;
  engine::Picoseconds time = 0;
  std::vector<std::vector<int64_t>> counts;  // by group and option
};

/// Every undominated plan, fastest first, each keeping less than the one before. Exact while there
/// are at most kMostPlans on the way; beyond, the plans are thinned evenly, both ends kept.
/// O(layers x options x plans).
inline constexpr size_t kMostPlans = 4096;
std::vector<RecomputePlan> UndominatedPlans(std::span<const LikeLayers> groups);

/// Appends the variants of one kind of layer to `costs.layers`, the first at the front, without
/// those that another beats in time and in bytes kept; fills `costs.variants`.
void AddVariants(const sim::TrainingScenario& training, std::vector<CostedLayer> variants,
                 LayerCosts& costs);

/// Replaces layers of `chunks` by their variants. With recompute optimal: on each rank the fastest
/// plan that fits recompute_detail.budget, or the GPU; where none does, the one that keeps least.
Status ChooseVariants(const sim::TrainingScenario& training, const LayerCosts& layers,
                      std::vector<ChunkCosts>& chunks);

/// "rank 0: 3 layer (all again), 1 layer; rank 1: ..." with neighbours that choose alike as one.
std::string DescribeChoice(const sim::TrainingScenario& training, const StageView& stages);

}  // namespace ridgeline::training
