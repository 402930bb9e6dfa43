/// What a table of few rows starts from: the residual of a table of many, whose kernels are kin.
/// A weight gradient's GEMM or one in fp16 picks its tiles as the bf16 forward GEMM does, and
/// attention without a mask as attention with one; the smaller table then only learns where they
/// differ. Whether it helps is decided on unseen rows, table by table.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "calibration/boosted_trees.h"
#include "calibration/measured_operation.h"
#include "calibration/shape_features.h"

namespace ridgeline::calibration {

/// Which table another starts from.
struct Kin {
  TimedOperation pattern;
  Condition condition;
};
/// nullopt: from nothing. Chains end: backward attention without a mask starts from that with one,
/// which starts from the forward pass.
std::optional<Kin> KinOf(const TimedOperation& pattern, const Condition& condition);
/// How many tables lie before it in its chain.
int Generation(const TimedOperation& pattern, const Condition& condition);

/// A table's residual by itself, as it was fitted.
struct Prior {
  TimedOperation pattern;
  Condition condition;
  MachineRates rates;
  BoostedTrees residuals;
  std::shared_ptr<const Prior> prior;  // what that table started from; may be null

  /// Logarithm of time over that table's physics at a shape of either table.
  double At(const Shape& shape) const;
};

/// A table's trees on top of its prior: the prior's residual is added, and its last input.
double ResidualOn(const Prior* prior, const BoostedTrees& residuals, Inputs& inputs,
                  size_t num_inputs, const Shape& shape);

}  // namespace ridgeline::calibration
