/// How a publisher counts the FLOPs behind a TFLOP/s or an MFU figure. Publishers differ by 6 to 11
/// % at 4K to 8K tokens, so a prediction is put into the row's own convention before it is
/// compared: what is compared in effect is time.
#pragma once

#include <cstdint>

#include "base/config_reader.h"
#include "base/units.h"
#include "workloads/lowering.h"
#include "workloads/model.h"

namespace ridgeline::validation {

enum class FlopFormula {
  kModel,  // 6 x matrix parameters and attention: workloads::TrainingFlopsPerToken
  kSc21    // Narayanan et al., arXiv:2104.04473: 96 B s l h^2 (1 + s/(6h) + V/(16 l h)) with full
           // recompute, 72 B s l h^2 (1 + s/(6h) + V/(12 l h)) without
};
EnumTable<FlopFormula> EnumNames(Tag<FlopFormula>);

/// Whether masked-out pairs of queries and keys are counted.
enum class AttentionCount { kCausal, kFull };
EnumTable<AttentionCount> EnumNames(Tag<AttentionCount>);

/// Model FLOPs leave recomputation out, hardware FLOPs count it.
enum class RecomputeCount { kExcluded, kIncluded };
EnumTable<RecomputeCount> EnumNames(Tag<RecomputeCount>);

struct FlopConvention {
  FlopFormula formula = FlopFormula::kModel;
  AttentionCount attention = AttentionCount::kCausal;
  RecomputeCount recompute = RecomputeCount::kExcluded;
  bool counts_head = true;  // the output projection
  friend bool operator==(const FlopConvention&, const FlopConvention&) = default;
};
const Schema<FlopConvention>& SchemaOf(Tag<FlopConvention>);

/// FLOPs that the convention counts for one token, forward and backward. kSc21 always counts the
/// full square and the head. Full recompute adds one forward of the layers (a third of their
/// FLOPs); selective recompute adds one forward of the attention core.
Flops CountedFlopsPerToken(const FlopConvention& convention, const workloads::Model& model,
                           int64_t sequence_length, workloads::Recompute recompute);

}  // namespace ridgeline::validation
