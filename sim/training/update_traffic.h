/// What the optimizer keeps of a rank's parameters, and what its update reads, writes and
/// multiplies.
///
/// Bytes of state a parameter, beside parameter, gradient and master copy; o: of dtypes.optimizer.
///
/// | optimizer | state | source |
/// |---|---|---|
/// | adam, adamw | 2 o | arXiv:1412.6980; 6 + 12/d with parameters and gradients:
/// NVIDIA/Megatron-LM megatron/training/theoretical_memory_usage.py | | adam-8bit | 2 (1 + 4/256) |
/// arXiv:2110.02861; bitsandbytes-foundation/bitsandbytes bitsandbytes/functional.py: blocks of
/// 256, a maximum in fp32 each | | sgd | o | one momentum | | adafactor | 4 (r + c) / (r c) of a
/// matrix, 4 of a vector | arXiv:1804.04235, algorithms 4 and 5, without a first moment | | muon |
/// o of a decoder layer's matrices, 2 o of the rest | github.com/KellerJordan/Muon;
/// arXiv:2502.16982 |
///
/// The update reads the gradient (g) and reads and writes the master copy (w) and its states, and
/// writes the copy that computes (p): g + 2 w + 2 s + p. Adafactor reads the gradient three times:
/// for the factors, for the update's root mean square that clips it, and for the update. Muon reads
/// and writes the momentum and leaves an update in bf16, normalises that, orthogonalises it by five
/// Newton-Schulz steps A = X X^T, B = b A + c A A, X = a X + B X (X no taller than wide: 2 m n
/// (2 m) + 2 m^3 FLOPs), and applies it. Each matrix is orthogonalised as tensor parallelism left
/// it, whole matrices on one data-parallel rank each (NVIDIA/Megatron-LM
/// megatron/core/optimizer/layer_wise_optimizer.py and --muon-tp-mode blockwise), shared out
/// evenly.
///
/// Before any of it: gradients that keep their memory are zeroed (once a step); clipping reads them
/// for the norm, and reads and writes them; with fp16's loss scaling one more pass divides by the
/// scale and looks for infinities, reading and writing
/// (pytorch/pytorch aten/src/ATen/native/cuda/AmpKernels.cu).
#pragma once

#include <utility>
#include <vector>

#include "base/operation.h"
#include "sim/scenario.h"
#include "sim/training/stage_costs.h"

namespace ridgeline::training {

/// Ways in which data-parallel replicas share out states: dense parameters, experts.
struct StateShards {
  double dense = 1;
  double experts = 1;
};

/// Optimizer states and master copy of one layer on a rank.
Bytes StatesOf(const sim::TrainingScenario& training, const CostedLayer& layer,
               const StateShards& shards);

/// Of all layers of a rank, once a step.
struct UpdateTraffic {
  Bytes norm;          // passes before the norm is known
  Bytes update;        // zeroing, clipping, and the update
  Bytes quantisation;  // of weights, to the 8-bit copies that the next step multiplies
  /// Newton-Schulz products, with how often each runs on this rank.
  std::vector<std::pair<Gemm, double>> products;
};
/// Sums over layers; adds `layer`.
class UpdateCount {
 public:
  UpdateCount(const sim::TrainingScenario& training, const StateShards& shards)
      : training_(&training), shards_(shards) {}
  void Add(const CostedLayer& layer);
  UpdateTraffic Traffic() const;

 private:
  /// Parameters of one kind of sharding.
  struct Held {
    double parameters = 0;
    double in_tables = 0;  // of embedding and head
    double matrices = 0;   // of decoder layers
  };
  UpdateTraffic TrafficOf(const Held& held, double shards) const;

  const sim::TrainingScenario* training_;
  StateShards shards_;
  Held dense_;
  Held experts_;
  double quantized_ = 0;
  std::vector<workloads::WeightMatrix> matrices_;
};

/// Whether all ranks meet over a number before the update: to clip, or for infinities.
bool MeetsBeforeUpdate(const sim::TrainingScenario& training);

}  // namespace ridgeline::training
