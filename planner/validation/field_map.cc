#include "planner/validation/field_map.h"

#include <cmath>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/config_reader.h"
#include "base/diagnostic.h"
#include "base/nearest_name.h"
#include "planner/validation/field_quantity.h"
#include "planner/validation/score.h"

namespace ridgeline::validation {
namespace {

struct ClaimDocument {
  std::string id;
  std::string claim;
  std::string quantity;
  AnyValue with;
  AnyValue expected;
  Ratio tolerance{0.01};
  std::string source;
  std::string popular;
  std::string correction;
};

struct FieldMapDocument {
  std::string kind;
  std::string name;
  std::string source;
  std::vector<ClaimDocument> cases;
};

const Schema<ClaimDocument>& SchemaOf(Tag<ClaimDocument>) {
  static const Schema<ClaimDocument> schema =
      Schema<ClaimDocument>("one figure of the field")
          .Required("id", &ClaimDocument::id, "unique in the file")
          .Required("claim", &ClaimDocument::claim, "the figure in words")
          .Required("quantity", &ClaimDocument::quantity, "what the program computes for it")
          .Optional("with", &ClaimDocument::with, "its parameters")
          .Required("expected", &ClaimDocument::expected, "the right value, with its unit")
          .Optional("tolerance", &ClaimDocument::tolerance, "largest relative difference")
          .Required("source", &ClaimDocument::source, "who says so")
          .Optional("popular", &ClaimDocument::popular, "what is often said instead")
          .Optional("correction", &ClaimDocument::correction, "why the popular figure is wrong")
          .Rule([](const ClaimDocument& claim, const Node& node, const DecodeContext& context) {
            if (claim.popular.empty() != claim.correction.empty()) {
              context.Fail(node, "a popular figure and its correction stand together",
                           "write both or neither");
            }
          });
  return schema;
}

const Schema<FieldMapDocument>& SchemaOf(Tag<FieldMapDocument>) {
  static const Schema<FieldMapDocument> schema =
      Schema<FieldMapDocument>("figures of the field, evaluated by the program")
          .Required("kind", &FieldMapDocument::kind, "field-map")
          .Required("name", &FieldMapDocument::name, "of the suite")
          .Required("source", &FieldMapDocument::source, "where the claims were collected")
          .Required("cases", &FieldMapDocument::cases, "the claims");
  return schema;
}

std::vector<std::string> KnownQuantities() {
  std::vector<std::string> names;
  for (const auto quantities : {MachineQuantities(), TrainingQuantities()}) {
    for (const FieldQuantity& quantity : quantities) {
      names.emplace_back(quantity.name);
    }
  }
  return names;
}

/// What a case says of its popular figure, in one sentence.
std::string CorrectionText(const FieldClaim& claim) {
  return claim.popular.empty() ? std::string()
                               : fmt::format("often said: {}; {}", claim.popular, claim.correction);
}

}  // namespace

bool IsFieldMap(const Node& document) {
  const Node* kind = document.Find("kind");
  return kind != nullptr && kind->scalar == "field-map";
}

Result<FieldMap> ReadFieldMap(const Node& document) {
  ASSIGN_OR_RETURN(const FieldMapDocument read, Decode<FieldMapDocument>(document));
  FieldMap map{.name = read.name, .source = read.source};
  Diagnostics diagnostics;
  std::set<std::string> ids;
  for (const ClaimDocument& one : read.cases) {
    const auto fail = [&](std::string message, std::string hint) {
      diagnostics.Add({.code = ErrorCode::kInvalidArgument,
                       .message = std::move(message),
                       .where = one.expected.node.where,
                       .hint = std::move(hint),
                       .path = "cases." + one.id});
    };
    if (!ids.insert(one.id).second) {
      fail("duplicate id: " + one.id, "");
    }
    const FieldQuantity* quantity = FindQuantity(one.quantity);
    if (quantity == nullptr) {
      fail("unknown quantity: " + one.quantity, SuggestName(one.quantity, KnownQuantities()));
      continue;
    }
    const Result<double> expected = ParseInUnit(quantity->unit, one.expected.node.scalar);
    if (!expected) {
      fail(expected.error().message, expected.error().hint);
      continue;
    }
    map.cases.push_back({.id = one.id,
                         .claim = one.claim,
                         .quantity = one.quantity,
                         .with = one.with.node,
                         .expected = *expected,
                         .tolerance = one.tolerance.value,
                         .source = one.source,
                         .popular = one.popular,
                         .correction = one.correction});
  }
  RETURN_IF_ERROR(diagnostics.Take());
  return map;
}

SuiteOutcome EvaluateFieldMap(const FieldMap& map, const hardware::Catalog& catalog) {
  SuiteOutcome suite{.name = map.name, .source = map.source, .is_formulas = true};
  for (const FieldClaim& claim : map.cases) {
    CaseOutcome outcome{.id = claim.id,
                        .metric = claim.quantity,
                        .measured = claim.expected,
                        .tolerance = claim.tolerance,
                        .claim = claim.claim,
                        .correction = CorrectionText(claim)};
    const Result<double> value = FindQuantity(claim.quantity)->evaluate(claim.with, catalog);
    if (value) {
      outcome.predicted = outcome.low = outcome.high = *value;
    } else {
      const bool is_unimplemented = value.error().code == ErrorCode::kUnimplemented;
      outcome.skip = is_unimplemented ? SkipKind::kUnimplemented : SkipKind::kError;
      outcome.reason = (is_unimplemented ? "" : "error: ") + value.error().message;
    }
    suite.cases.push_back(std::move(outcome));
  }
  Summarise(suite);
  return suite;
}

}  // namespace ridgeline::validation
