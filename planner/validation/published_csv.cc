#include "planner/validation/published_csv.h"

#include <array>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/diagnostic.h"
#include "base/units_text.h"

namespace ridgeline::validation {
namespace {

constexpr std::array kRequiredColumns = {
    "id",           "source",    "model",       "layers",      "hidden", "heads",
    "seq",          "gpu",       "tp",          "pp",          "notes",  "num_gpus",
    "global_batch", "precision", "metric_name", "metric_value"};

constexpr size_t kMaxCellBytes = 4096;

constexpr std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
    text.remove_prefix(1);
  }
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
    text.remove_suffix(1);
  }
  return text;
}

std::map<std::string, std::string> TokensOf(std::string_view notes) {
  std::map<std::string, std::string> tokens;
  while (!notes.empty()) {
    const size_t semicolon = notes.find(';');
    const std::string_view part = Trimmed(notes.substr(0, semicolon));
    const size_t equals = part.find('=');
    if (equals != std::string_view::npos) {
      tokens.emplace(Trimmed(part.substr(0, equals)), Trimmed(part.substr(equals + 1)));
    }
    notes.remove_prefix(semicolon == std::string_view::npos ? notes.size() : semicolon + 1);
  }
  return tokens;
}

/// Reads the cells of one row and reports each at its own place.
class RowReader {
 public:
  RowReader(const CsvTable& table, const CsvRow& row, Diagnostics& diagnostics)
      : table_(table), row_(row), diagnostics_(diagnostics) {}

  PublishedRow Read() {
    PublishedRow out;
    out.where = row_.fields.front().where;
    for (size_t i = 0; i < table_.columns.size(); ++i) {
      if (row_.fields[i].text.size() > kMaxCellBytes) {
        // Cells are matched by regular expressions, whose matcher recurses.
        Report(row_.fields[i], fmt::format("a cell is longer than {} bytes", kMaxCellBytes), "");
        return out;
      }
      out.columns.emplace(table_.columns[i], std::string(Trimmed(row_.fields[i].text)));
    }
    out.tokens = TokensOf(out.Column("notes"));
    out.id = out.Column("id");
    out.source = out.Column("source");
    out.model = out.Column("model");
    out.metric_name = out.Column("metric_name");
    out.metric_value = MetricValue();
    for (const auto& [name, member] :
         std::initializer_list<std::pair<const char*, std::optional<int64_t> PublishedRow::*>>{
             {"layers", &PublishedRow::layers},
             {"hidden", &PublishedRow::hidden},
             {"ffn", &PublishedRow::ffn},
             {"heads", &PublishedRow::heads},
             {"kv_heads", &PublishedRow::kv_heads},
             {"vocab", &PublishedRow::vocab},
             {"seq", &PublishedRow::seq},
             {"num_gpus", &PublishedRow::num_gpus},
             {"gpus_per_node", &PublishedRow::gpus_per_node},
             {"tp", &PublishedRow::tp},
             {"pp", &PublishedRow::pp},
             {"vpp", &PublishedRow::vpp},
             {"cp", &PublishedRow::cp},
             {"ep", &PublishedRow::ep},
             {"dp", &PublishedRow::dp},
             {"micro_batch", &PublishedRow::micro_batch},
             {"global_batch", &PublishedRow::global_batch}}) {
      out.*member = Count(name);
    }
    ReadTokens(out);
    return out;
  }

 private:
  const CsvField* Field(std::string_view column) const {
    const size_t index = table_.ColumnIndex(column);
    return index == CsvTable::kNoColumn ? nullptr : &row_.fields[index];
  }

  void Report(const CsvField& field, std::string message, std::string hint) {
    diagnostics_.Add({.code = ErrorCode::kInvalidArgument,
                      .message = std::move(message),
                      .where = field.where,
                      .hint = std::move(hint)});
  }

  /// A count of at least 1; not stated when the cell is empty.
  std::optional<int64_t> Count(std::string_view column) {
    const CsvField* field = Field(column);
    if (field == nullptr || Trimmed(field->text).empty()) {
      return std::nullopt;
    }
    const Result<int64_t> value = ParseInteger(Trimmed(field->text));
    if (!value || *value < 1) {
      Report(*field,
             "expected a whole number of at least 1 in column " + std::string(column) + ": " +
                 field->text,
             "leave the cell empty when the source does not state it");
      return std::nullopt;
    }
    return *value;
  }

