#include "planner/validation/source_mapping.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/diagnostic.h"

namespace ridgeline::validation {
namespace {

/// Columns of words: each must be understood by some rule, or the row is not simulated.
constexpr std::array kWordColumns = {"gpu",       "interconnect", "precision",
                                     "recompute", "schedule",     "zero_or_fsdp"};

constexpr std::array kKnownColumns = {"id",
                                      "source",
                                      "model",
                                      "params_b",
                                      "layers",
                                      "hidden",
                                      "ffn",
                                      "heads",
                                      "kv_heads",
                                      "vocab",
                                      "seq",
                                      "gpu",
                                      "num_gpus",
                                      "gpus_per_node",
                                      "tp",
                                      "pp",
                                      "vpp",
                                      "cp",
                                      "ep",
                                      "dp",
                                      "zero_or_fsdp",
                                      "micro_batch",
                                      "global_batch",
                                      "precision",
                                      "recompute",
                                      "schedule",
                                      "interconnect",
                                      "metric_name",
                                      "metric_value",
                                      "notes",
                                      "layer_placement",
                                      "mixture",
                                      "expert_placement",
                                      "variant"};

/// What a rule must not look at: the row's name and its answer.
constexpr std::array kForbiddenColumns = {"id", "metric_value"};

constexpr int64_t kUsualGpusPerNode = 8;

std::string OneLine(const Node& node) {
  if (node.is_scalar()) {
    return node.scalar;
  }
  std::string text = "{";
  for (const Node::Entry& entry : node.entries) {
    text += (text.size() > 1 ? ", " : "") + entry.key + ": " + OneLine(entry.value);
  }
  for (const Node& item : node.items) {
    text += (text.size() > 1 ? ", " : "") + OneLine(item);
  }
  return text + "}";
}

/// Sets `a.b.c`. A name that stands where a map is needed becomes that map's `base`.
void SetIn(Node& root, std::string_view path, Node value) {
  const size_t dot = path.find('.');
  const std::string key(path.substr(0, dot));
  if (!root.is_map()) {
    Node map = MakeMap();
    if (root.is_scalar()) {
      SetKey(map, "base", MakeScalar(root.scalar));
    }
    root = std::move(map);
  }
  if (dot == std::string_view::npos) {
    Node* existing = root.Find(key);
    const bool renames_base = existing != nullptr && value.is_scalar() &&
                              existing->Find("base") != nullptr;  // what was changed stays changed
    if (renames_base) {
      *existing->Find("base") = std::move(value);
    } else if (existing != nullptr) {
      *existing = std::move(value);
    } else {
      SetKey(root, key, std::move(value));
    }
    return;
  }
  if (root.Find(key) == nullptr) {
    SetKey(root, key, MakeMap());
  }
  SetIn(*root.Find(key), path.substr(dot + 1), std::move(value));
}

Node Number(int64_t value) { return MakeScalar(std::to_string(value)); }

/// How the layers divide over the pipeline's chunks.
std::string LayerPlacement(const PublishedRow& row) {
  const int64_t chunks = row.pp.value_or(1) * row.vpp.value_or(1);
  const int64_t layers = row.layers.value_or(0);
  if (layers % chunks == 0) {
    return "even";
  }
  return (layers + 2) % chunks == 0 ? "with-embedding-and-head" : "uneven";
}

/// Whether the experts' group fits inside data and context parallelism, or takes tensor ranks too.
std::string ExpertPlacement(const PublishedRow& row) {
  const int64_t ep = row.ep.value_or(1);
  const int64_t tp = row.tp.value_or(1);
  const int64_t data = row.num_gpus.value_or(1) / std::max<int64_t>(1, tp * row.pp.value_or(1));
  if (data % ep == 0) {
    return "inside-data";
  }
  return data * tp % ep == 0 ? "over-tensor" : "uneven";
}

/// The words of a row's name that hold letters alone: what tells the members of a pair apart where
/// no column does ("async", "dropless"). Sizes, counts and models have digits, so no row is named.
std::string Variant(const PublishedRow& row) {
  std::string words;
  std::string word;
  for (const char letter : row.id + "_") {
    if (letter != '_' && letter != '-') {
      word += letter;
      continue;
    }
    if (std::all_of(word.begin(), word.end(),
                    [](unsigned char c) { return std::isalpha(c) != 0; })) {
      words += (words.empty() ? "" : " ") + word;
    }
    word.clear();
  }
  return words;
}

std::string ColumnOf(const PublishedRow& row, const std::string& column) {
  if (column == "variant") {
    return Variant(row);
  }
  if (column == "layer_placement") {
    return LayerPlacement(row);
  }
  if (column == "expert_placement") {
    return ExpertPlacement(row);
  }
  if (column == "mixture") {
    return row.moe ? "moe" : "dense";
  }
  return row.Column(column);
}

bool Matches(const MappingRule& rule, const PublishedRow& row) {
  return std::all_of(rule.conditions.begin(), rule.conditions.end(), [&row](const auto& condition) {
    return std::regex_search(ColumnOf(row, condition.first), condition.second);
  });
}

/// The document while it is being made.
struct Draft {
  Node scenario = MakeMap();
  std::map<std::string, std::string> assumed;
  FlopConvention flops;
  std::set<std::string> understood;  // columns of words
  std::string not_stated;
  std::string unimplemented;
};

void Assume(Draft& draft, const std::string& path, const Node& value) {
  SetIn(draft.scenario, path, value);
  draft.assumed.insert_or_assign(path, OneLine(value));
}

void Apply(const MappingRule& rule, Draft& draft) {
  for (const auto& [column, pattern] : rule.conditions) {
    draft.understood.insert(column);
  }
  for (const auto& [path, value] : rule.set) {
    SetIn(draft.scenario, path, value.node);
    draft.assumed.erase(path);
  }
  for (const auto& [path, value] : rule.assume) {
    Assume(draft, path, value.node);
  }
  if (rule.flops) {
    draft.flops = *rule.flops;
  }
  if (draft.not_stated.empty()) {
    draft.not_stated = rule.skip;
  }
  if (draft.unimplemented.empty()) {
    draft.unimplemented = rule.unimplemented;
  }
}

/// A number of the row, or a default that is listed as assumed, or a reason to leave the row out.
class NumberColumns {
 public:
  explicit NumberColumns(Draft& draft) : draft_(draft) {}

