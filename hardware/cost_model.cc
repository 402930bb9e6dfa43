#include "hardware/cost_model.h"

namespace ridgeline::hardware {

Result<Cost> CostModel::CostUnder(const Operation&, const Condition& condition) const {
  return Unimplemented("this cost model knows one condition: asked for " + Describe(condition));
}

std::optional<Cost> CostModel::CostOfLayer(const MixtureLayer&, const Condition&) const {
  return std::nullopt;
}

}  // namespace ridgeline::hardware
