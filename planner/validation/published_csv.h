/// Rows of published training measurements: the columns of configs/validation/training.csv, read
/// and typed, and the tokens that its `notes` column may hold.
///
/// Columns: id, source, model, params_b, layers, hidden, ffn, heads, kv_heads, vocab, seq, gpu,
/// num_gpus, gpus_per_node, tp, pp, vpp, cp, ep, dp, zero_or_fsdp, micro_batch, global_batch,
/// precision, recompute, schedule, interconnect, metric_name, metric_value, notes. A number may be
/// left empty: not stated. Notes are parts between semicolons; a part `name=value` is a token:
///
///     core=1; tier=T2; gated_mlp=0; head_dim=128; moe=8exp_top2_shared0_ffn32768
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/source_location.h"
#include "planner/validation/csv_reader.h"

namespace ridgeline::validation {

/// `moe=8exp_top2_shared1_ffn32768`: experts, experts a token uses, shared experts, and the width
/// of one expert.
struct MoeToken {
  int64_t experts = 0;
  int64_t experts_per_token = 0;
  int64_t shared_experts = 0;
  int64_t expert_ffn = 0;
  friend bool operator==(const MoeToken&, const MoeToken&) = default;
};

struct PublishedRow {
  std::map<std::string, std::string> columns;  // every column as written
  std::map<std::string, std::string> tokens;   // name=value parts of the notes
  SourceLocation where;

  std::string id;
  std::string source;
  std::string model;
  std::string metric_name;
  double metric_value = 0.0;
  std::optional<int64_t> layers, hidden, ffn, heads, kv_heads, vocab, seq;
  std::optional<int64_t> num_gpus, gpus_per_node;
  std::optional<int64_t> tp, pp, vpp, cp, ep, dp, micro_batch, global_batch;
  std::optional<MoeToken> moe;
  std::optional<int64_t> head_dim;
  std::optional<bool> gated_mlp;
  bool is_core = false;

  /// The text of a column; empty when there is no such column.
  const std::string& Column(std::string_view name) const;
};

/// All rows, or the errors of all cells (a number that is none, a metric value that is not
/// positive, a duplicate id, a missing column), up to 20.
Result<std::vector<PublishedRow>> ReadPublishedRows(const CsvTable& table);

/// nullopt when the text is not of the form above.
std::optional<MoeToken> ParseMoeToken(std::string_view text);

}  // namespace ridgeline::validation