  void Required(const char* path, const std::optional<int64_t>& value, const char* what) {
    if (value) {
      SetIn(draft_.scenario, path, Number(*value));
    } else if (draft_.not_stated.empty()) {
      draft_.not_stated = std::string(what) + " not stated";
    }
  }
  void WithDefault(const char* path, const std::optional<int64_t>& value, int64_t fallback) {
    if (value) {
      SetIn(draft_.scenario, path, Number(*value));
    } else {
      Assume(draft_, path, Number(fallback));
    }
  }

 private:
  Draft& draft_;
};

void SetModel(const PublishedRow& row, Draft& draft) {
  NumberColumns numbers(draft);
  SetIn(draft.scenario, "training.model.model_type", MakeScalar("decoder"));
  numbers.Required("training.model.hidden_size", row.hidden, "hidden size");
  numbers.Required("training.model.num_hidden_layers", row.layers, "number of layers");
  numbers.Required("training.model.num_attention_heads", row.heads, "number of heads");
  numbers.WithDefault("training.model.num_key_value_heads", row.kv_heads, row.heads.value_or(1));
  numbers.Required("training.model.vocab_size", row.vocab, "vocabulary");
  const bool is_gated = row.gated_mlp.value_or(true);
  if (!row.gated_mlp) {
    draft.assumed.emplace("training.model.gated_mlp", "true");
  }
  SetIn(draft.scenario, "training.model.gated_mlp", MakeScalar(is_gated ? "true" : "false"));
  if (!row.moe && (row.ffn || is_gated)) {
    numbers.Required("training.model.intermediate_size", row.ffn, "feed-forward width");
  } else if (!row.moe) {
    numbers.WithDefault("training.model.intermediate_size", row.ffn, 4 * row.hidden.value_or(1));
  }
  // A table of learned positions, where a source has one, is as long as the sequence.
  if (row.seq) {
    SetIn(draft.scenario, "training.model.max_position_embeddings", Number(*row.seq));
  }
  if (row.head_dim) {
    SetIn(draft.scenario, "training.model.head_dim", Number(*row.head_dim));
  }
  if (row.moe) {
    const MoeToken& moe = *row.moe;
    SetIn(draft.scenario, "training.model.num_experts", Number(moe.experts));
    SetIn(draft.scenario, "training.model.num_experts_per_tok", Number(moe.experts_per_token));
    SetIn(draft.scenario, "training.model.moe_intermediate_size", Number(moe.expert_ffn));
    if (moe.shared_experts > 0) {
      SetIn(draft.scenario, "training.model.shared_intermediate_size",
            Number(moe.shared_experts * moe.expert_ffn));
    }
  }
}

void SetJob(const PublishedRow& row, Draft& draft) {
  NumberColumns numbers(draft);
  numbers.Required("training.sequence_length", row.seq, "sequence length");
  numbers.Required("training.global_batch", row.global_batch, "global batch");
  numbers.Required("training.gpus", row.num_gpus, "number of GPUs");
  numbers.WithDefault("training.parallelism.tp", row.tp, 1);
  numbers.WithDefault("training.parallelism.pp", row.pp, 1);
  numbers.WithDefault("training.parallelism.vpp", row.vpp, 1);
  numbers.WithDefault("training.parallelism.cp", row.cp, 1);
  numbers.WithDefault("training.parallelism.ep", row.ep, 1);
  if (row.dp) {
    SetIn(draft.scenario, "training.parallelism.dp", Number(*row.dp));
  }
  if (row.micro_batch) {
    SetIn(draft.scenario, "training.micro_batch", Number(*row.micro_batch));
  }
  const int64_t per_node = row.gpus_per_node.value_or(kUsualGpusPerNode);
  if (!row.gpus_per_node) {
    draft.assumed.emplace("cluster.nodes.gpus", std::to_string(kUsualGpusPerNode));
  }
  const int64_t gpus = row.num_gpus.value_or(1);
  SetIn(draft.scenario, "cluster.count", Number((gpus + per_node - 1) / per_node));
}

/// After the rules: what is still open.
void Finish(const PublishedRow& row, Draft& draft) {
  if (row.gpus_per_node && *row.gpus_per_node != kUsualGpusPerNode) {
    SetIn(draft.scenario, "cluster.nodes.gpus", Number(*row.gpus_per_node));
  }
  const Node* training = draft.scenario.Find("training");
  if (draft.not_stated.empty() && training->Find("micro_batch") == nullptr) {
    draft.not_stated = "micro batch not stated";
  }
  for (const char* column : kWordColumns) {
    const std::string& text = row.Column(column);
    if (!text.empty() && !draft.understood.contains(column) && draft.not_stated.empty()) {
      draft.not_stated = fmt::format("{} not understood: {}", column, text);
    }
  }
  const Node* cluster = draft.scenario.Find("cluster");
  if (draft.not_stated.empty() && (cluster == nullptr || cluster->Find("nodes") == nullptr)) {
    draft.not_stated = "GPU not stated";
  }
}

Status Compile(SourceMapping& mapping, const Node& document, Diagnostics& diagnostics) {
  const auto compile = [&](const std::string& pattern) -> std::optional<std::regex> {
    try {
      return std::regex(pattern, std::regex::ECMAScript | std::regex::icase);
    } catch (const std::regex_error& error) {
      diagnostics.Add({.code = ErrorCode::kInvalidArgument,
                       .message = "not a regular expression: " + pattern,
                       .where = document.where,
                       .hint = error.what(),
                       .path = mapping.name});
      return std::nullopt;
    }
  };
  for (const std::string& pattern : mapping.match) {
    if (std::optional<std::regex> compiled = compile(pattern)) {
      mapping.patterns.push_back(*std::move(compiled));
    }
  }
  for (MappingRule& rule : mapping.rules) {
    for (const auto& [column, pattern] : rule.when) {
      if (std::optional<std::regex> compiled = compile(pattern)) {
        rule.conditions.emplace_back(column, *std::move(compiled));
      }
    }
  }
  return {};
}

}  // namespace

const Schema<MappingRule>& SchemaOf(Tag<MappingRule>) {
  static const Schema<MappingRule> schema =
      Schema<MappingRule>("where these columns match, this holds")
          .Optional("when", &MappingRule::when,
                    "column -> regular expression; all must match, none matches every row")
          .Optional("set", &MappingRule::set, "key of the scenario -> value")
          .Optional("assume", &MappingRule::assume,
                    "as set, for what the source does not state; listed beside the result")
          .Optional("flops", &MappingRule::flops, "how such rows count FLOPs")
          .Optional("unimplemented", &MappingRule::unimplemented,
                    "what the program cannot express yet; the row is listed with this reason")
          .Optional("skip", &MappingRule::skip, "why such a row cannot be simulated at all")
          .Optional("because", &MappingRule::because, "where the rule comes from")
          .Rule([](const MappingRule& rule, const Node& node, const DecodeContext& context) {
            for (const auto& [column, pattern] : rule.when) {
              if (std::find(kForbiddenColumns.begin(), kForbiddenColumns.end(), column) !=
                  kForbiddenColumns.end()) {
                context.Fail(node, "a rule may not look at column " + column,
                             "rules speak of sources, never of rows or of their answers");
              } else if (std::find(kKnownColumns.begin(), kKnownColumns.end(), column) ==
                         kKnownColumns.end()) {
                context.Fail(node, "no such column: " + column);
              }
            }
          });
  return schema;
}

const Schema<SourceMapping>& SchemaOf(Tag<SourceMapping>) {
  static const Schema<SourceMapping> schema =
      Schema<SourceMapping>("how the rows of one source become scenarios")
          .Required("name", &SourceMapping::name, "of the mapping; the group in the results")
          .Optional("title", &SourceMapping::title, "who published these rows")
          .Optional("match", &SourceMapping::match,
                    "regular expressions; one must be found in the source column")
          .Optional("fallback", &SourceMapping::is_fallback,
                    "takes the rows that no other mapping takes")
          .Optional("framework", &SourceMapping::framework, "a name under configs/frameworks")
          .Optional("flops", &SourceMapping::flops, "how this source counts FLOPs")
          .Optional("defaults", &SourceMapping::defaults,
                    "key of the scenario -> value, for all its rows")
          .Optional("rules", &SourceMapping::rules, "in order; later ones override")
          .Optional("sources", &SourceMapping::sources, "where what is said here was read");
  return schema;
}

Result<SourceMappings> SourceMappings::Read(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".yaml") {
      files.push_back(entry.path());
    }
  }
  if (error || files.empty()) {
    return NotFound("no mapping files in " + folder.string(),
                    "published CSV suites need configs/validation/sources");
  }
  std::sort(files.begin(), files.end());
  SourceMappings result;
  Diagnostics diagnostics;
  size_t fallbacks = 0;
  for (const std::filesystem::path& file : files) {
    ASSIGN_OR_RETURN(const Node document, ReadDocument(file));
    ASSIGN_OR_RETURN(SourceMapping mapping, Decode<SourceMapping>(document));
    RETURN_IF_ERROR(Compile(mapping, document, diagnostics));
    if (file.stem() == "vocabulary") {
      result.vocabulary_ = std::move(mapping.rules);
      continue;
    }
    if (mapping.is_fallback) {
      result.fallback_ = result.mappings_.size();
      ++fallbacks;
    }
    result.mappings_.push_back(std::move(mapping));
  }
  RETURN_IF_ERROR(diagnostics.Take());
  if (fallbacks != 1) {
    return InvalidArgument(
        fmt::format("exactly one mapping must say fallback: true; found {}", fallbacks),
        "see " + (folder / "default.yaml").string());
  }
  return result;
}

