/// The distinct layers of a model as one rank computes them, before they are costed: each kind with
/// the ways to recompute it that the job leaves open, the layers that predict tokens further ahead,
/// embedding and head.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "sim/scenario.h"
#include "workloads/lowering.h"
#include "workloads/weight_matrices.h"

namespace ridgeline::training {

struct LayerToCost {
  std::string name;
  bool is_decoder = true;  // one of the model's layers, not embedding or head
  double times = 0;        // that the model has it
  workloads::LoweredLayer lowered = {};
  /// Of a mixture whose load varies (ExpertRouting::imbalance_spread): the same steps with the load
  /// a deviation lower and higher.
  std::optional<workloads::LoweredLayer> lighter = {}, heavier = {};
  workloads::RankParameters parameters = {};           // that train
  workloads::RankParameters frozen = {};               // that only compute
  std::vector<workloads::WeightMatrix> matrices = {};  // that those hold, tables of words included
  bool recomputes_all = false;                         // its forward runs again whole
};

struct LayersToCost {
  /// One kind of layer; its variants differ in what they recompute only. The first is what a layer
  /// is unless another is chosen for it (recompute_choice.h).
  struct Kind {
    size_t kind = 0;  // of the model
    std::vector<LayerToCost> variants;
  };
  std::vector<Kind> kinds;
  std::vector<LayerToCost> next_token;  // one, where the model has them, for each of them
  LayerToCost embedding;
  LayerToCost head;
};

/// O(kinds x variants). Variants: with recompute full and a number of layers, none and all; with
/// recompute optimal none, each set of modules that a layer has, and all. Errors: those of
/// LowerLayer.
Result<LayersToCost> LowerLayers(const sim::TrainingScenario& training);

}  // namespace ridgeline::training
