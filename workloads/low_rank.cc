#include "workloads/low_rank.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "workloads/rank_steps.h"

namespace ridgeline::workloads {
namespace {

double Real(int64_t value) { return static_cast<double>(value); }

/// A product with weights, as either kind of operation.
struct WeightProduct {
  int64_t groups = 1;
  int64_t rows = 0;
  int64_t in = 0;
  int64_t out = 0;
  bool is_experts = false;
};

/// Of a forward step, or of a weight gradient's, whose shape is turned; nullopt for all else:
/// products by the batch are attention's, and the router has no adapter.
std::optional<WeightProduct> ProductOf(const Step& step, bool is_weight_gradient) {
  const auto* operation = std::get_if<Operation>(&step.work);
  if (operation == nullptr || step.name.starts_with("router")) {
    return std::nullopt;
  }
  if (const auto* gemm = std::get_if<Gemm>(operation)) {
    if (gemm->batch > 1) {
      return std::nullopt;
    }
    return is_weight_gradient ? WeightProduct{.rows = gemm->k, .in = gemm->n, .out = gemm->m}
                              : WeightProduct{.rows = gemm->m, .in = gemm->k, .out = gemm->n};
  }
  if (const auto* grouped = std::get_if<GroupedGemm>(operation)) {
    return WeightProduct{.groups = grouped->groups,
                         .rows = grouped->m,
                         .in = grouped->k,
                         .out = grouped->n,
                         .is_experts = true};
  }
  return std::nullopt;
}

/// The adapter's products, of a single matrix or of each expert's.
class AdapterSteps {
 public:
  AdapterSteps(const RankShape& shape, const WeightProduct& product, std::vector<Step>& steps)
      : shape_(&shape), product_(&product), steps_(&steps) {}

  /// [rows, from] x [from, to].
  void Multiply(std::string name, int64_t from, int64_t to, StepPart part,
                bool accumulates = false) {
    const DType dtype = shape_->compute;
    Operation work = Gemm{.m = product_->rows,
                          .n = to,
                          .k = from,
                          .dtype = dtype,
                          .output_dtype = dtype,
                          .accumulates = accumulates};
    if (product_->is_experts) {
      work = GroupedGemm{.groups = product_->groups,
                         .m = product_->rows,
                         .n = to,
                         .k = from,
                         .dtype = dtype,
                         .output_dtype = dtype,
                         .accumulates = accumulates};
    }
    steps_->push_back({.name = std::move(name), .work = std::move(work), .part = part});
  }
  /// The gradient of [in, out], summed over the rows.
  void WeightGradient(std::string name, int64_t in, int64_t out) {
    const DType dtype = shape_->compute;
    const bool is_fused = shape_->framework.fusion.gradient_accumulation;
    const DType result = is_fused ? shape_->framework.dtypes.gradients : dtype;
    Operation work = Gemm{.m = out,
                          .n = in,
                          .k = product_->rows,
                          .dtype = dtype,
                          .output_dtype = result,
                          .accumulates = is_fused};
    if (product_->is_experts) {
      work = GroupedGemm{.groups = product_->groups,
                         .m = product_->rows,
                         .n = out,
                         .k = in,
                         .dtype = dtype,
                         .output_dtype = result,
                         .weight_gradient = true,
                         .accumulates = is_fused};
    }
    steps_->push_back(
        {.name = std::move(name), .work = std::move(work), .part = StepPart::kWeightGradient});
  }