  double MetricValue() {
    const CsvField* field = Field("metric_value");
    const Result<double> value = ParseNumber(Trimmed(field->text));
    const bool is_class = Trimmed(Field("metric_name")->text) == "oom";
    if (!value || (is_class ? *value < 0.0 : *value <= 0.0)) {
      Report(*field, "expected a positive number in column metric_value: " + field->text, "");
      return 0.0;
    }
    return *value;
  }

  void ReadTokens(PublishedRow& out) {
    const CsvField& notes = *Field("notes");
    const auto token = [&](const char* name) -> const std::string* {
      const auto found = out.tokens.find(name);
      return found == out.tokens.end() ? nullptr : &found->second;
    };
    if (const std::string* moe = token("moe")) {
      out.moe = ParseMoeToken(*moe);
      if (!out.moe) {
        Report(notes, "cannot read the mixture of experts: " + *moe,
               "write moe=8exp_top2_shared0_ffn32768");
      }
    }
    if (const std::string* head_dim = token("head_dim")) {
      const Result<int64_t> value = ParseInteger(*head_dim);
      if (value && *value > 0) {
        out.head_dim = *value;
      } else {
        Report(notes, "expected a whole number in head_dim: " + *head_dim, "");
      }
    }
    const auto yes_or_no = [&](const char* name) -> std::optional<bool> {
      const std::string* text = token(name);
      if (text == nullptr) {
        return std::nullopt;
      }
      if (*text != "0" && *text != "1") {
        Report(notes, fmt::format("expected 0 or 1 in {}: {}", name, *text), "");
      }
      return *text == "1";
    };
    out.gated_mlp = yes_or_no("gated_mlp");
    out.is_core = yes_or_no("core").value_or(false);
  }

  const CsvTable& table_;
  const CsvRow& row_;
  Diagnostics& diagnostics_;
};

}  // namespace

const std::string& PublishedRow::Column(std::string_view name) const {
  static const std::string empty;
  const auto found = columns.find(std::string(name));
  return found == columns.end() ? empty : found->second;
}

std::optional<MoeToken> ParseMoeToken(std::string_view text) {
  MoeToken token;
  const auto number_then = [&text](std::string_view before, std::string_view after,
                                   int64_t& value) {
    if (!text.starts_with(before)) {
      return false;
    }
    text.remove_prefix(before.size());
    const size_t end = text.find_first_not_of("0123456789");
    const std::string_view digits = text.substr(0, end);
    const Result<int64_t> parsed = ParseInteger(digits);
    if (!parsed) {
      return false;
    }
    value = *parsed;
    text.remove_prefix(digits.size());
    if (!text.starts_with(after)) {
      return false;
    }
    text.remove_prefix(after.size());
    return true;
  };
  const bool is_read = number_then("", "exp", token.experts) &&
                       number_then("_top", "", token.experts_per_token) &&
                       number_then("_shared", "", token.shared_experts) &&
                       number_then("_ffn", "", token.expert_ffn) && text.empty();
  const bool is_sound = is_read && token.experts > 0 && token.expert_ffn > 0 &&
                        token.experts_per_token > 0 && token.experts_per_token <= token.experts;
  return is_sound ? std::optional<MoeToken>(token) : std::nullopt;
}

Result<std::vector<PublishedRow>> ReadPublishedRows(const CsvTable& table) {
  Diagnostics diagnostics;
  for (const char* column : kRequiredColumns) {
    if (table.ColumnIndex(column) == CsvTable::kNoColumn) {
      diagnostics.Add({.code = ErrorCode::kInvalidArgument,
                       .message = std::string("missing column: ") + column,
                       .where = table.where,
                       .hint = "configs/validation/training.csv shows the columns"});
    }
  }
  RETURN_IF_ERROR(diagnostics.Take());
  std::vector<PublishedRow> rows;
  std::set<std::string> ids;
  for (const CsvRow& row : table.rows) {
    rows.push_back(RowReader(table, row, diagnostics).Read());
    if (rows.back().id.empty() || !ids.insert(rows.back().id).second) {
      diagnostics.Add({.code = ErrorCode::kInvalidArgument,
                       .message = rows.back().id.empty() ? std::string("a row has no id")
                                                         : "duplicate id: " + rows.back().id,
                       .where = rows.back().where});
    }
  }
  RETURN_IF_ERROR(diagnostics.Take());
  return rows;
}

}  // namespace ridgeline::validation
