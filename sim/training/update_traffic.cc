#include "sim/training/update_traffic.h"

#include <algorithm>

#include "workloads/fp8_layers.h"

namespace ridgeline::training {
namespace {

using workloads::OptimizerKind;

constexpr double kSingle = 4.0;         // bytes of an fp32
constexpr double kBlockOfStates = 256;  // that share a maximum
constexpr double kNewtonSchulzSteps = 5;

/// Bytes of state of a parameter, for all but factored ones.
double StateBytes(OptimizerKind optimizer, bool is_orthogonalised, double moment) {
  switch (optimizer) {
    case OptimizerKind::kAdam:
    case OptimizerKind::kAdamW:
      return 2.0 * moment;
    case OptimizerKind::kAdam8Bit:
      return 2.0 * (1.0 + kSingle / kBlockOfStates);
    case OptimizerKind::kSgd:
      return moment;
    case OptimizerKind::kAdafactor:
      return kSingle;
    case OptimizerKind::kMuon:
      return is_orthogonalised ? moment : 2.0 * moment;
  }
  return 0;
}

double TotalElements(const std::vector<workloads::WeightMatrix>& matrices, bool is_expert) {
  double elements = 0;
  for (const workloads::WeightMatrix& matrix : matrices) {
    elements += matrix.is_expert == is_expert ? matrix.elements() : 0.0;
  }
  return elements;
}

/// Bytes of state of a layer's dense parameters or experts.
double StatesOfPart(const sim::TrainingScenario& training, const CostedLayer& layer,
                    bool is_expert) {
  const double moment = BytesPerElement(training.framework.dtypes.optimizer).base();
  const double parameters = is_expert ? layer.parameters.experts : layer.parameters.dense;
  const bool looks_at_matrices = training.optimizer == OptimizerKind::kAdafactor ||
                                 (training.optimizer == OptimizerKind::kMuon && layer.is_decoder);
  const double in_matrices =
      looks_at_matrices ? std::min(parameters, TotalElements(layer.matrices, is_expert)) : 0.0;
  double states = (parameters - in_matrices) *
                  StateBytes(training.optimizer, /*is_orthogonalised=*/false, moment);
  if (training.optimizer == OptimizerKind::kAdafactor) {
    for (const workloads::WeightMatrix& matrix : layer.matrices) {
      if (matrix.is_expert == is_expert) {
        states += kSingle * static_cast<double>(matrix.count) *
                  static_cast<double>(matrix.rows + matrix.columns);
      }
    }
    return states;
  }
  return states + in_matrices * StateBytes(training.optimizer, /*is_orthogonalised=*/true, moment);
}

bool HasMaster(const workloads::TrainingDtypes& dtypes) {
  return dtypes.master != dtypes.parameters;
}

}  // namespace

Bytes StatesOf(const sim::TrainingScenario& training, const CostedLayer& layer,
               const StateShards& shards) {
  const workloads::TrainingDtypes& dtypes = training.framework.dtypes;
  const double master = HasMaster(dtypes) ? BytesPerElement(dtypes.master).base() : 0.0;
  return Bytes::FromBase(
      (StatesOfPart(training, layer, false) + layer.parameters.dense * master) / shards.dense +
      (StatesOfPart(training, layer, true) + layer.parameters.experts * master) / shards.experts);
}

void UpdateCount::Add(const CostedLayer& layer) {
  dense_.parameters += layer.parameters.dense;
  experts_.parameters += layer.parameters.experts;
  dense_.in_tables += layer.is_decoder ? 0.0 : layer.parameters.dense;
  quantized_ += layer.quantized.total();
  if (layer.is_decoder) {
    dense_.matrices += TotalElements(layer.matrices, false);
    experts_.matrices += TotalElements(layer.matrices, true);
    matrices_.insert(matrices_.end(), layer.matrices.begin(), layer.matrices.end());
  }
}

UpdateTraffic UpdateCount::TrafficOf(const Held& held, double shards) const {
  const workloads::Framework& framework = training_->framework;
  const workloads::TrainingDtypes& dtypes = framework.dtypes;
  const Bytes gradient = BytesPerElement(dtypes.gradients);
  const Bytes master = BytesPerElement(dtypes.master);
  const double moment = BytesPerElement(dtypes.optimizer).base();
  const double own = held.parameters / shards;
  const double zeroed = framework.gradients == workloads::GradientBuffers::kOnDemand ? 0.0
                        : workloads::ShardsGradients(training_->sharding)            ? own
                                                                          : held.parameters;
  const double clipped = framework.clips_gradients ? own : 0.0;
  const double unscaled = training_->precision == DType::kFp16 ? own : 0.0;
  const Bytes written = HasMaster(dtypes) ? BytesPerElement(dtypes.parameters) : Bytes{};
  const auto element_wise = [&](double reads_of_gradient, double states) {
    return reads_of_gradient * gradient + 2.0 * master + Bytes::FromBase(2.0 * states) + written;
  };
  const bool is_adafactor = training_->optimizer == OptimizerKind::kAdafactor;
  const Bytes rest =
      element_wise(is_adafactor ? 3.0 : 1.0,
                   is_adafactor ? 0.0 : StateBytes(training_->optimizer, false, moment));
  // Momentum; an update in bf16 written, read for its norm, read and written normalised, read.
  const Bytes of_matrices = element_wise(1.0, moment) + 5.0 * BytesPerElement(DType::kBf16);
  const double matrices =
      training_->optimizer == OptimizerKind::kMuon ? std::min(held.matrices, held.parameters) : 0.0;
  const workloads::UpdateKernel& kernel = framework.update;
  const double as_long = (own - held.in_tables / shards - matrices / shards) * kernel.factor +
                         held.in_tables / shards * kernel.tables_factor;
  return {.norm = (clipped + 2.0 * unscaled) * gradient,
          .update = (zeroed + 2.0 * clipped) * gradient + as_long * rest +
                    matrices / shards * kernel.factor * of_matrices,
          .quantisation = {},
          .products = {}};
}

UpdateTraffic UpdateCount::Traffic() const {
  const UpdateTraffic dense = TrafficOf(dense_, shards_.dense);
  const UpdateTraffic experts = TrafficOf(experts_, shards_.experts);
  UpdateTraffic traffic = {.norm = dense.norm + experts.norm,
                           .update = dense.update + experts.update,
                           .quantisation = {},
                           .products = {}};
  if (training_->framework.fp8_kernels.keeps_weight_copies &&
      !workloads::ShardsParameters(training_->sharding)) {
    // Weights that are kept in 8 bits need their transposed copy.
    const double element = BytesPerElement(training_->framework.dtypes.parameters).base();
    for (const workloads::Fp8Pass& pass : workloads::QuantizationOf(
             training_->fp8.scaling, workloads::Fp8Copies::kBoth, quantized_, element,
             /*is_fused=*/training_->fp8.keeps_weights)) {
      traffic.quantisation += pass.read + pass.written;
    }
  }
  if (training_->optimizer == OptimizerKind::kMuon) {
    for (const workloads::WeightMatrix& matrix : matrices_) {
      const int64_t m = std::min(matrix.rows, matrix.columns);
      const int64_t n = std::max(matrix.rows, matrix.columns);
      const double times = kNewtonSchulzSteps * static_cast<double>(matrix.count) /
                           (matrix.is_expert ? shards_.experts : shards_.dense);
      traffic.products.emplace_back(Gemm{.m = m, .n = m, .k = n}, times);
      traffic.products.emplace_back(Gemm{.m = m, .n = m, .k = m}, times);
      traffic.products.emplace_back(Gemm{.m = m, .n = n, .k = m}, times);
    }
  }
  return traffic;
}

bool MeetsBeforeUpdate(const sim::TrainingScenario& training) {
  return training.framework.clips_gradients || training.precision == DType::kFp16;
}

}  // namespace ridgeline::training
