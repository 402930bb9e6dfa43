/// What the trees of a table may ask about an operation: sizes, waves of the tiles that libraries
/// use and how full the last wave is, alignment, and what physics says. Octaves throughout, but for
/// shares and remainders.
#pragma once

#include <cstddef>

#include "calibration/boosted_trees.h"
#include "calibration/shape_features.h"

namespace ridgeline::calibration {

/// How many entries of Inputs an operation of this pattern fills.
size_t NumInputs(const TimedOperation& pattern);
/// `features` are those of the operation at the same rates.
Inputs InputsOf(const TimedOperation& operation, const MachineRates& rates,
                const Features& features);

}  // namespace ridgeline::calibration
