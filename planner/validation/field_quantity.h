/// Quantities that a claim of the field map can name, each computed by the functions that the
/// simulator itself uses.
#pragma once

#include <span>
#include <string_view>

#include "base/document.h"
#include "base/result.h"
#include "hardware/catalog.h"

namespace ridgeline::validation {

enum class QuantityUnit { kNone, kBytes, kFlops, kFlopsPerSecond, kBytesPerSecond, kFlopsPerByte };

struct FieldQuantity {
  std::string_view name;
  QuantityUnit unit = QuantityUnit::kNone;
  std::string_view meaning;
  /// `with` holds the parameters; unknown ones are refused. Base units.
  Result<double> (*evaluate)(const Node& with, const hardware::Catalog& catalog) = nullptr;
};

/// Of GPUs, operations, models and collectives.
std::span<const FieldQuantity> MachineQuantities();
/// Of training: layers as lowered, pipelines as scheduled, model states, checkpointing.
std::span<const FieldQuantity> TrainingQuantities();

/// nullptr when there is none.
const FieldQuantity* FindQuantity(std::string_view name);

/// Reads an expected value in the quantity's unit.
Result<double> ParseInUnit(QuantityUnit unit, std::string_view text);
/// For people: "295 FLOP/B", "21.5 GB", "0.158".
std::string FormatInUnit(QuantityUnit unit, double value);

}  // namespace ridgeline::validation
