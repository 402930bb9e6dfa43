/// From a published row to a scenario: one file per *source* of rows, configs/validation/sources/.
///
/// A mapping is data: which rows are its own (regular expressions on the `source` column), the
/// framework, the FLOP convention, `defaults` that hold for all its rows, and rules. A rule says
/// "where these columns match, set these keys of the scenario"; rules never name a row. The rules
/// of `vocabulary.yaml` (how the field spells GPUs, fabrics, precisions, schedules ...) come
/// between the defaults and a mapping's own rules; what comes later overrides. The mapping with
/// `fallback: true` takes rows of sources that nobody knows.
///
///     rules:
///       - when: {recompute: '^selective'}
///         set: {training.recompute: selective}
///       - when: {recompute: '^not stated$'}
///         assume: {training.recompute: none}
///       - when: {notes: 'LoRA'}
///         unimplemented: low-rank fine-tuning (LoRA)
///
/// `when` matches by regular expression (ECMAScript, case ignored, anywhere in the text) on any
/// column, and on three that are derived: `layer_placement` (even, with-embedding-and-head, uneven:
/// how the layers divide over pp x vpp), `expert_placement` (inside-data, over-tensor, uneven: how
/// ep divides dp x cp) and `mixture` (dense, moe). `assume` is `set` for what the source does not
/// state: it is listed beside the result. A column of words that no rule understood (gpu,
/// interconnect, precision, recompute, schedule, zero_or_fsdp) excludes the row, with the words: a
/// misread row is worse than a missing one.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <regex>
#include <string>
#include <vector>

#include "base/config_reader.h"
#include "base/document.h"
#include "base/result.h"
#include "planner/validation/flop_convention.h"
#include "planner/validation/published_csv.h"

namespace ridgeline::validation {

/// A value of any form under a key, kept as written.
struct AnyValue {
  Node node = {};
};

struct MappingRule {
  std::map<std::string, std::string> when = {};
  std::map<std::string, AnyValue> set = {};
  std::map<std::string, AnyValue> assume = {};
  std::optional<FlopConvention> flops = {};
  std::string unimplemented = {};  // what the program cannot express yet
  std::string skip = {};           // why such a row is no training step of this kind
  std::string because = {};        // where the rule comes from

  std::vector<std::pair<std::string, std::regex>> conditions = {};  // `when`, compiled
};

struct SourceMapping {
  std::string name = {};
  std::string title = {};
  std::vector<std::string> match = {};
  bool is_fallback = false;
  std::string framework = {};  // of configs/frameworks; empty: the program's default
  FlopConvention flops = {};
  std::map<std::string, AnyValue> defaults = {};  // key -> value, before any rule
  std::vector<MappingRule> rules = {};
  std::map<std::string, std::string> sources = {};

  std::vector<std::regex> patterns = {};  // `match`, compiled
};
const Schema<SourceMapping>& SchemaOf(Tag<SourceMapping>);
const Schema<MappingRule>& SchemaOf(Tag<MappingRule>);

/// Why a row is not scored.
enum class SkipKind { kNone, kNotStated, kUnimplemented, kError, kOtherHalf };

struct Assumed {
  std::string path = {};
  std::string value = {};
  friend auto operator<=>(const Assumed&, const Assumed&) = default;
};

struct MappedRow {
  std::string mapping = {};  // its name
  Node scenario = {};        // a document of DESIGN 8; empty when skipped
  FlopConvention flops = {};
  std::vector<Assumed> assumed = {};
  SkipKind skip = SkipKind::kNone;
  std::string reason = {};  // of the skip
};

class SourceMappings {
 public:
  /// Reads every *.yaml of a folder. Errors of all files at once: a bad pattern, an unknown column
  /// in `when`, none or several fallbacks.
  static Result<SourceMappings> Read(const std::filesystem::path& folder);

  /// The first mapping (by file name) whose pattern is found in `source`; the fallback otherwise.
  const SourceMapping& MappingOf(std::string_view source) const;
  MappedRow Map(const PublishedRow& row) const;

  const std::vector<SourceMapping>& mappings() const { return mappings_; }

 private:
  std::vector<SourceMapping> mappings_;
  std::vector<MappingRule> vocabulary_;
  size_t fallback_ = 0;
};

}  // namespace ridgeline::validation

namespace ridgeline {

template <>
struct Codec<validation::AnyValue> {
  static std::optional<validation::AnyValue> Decode(const Node& node, const DecodeContext&) {
    return validation::AnyValue{node};
  }
  static void Explain(KeyInfo& info) { info.type = "any value"; }
  static std::string Write(const validation::AnyValue& value) { return WriteYaml(value.node); }
};

}  // namespace ridgeline