const SourceMapping& SourceMappings::MappingOf(std::string_view source) const {
  const std::string text(source);
  for (const SourceMapping& mapping : mappings_) {
    for (const std::regex& pattern : mapping.patterns) {
      if (std::regex_search(text, pattern)) {
        return mapping;
      }
    }
  }
  return mappings_[fallback_];
}

MappedRow SourceMappings::Map(const PublishedRow& row) const {
  const SourceMapping& mapping = MappingOf(row.source);
  Draft draft;
  draft.flops = mapping.flops;
  if (!mapping.framework.empty()) {
    const Node framework = MakeScalar(mapping.framework);
    if (mapping.is_fallback) {
      Assume(draft, "training.framework", framework);
    } else {
      SetIn(draft.scenario, "training.framework", framework);
    }
  }
  SetModel(row, draft);
  SetJob(row, draft);
  for (const auto& [path, value] : mapping.defaults) {
    SetIn(draft.scenario, path, value.node);
  }
  for (const MappingRule& rule : vocabulary_) {
    if (Matches(rule, row)) {
      Apply(rule, draft);
    }
  }
  for (const MappingRule& rule : mapping.rules) {
    if (Matches(rule, row)) {
      Apply(rule, draft);
    }
  }
  Finish(row, draft);

  MappedRow out{.mapping = mapping.name, .flops = draft.flops};
  for (auto& [path, value] : draft.assumed) {
    out.assumed.push_back({path, value});
  }
  if (!draft.not_stated.empty()) {
    out.skip = SkipKind::kNotStated;
    out.reason = draft.not_stated;
  } else if (!draft.unimplemented.empty()) {
    out.skip = SkipKind::kUnimplemented;
    out.reason = "not built yet: " + draft.unimplemented;
  } else {
    out.scenario = std::move(draft.scenario);
  }
  return out;
}

}  // namespace ridgeline::validation
