#include "planner/training_costs.h"

#include <array>
#include <optional>
#include <utility>

#include "planner/for_each_index.h"

namespace ridgeline::planner {
namespace {

using training::CostedLayer;
using training::LayerCosts;

using Key = std::array<int64_t, 7>;

/// Numbers distinct keys in order of appearance and remembers a point that has each.
class KeyTable {
 public:
  uint32_t IndexOf(const Key& key, size_t point) {
    const auto [place, is_new] = index_.try_emplace(key, static_cast<uint32_t>(points_.size()));
    if (is_new) {
      points_.push_back(point);
    }
    return place->second;
  }
  const std::vector<size_t>& points() const { return points_; }

 private:
  std::map<Key, uint32_t> index_;
  std::vector<size_t> points_;
};

/// Runs `work` for every key's point with a scenario of that point; the first error in order of the
/// keys comes out.
template <class Work>
Status ForEachKey(const TrainingSpace& space, const std::vector<TrainingPoint>& points,
                  const KeyTable& keys, int jobs, const Stop& stop, const Work& work) {
  std::vector<std::optional<Error>> errors(keys.points().size());
  ForEachIndex(keys.points().size(), jobs, [&](size_t i) {
    Status status = stop.Check();
    if (status) {
      sim::TrainingScenario scenario = space.training();
      ApplyPoint(space, points[keys.points()[i]], scenario);
      status = work(i, scenario);
    }
    if (!status) {
      errors[i] = std::move(status).error();
    }
  });
  for (std::optional<Error>& error : errors) {
    if (error) {
      return Fail(*std::move(error));
    }
  }
  return {};
}

/// A planner needs what a pass takes, not what it consists of.
void ForgetSteps(LayerCosts& costs) {
  for (CostedLayer& layer : costs.layers) {
    layer.forward.steps = {};
    layer.backward.steps = {};
    layer.forward.reliance = {};
    layer.backward.reliance = {};
  }
}

}  // namespace

Result<TrainingCosts> TrainingCosts::Of(const TrainingSpace& space,
                                        const std::vector<TrainingPoint>& points, int jobs,
                                        const Stop& stop) {
  TrainingCosts costs(compute::OperationTime::Of(space.scenario.cluster, stop));
  const bool ties_tables = space.training().model.has_tied_embeddings;
  const bool counts_micro_batches =
      space.training().framework.gradients == workloads::GradientBuffers::kOnDemand;
  // What is recomputed may depend on the stage, and then on what its rank has room for.
  const workloads::Recompute recompute = space.training().recompute;
  const bool has_variants = space.training().recompute_detail.layers.has_value() ||
                            recompute == workloads::Recompute::kOptimal;
  const bool has_next_token = space.training().model.next_token_layers > 0;
  costs.has_variants_ = has_variants;
  const bool reorders = !space.training().layout.order.empty();
  KeyTable layer_keys;
  KeyTable chunk_keys;
  KeyTable epilogue_keys;
  costs.parts_.reserve(points.size());
  for (size_t i = 0; i < points.size(); ++i) {
    const TrainingSettings& at = points[i].settings;
    const uint32_t layers = layer_keys.IndexOf(
        {at.gpus, at.tp, at.ep, at.micro_batch, static_cast<int64_t>(at.recompute),
         // The head of a shared word table holds no parameters on a single stage.
         ((ties_tables || has_next_token) && at.pp == 1 ? 1 : 0) +
             // Parameters that are gathered are computed with as they arrive.
             (workloads::ShardsParameters(at.sharding) ? 2 : 0),
         // A gradient made on demand is added to from the second micro-batch on: pp decides
         // how many there are. So it does where a stage's ranks lie, unless tp, cp and dp come
         // first.
         counts_micro_batches || reorders || (workloads::ShardsParameters(at.sharding) && at.pp > 1)
             ? at.pp
             : 0},
        i);
    // Reductions slow the backward that they run beside, and it them: then the layers count too.
    const bool reduces_beside = space.training().framework.overlap.gradient_reduce ||
                                workloads::ShardsParameters(at.sharding);
    costs.parts_.push_back(
        {.layers = layers,
         .chunks =
             chunk_keys.IndexOf({at.pp * at.vpp, has_variants ? static_cast<int64_t>(i) : -1}, i),
         .epilogue = epilogue_keys.IndexOf(
             {at.gpus, at.tp, at.pp, at.vpp, at.ep, static_cast<int64_t>(at.sharding),
              has_variants     ? -2 - static_cast<int64_t>(i)
              : reduces_beside ? static_cast<int64_t>(layers)
                               : -1},
             i)});
  }

  const compute::OperationTime& time = costs.time_;
  costs.layers_.resize(layer_keys.points().size());
  RETURN_IF_ERROR(ForEachKey(space, points, layer_keys, jobs, stop,
                             [&](size_t i, const sim::TrainingScenario& scenario) -> Status {
                               Layers& part = costs.layers_[i];
                               ASSIGN_OR_RETURN(part.costs, training::CostLayers(scenario, time));
                               ForgetSteps(part.costs);
                               // In the order of the chunks, whatever the placement: the report's
                               // own sum.
                               const auto add = [&](size_t layer) {
                                 part.model_flops += part.costs.layers[layer].model_flops;
                                 part.recompute_flops += part.costs.layers[layer].recompute_flops;
                               };
                               add(part.costs.embedding());
                               for (const int kind : scenario.model.layers) {
                                 add(part.costs.index_of_kind[static_cast<size_t>(kind)]);
                               }
                               for (const size_t layer : part.costs.next_token) {
                                 add(layer);
                               }
                               add(part.costs.head());
                               return {};
                             }));
  costs.chunks_.resize(chunk_keys.points().size());
  RETURN_IF_ERROR(ForEachKey(space, points, chunk_keys, jobs, stop,
                             [&](size_t i, const sim::TrainingScenario& scenario) -> Status {
                               const PartIndices& parts = costs.parts_[chunk_keys.points()[i]];
                               ASSIGN_OR_RETURN(costs.chunks_[i],
                                                training::PlaceChunks(
                                                    scenario, costs.layers_[parts.layers].costs));
                               return {};
                             }));
  costs.epilogues_.resize(epilogue_keys.points().size());
  RETURN_IF_ERROR(ForEachKey(
      space, points, epilogue_keys, jobs, stop,
      [&](size_t i, const sim::TrainingScenario& scenario) -> Status {
        const PartIndices& parts = costs.parts_[epilogue_keys.points()[i]];
        ASSIGN_OR_RETURN(
            costs.epilogues_[i],
            training::CostEpilogue(
                scenario,
                {costs.layers_[parts.layers].costs.layers, costs.chunks_[parts.chunks], {}}, time));
        return {};
      }));
  return costs;
}

PointCosts TrainingCosts::At(size_t point) const {
  const PartIndices& parts = parts_[point];
  const Layers& layers = layers_[parts.layers];
  PointCosts costs = {.layers = &layers.costs,
                      .chunks = &chunks_[parts.chunks],
                      .epilogue = &epilogues_[parts.epilogue],
                      .model_flops = layers.model_flops,
                      .recompute_flops = layers.recompute_flops};
  if (has_variants_) {
    costs.recompute_flops = {};
    for (const training::ChunkCosts& chunk : *costs.chunks) {
      for (const size_t layer : chunk.layers) {
        costs.recompute_flops += layers.costs.layers[layer].recompute_flops;
      }
    }
  }
  return costs;
}

}  // namespace ridgeline::planner
