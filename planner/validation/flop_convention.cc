#include "planner/validation/flop_convention.h"

#include <array>
#include <string_view>
#include <utility>

namespace ridgeline::validation {
namespace {

constexpr std::array<std::pair<std::string_view, FlopFormula>, 2> kFormulas = {
    {{"model", FlopFormula::kModel}, {"sc21", FlopFormula::kSc21}}};
constexpr std::array<std::pair<std::string_view, AttentionCount>, 2> kAttentionCounts = {
    {{"causal", AttentionCount::kCausal}, {"full", AttentionCount::kFull}}};
constexpr std::array<std::pair<std::string_view, RecomputeCount>, 2> kRecomputeCounts = {
    {{"excluded", RecomputeCount::kExcluded}, {"included", RecomputeCount::kIncluded}}};

/// The three terms that conventions treat apart, of one token, forward and backward.
struct Terms {
  double layers = 0;     // matrices of the layers
  double attention = 0;  // scores and their product with the values
  double head = 0;       // output projection
};

Terms Sc21Terms(const workloads::Model& model, int64_t sequence_length) {
  const double l = static_cast<double>(model.num_layers());
  const double h = static_cast<double>(model.hidden);
  const double s = static_cast<double>(sequence_length);
  const double v = static_cast<double>(model.vocabulary);
  return {.layers = 72.0 * l * h * h, .attention = 12.0 * s * l * h, .head = 6.0 * v * h};
}

Terms ModelTerms(const workloads::Model& model, int64_t sequence_length, AttentionCount count) {
  // Over the full square a token's FLOPs are a line in the sequence's length; two lengths that no
  // window cuts give what does not grow: the matrices.
  const double matrices = 2.0 * workloads::TrainingFlopsPerToken(model, 1, false) -
                          workloads::TrainingFlopsPerToken(model, 2, false);
  const double total =
      workloads::TrainingFlopsPerToken(model, sequence_length, count == AttentionCount::kCausal);
  const double head =
      6.0 * static_cast<double>(model.vocabulary) * static_cast<double>(model.hidden);
  return {.layers = matrices - head, .attention = total - matrices, .head = head};
}

}  // namespace

EnumTable<FlopFormula> EnumNames(Tag<FlopFormula>) { return kFormulas; }
EnumTable<AttentionCount> EnumNames(Tag<AttentionCount>) { return kAttentionCounts; }
EnumTable<RecomputeCount> EnumNames(Tag<RecomputeCount>) { return kRecomputeCounts; }

const Schema<FlopConvention>& SchemaOf(Tag<FlopConvention>) {
  static const Schema<FlopConvention> schema =
      Schema<FlopConvention>("how a publisher counts FLOPs")
          .Optional("formula", &FlopConvention::formula,
                    "model: 6 x matrix parameters and attention; sc21: the formula of "
                    "arXiv:2104.04473")
          .Optional("attention", &FlopConvention::attention,
                    "causal counts the lower triangle, full the whole square")
          .Optional("recompute", &FlopConvention::recompute, "included makes them hardware FLOPs")
          .Optional("head", &FlopConvention::counts_head, "whether the output projection counts");
  return schema;
}

Flops CountedFlopsPerToken(const FlopConvention& convention, const workloads::Model& model,
                           int64_t sequence_length, workloads::Recompute recompute) {
  const bool is_sc21 = convention.formula == FlopFormula::kSc21;
  const Terms terms = is_sc21 ? Sc21Terms(model, sequence_length)
                              : ModelTerms(model, sequence_length, convention.attention);
  double counted = terms.layers + terms.attention;
  if (convention.recompute == RecomputeCount::kIncluded) {
    // A forward is a third of forward and backward.
    if (recompute == workloads::Recompute::kFull) {
      counted += (terms.layers + terms.attention) / 3.0;
    } else if (recompute == workloads::Recompute::kSelective) {
      counted += terms.attention / 3.0;
    }
  }
  if (is_sc21 || convention.counts_head) {
    counted += terms.head;
  }
  return Flops::FromBase(counted);
}

}  // namespace ridgeline::validation