 private:
  const RankShape* shape_;
  const WeightProduct* product_;
  std::vector<Step>* steps_;
};

void AddForward(const RankShape& shape, const Step& step, const WeightProduct& product,
                int64_t rank, std::vector<Step>& steps) {
  AdapterSteps adapter(shape, product, steps);
  adapter.Multiply(step.name + " adapter down", product.in, rank, StepPart::kForward);
  adapter.Multiply(step.name + " adapter up", rank, product.out, StepPart::kForward);
  const double result = Real(product.rows) * Real(product.out);
  RankSteps(shape, steps, StepPart::kForward)
      .Memory(step.name + " adapter sum", MemoryBoundKind::kResidualAdd, 2 * result, result,
              product.rows);
}

void AddBackward(const RankShape& shape, const Step& step, const WeightProduct& product,
                 int64_t rank, std::vector<Step>& steps) {
  AdapterSteps adapter(shape, product, steps);
  adapter.WeightGradient(step.name + " of adapter up", rank, product.out);
  adapter.Multiply(step.name + " adapter up dgrad", product.out, rank, StepPart::kInputGradient);
  adapter.WeightGradient(step.name + " of adapter down", product.in, rank);
  adapter.Multiply(step.name + " adapter down dgrad", rank, product.in, StepPart::kInputGradient,
                   /*accumulates=*/true);
}

/// Bytes of results that only weight gradients read.
Bytes DropResults(PartOfLayer& part) {
  Bytes dropped;
  for (const RecomputeModule module : {RecomputeModule::kNorm, RecomputeModule::kActivation}) {
    const auto piece =
        std::find_if(part.pieces.begin(), part.pieces.end(),
                     [&](const RecomputablePiece& each) { return each.module == module; });
    if (piece == part.pieces.end()) {
      continue;
    }
    const RecomputablePiece result = *piece;
    for (RecomputablePiece& outer : part.pieces) {
      if (outer.first <= result.first && result.last <= outer.last) {
        outer.saved -= result.saved;
      }
    }
    dropped += result.saved;
  }
  return dropped;
}

}  // namespace

void Freeze(const RankShape& shape, int64_t rank, PartOfLayer& part, RankParameters& adapters) {
  std::vector<Step> forward;
  std::vector<size_t> moved;  // where each step went
  for (Step& step : part.forward) {
    moved.push_back(forward.size());
    const std::optional<WeightProduct> product = ProductOf(step, /*is_weight_gradient=*/false);
    forward.push_back(std::move(step));
    if (rank == 0 || !product) {
      continue;
    }
    const Step base = forward.back();
    AddForward(shape, base, *product, rank, forward);
    part.saved += shape.Activation(product->rows, rank);
    const double held = Real(rank) * Real(product->in + product->out) * Real(product->groups);
    (product->is_experts ? adapters.experts : adapters.dense) += held;
  }
  moved.push_back(forward.size());
  part.forward = std::move(forward);
  for (RecomputablePiece& piece : part.pieces) {
    piece.first = moved[piece.first];
    piece.last = moved[piece.last];
  }

  std::vector<Step> backward;
  for (Step& step : part.backward) {
    if (step.part != StepPart::kWeightGradient) {
      backward.push_back(std::move(step));
      continue;
    }
    if (rank == 0) {
      continue;
    }
    const std::optional<WeightProduct> product = ProductOf(step, /*is_weight_gradient=*/true);
    if (product) {
      AddBackward(shape, step, *product, rank, backward);
    } else if (std::holds_alternative<AxisCollective>(step.work)) {
      backward.push_back(std::move(step));  // brings the input back
    }
  }
  part.backward = std::move(backward);
  if (rank == 0) {
    part.saved -= DropResults(part);
  }
}

const Schema<LowRankAdapters>& SchemaOf(Tag<LowRankAdapters>) {
  static const Schema<LowRankAdapters> schema =
      Schema<LowRankAdapters>("low-rank adapters beside frozen matrices")
          .Optional("rank", &LowRankAdapters::rank, "0: all parameters train",
                    {.at_least = 0, .at_most = 1 << 20})
          .Optional("attention", &LowRankAdapters::attention, "adapters in attention")
          .Optional("feed_forward", &LowRankAdapters::feed_forward, "adapters in feed-forwards");
  return schema;
}

}  // namespace ridgeline::workloads
