/// The field's own numbers as a suite: what textbooks and blog posts state (a GPU's ridge point,
/// the bubble of a pipeline, the bytes of a KV cache), evaluated by the program's own functions and
/// compared. Each case names a quantity of field_quantity.h and its parameters; nothing is computed
/// here. Where a popular figure is wrong, the case holds the right one as `expected`, the popular
/// one as `popular` and why as `correction`.
///
///     kind: field-map
///     name: field-map
///     source: ...
///     cases:
///       - id: h100-ridge-point
///         claim: the ridge point of an H100 is about 295 FLOP/byte
///         quantity: gpu.ridge_point
///         with: {gpu: h100-sxm, dtype: bf16}
///         expected: 295 FLOP/B
///         tolerance: 1 %
///         source: ...
#pragma once

#include <string>
#include <vector>

#include "base/document.h"
#include "base/result.h"
#include "hardware/catalog.h"
#include "planner/validation/validation_report.h"

namespace ridgeline::validation {

struct FieldClaim {
  std::string id = {};
  std::string claim = {};
  std::string quantity = {};
  Node with = {};
  double expected = 0.0;  // base units
  double tolerance = 0.0;
  std::string source = {};
  std::string popular = {};     // what is often said instead
  std::string correction = {};  // why that is wrong
};

struct FieldMap {
  std::string name = {};
  std::string source = {};
  std::vector<FieldClaim> cases = {};
};

/// True for documents with `kind: field-map`.
bool IsFieldMap(const Node& document);

/// All errors at once: an unknown quantity (with the nearest), a duplicate id, an expected value
/// without the quantity's unit, a popular figure without its correction or the other way round.
Result<FieldMap> ReadFieldMap(const Node& document);

/// Every claim becomes a case of the outcome: `measured` is what the claim expects, `predicted`
/// what the program computes. A quantity that cannot be evaluated is listed with the reason.
SuiteOutcome EvaluateFieldMap(const FieldMap& map, const hardware::Catalog& catalog);

}  // namespace ridgeline::validation
