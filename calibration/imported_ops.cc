#include "calibration/imported_ops.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "base/units_text.h"
#include "calibration/gz_text.h"

namespace ridgeline::calibration {
namespace {

struct FileName {
  std::string gpu;
  std::string engine;  // "vllm-0.24.0"
  std::string family;
};

std::optional<FileName> SplitName(const std::filesystem::path& path) {
  std::string name = path.filename().string();
  for (const std::string_view ending : {".gz", ".csv"}) {
    if (name.ends_with(ending)) {
      name.resize(name.size() - ending.size());
    }
  }
  const size_t first = name.find("__");
  const size_t second = first == std::string::npos ? first : name.find("__", first + 2);
  if (second == std::string::npos) {
    return std::nullopt;
  }
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kSystems = {
      {{"a100_sxm", "a100-sxm-80g"}, {"h100_sxm", "h100-sxm"}, {"h200_sxm", "h200-sxm"}}};
  for (const auto& [system, gpu] : kSystems) {
    if (name.substr(0, first) == system) {
      return FileName{.gpu = std::string(gpu),
                      .engine = name.substr(first + 2, second - first - 2),
                      .family = name.substr(second + 2)};
    }
  }
  return std::nullopt;
}

/// What is wrong in a row: the column's name and text.
struct BadCell {
  std::string message;
  std::string_view cell;  // within the line; empty: no cell is to blame
};

/// Cells of one row by the header's names. The first bad one is remembered, so that the readers
/// below stay one line a field.
class Row {
 public:
  Row(const std::map<std::string, size_t, std::less<>>& columns,
      const std::vector<std::string_view>& cells)
      : columns_(columns), cells_(cells) {}
  std::string_view Text(std::string_view name, std::string_view otherwise = {}) const {
    const auto found = columns_.find(name);
    return found == columns_.end() || found->second >= cells_.size() ? otherwise
                                                                     : cells_[found->second];
  }
  /// A finite number; `otherwise` where the column is missing or the cell empty.
  double Real(std::string_view name, std::optional<double> otherwise = std::nullopt) const {
    const std::string_view cell = Text(name);
    if (cell.empty()) {
      if (!otherwise) {
        Blame(fmt::format("no {}", name), cell);
      }
      return otherwise.value_or(1);
    }
    const std::string text(cell);
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (end != text.c_str() + text.size() || !std::isfinite(value)) {
      Blame(fmt::format("{} is not a number: {}", name, text), cell);
      return 1;
    }
    return value;
  }
  /// A whole number, above 0 unless 0 is what a missing one means.
  int64_t Int(std::string_view name, std::optional<int64_t> otherwise = std::nullopt) const {
    const double value = Real(
        name, otherwise ? std::optional<double>(static_cast<double>(*otherwise)) : std::nullopt);
    const double least = otherwise == 0 ? 0 : 1;
    if (!(value >= least && value < 9e15 && value == std::floor(value))) {
      Blame(fmt::format("{} must be a whole number from {}: {}", name, least, Text(name)),
            Text(name));
      return 1;
    }
    return static_cast<int64_t>(value);
  }
  const std::optional<BadCell>& bad() const { return bad_; }

 private:
  void Blame(std::string message, std::string_view cell) const {
    if (!bad_) {
      bad_ = {.message = std::move(message), .cell = cell};
    }
  }

  const std::map<std::string, size_t, std::less<>>& columns_;
  const std::vector<std::string_view>& cells_;
  mutable std::optional<BadCell> bad_;
};

std::optional<DType> TypeOf(std::string_view name) {
  if (name == "bfloat16") {
    return DType::kBf16;
  }
  if (name == "float16" || name == "half") {
    return DType::kFp16;
  }
  return name == "fp8" ? std::optional(DType::kFp8) : std::nullopt;
}

std::optional<TimedOperation> ReadGemm(const Row& row) {
  const std::optional<DType> dtype = TypeOf(row.Text("gemm_dtype", "bfloat16"));
  if (!dtype) {
    return std::nullopt;
  }
  return Gemm{.m = row.Int("m"), .n = row.Int("n"), .k = row.Int("k"), .dtype = *dtype};
}

/// Prefill of whole prompts. Query and cache must be of one type: mixed ones are no operation here.
std::optional<TimedOperation> ReadPrefill(const Row& row, bool is_causal) {
  const std::optional<DType> dtype = TypeOf(row.Text("attn_dtype", "bfloat16"));
  const std::optional<DType> cache =
      is_causal ? TypeOf(row.Text("kv_cache_dtype", "bfloat16")) : dtype;
  const int64_t heads = row.Int("num_heads");
  const int64_t window = row.Int("window_size", 0);
  const int64_t tokens = row.Int("isl");
  // A window that holds the whole prompt masks nothing: the row without one says the same.
  if (!dtype || dtype != cache || window >= tokens) {
    return std::nullopt;
  }
  return Attention{.phase = AttentionPhase::kPrefill,
                   .dtype = *dtype,
                   .causal = is_causal,
                   .batch = row.Int("batch_size"),
                   .q_len = tokens,
                   .kv_len = tokens,
                   .heads = heads,
                   .kv_heads = row.Int("num_key_value_heads", heads),
                   .head_dim = row.Int("head_dim", 128),
                   .window = window};
}

/// One new token a sequence after `step` others. The operation's type is that of the cache, which
/// is nearly all that decode reads; queries are 16 bit in either case.
std::optional<TimedOperation> ReadDecode(const Row& row) {
  const std::optional<DType> cache = TypeOf(row.Text("kv_cache_dtype", "bfloat16"));
  const int64_t tokens = row.Int("step", 0) + 1;
  const int64_t window = row.Int("window_size", 0);
  if (!cache || window >= tokens) {
    return std::nullopt;
  }
  return Attention{.phase = AttentionPhase::kDecode,
                   .dtype = *cache,
                   .batch = row.Int("batch_size"),
                   .q_len = 1,
                   .kv_len = tokens,
                   .heads = row.Int("num_heads"),
                   .kv_heads = row.Int("num_key_value_heads"),
                   .head_dim = row.Int("head_dim", 128),
                   .window = window};
}

std::optional<TimedOperation> ReadMixture(const Row& row) {
  const std::optional<DType> dtype = TypeOf(row.Text("moe_dtype", "bfloat16"));
  if (!dtype) {
    return std::nullopt;
  }
  constexpr std::string_view kPowerLaw = "power_law_";
  const std::string_view distribution = row.Text("distribution", "balanced");
  double skew = 0;
  if (distribution.starts_with(kPowerLaw)) {
    skew = std::strtod(std::string(distribution.substr(kPowerLaw.size())).c_str(), nullptr);
  } else if (distribution != "balanced") {
    return std::nullopt;
  }
  return MixtureLayer{.tokens = row.Int("num_tokens"),
                      .hidden = row.Int("hidden_size"),
                      .ffn = row.Int("inter_size") / row.Int("moe_tp_size", 1),
                      .experts = row.Int("num_experts"),
                      .top_k = row.Int("topk"),
                      .ep = row.Int("moe_ep_size", 1),
                      .skew = skew,
                      .dtype = *dtype};
}

/// 16-bit values read, FP8 values written, m rows of k.
std::optional<TimedOperation> ReadQuantisation(const Row& row) {
  const double elements = row.Real("m") * row.Real("k");
  return MemoryBound{.kind = MemoryBoundKind::kCast,
                     .read = Bytes::FromBase(2 * elements),
                     .written = Bytes::FromBase(elements),
                     .rows = row.Int("m")};
}

/// message_size counts the full buffer, as nccl-tests does. Judged by the figures: read as one
/// rank's part, an all-gather of the largest size over 8 H100 would run above the links' peak.
std::optional<TimedOperation> ReadCollective(const Row& row) {
  const std::optional<DType> dtype = TypeOf(row.Text("nccl_dtype", "bfloat16"));
  const std::string_view name = row.Text("op_name", "all_reduce");
  CollectiveKind kind = CollectiveKind::kAllReduce;
  bool is_known = false;
  for (const auto& [text, value] :
       {std::pair<std::string_view, CollectiveKind>("all_reduce", CollectiveKind::kAllReduce),
        {"all_gather", CollectiveKind::kAllGather},
        {"reduce_scatter", CollectiveKind::kReduceScatter},
        {"alltoall", CollectiveKind::kAllToAll}}) {
    if (text == name) {
      kind = value;
      is_known = true;
    }
  }
  if (!dtype || !is_known) {
    return std::nullopt;
  }
  const int64_t ranks = row.Int("num_gpus");
  return Collective{.kind = kind,
                    .bytes = row.Real("message_size") * BytesPerElement(*dtype),
                    .group = {.ranks = ranks, .ranks_per_node = ranks},
                    .dtype = *dtype};
}

using RowReader = std::optional<TimedOperation> (*)(const Row&);

std::optional<TimedOperation> ReadCausal(const Row& row) { return ReadPrefill(row, true); }
std::optional<TimedOperation> ReadEncoder(const Row& row) { return ReadPrefill(row, false); }

constexpr std::array<std::pair<std::string_view, RowReader>, 8> kReaders = {{
    {"gemm", ReadGemm},
    {"context_attention", ReadCausal},
    {"encoder_attention", ReadEncoder},
    {"generation_attention", ReadDecode},
    {"moe", ReadMixture},
    {"scale_matrix", ReadQuantisation},
    {"nccl", ReadCollective},
    {"custom_allreduce", ReadCollective},
}};

void SplitCells(std::string_view line, std::vector<std::string_view>& cells) {
  cells.clear();
  while (true) {
    const size_t comma = line.find(',');
    cells.push_back(line.substr(0, comma));
    if (comma == std::string_view::npos) {
      return;
    }
    line.remove_prefix(comma + 1);
  }
}

/// Which launch the row was timed under: the all-reduce tables say so by name.
hardware::Launch LaunchOf(const Row& row) {
  const std::string_view backend = row.Text("backend");
  return backend.ends_with("_eager") ? hardware::Launch::kEager : hardware::Launch::kGraph;
}

tl::unexpected<Error> BadCellError(const std::filesystem::path& path, int number,
                                   std::string_view line, const BadCell& bad) {
  constexpr size_t kShown = 1000;
  const auto column =
      bad.cell.data() == nullptr ? 1 : static_cast<int>(bad.cell.data() - line.data()) + 1;
  return Fail(
      {.code = ErrorCode::kInvalidArgument,
       .message = bad.message,
       .where = SourceLocation{.source = std::make_shared<SourceText>(SourceText{
                                   .name = path.string(),
                                   .text = std::string(static_cast<size_t>(number - 1), '\n') +
                                           std::string(line.substr(0, kShown))}),
                               .line = number,
                               .column = column,
                               .length = std::max(1, static_cast<int>(bad.cell.size()))}});
}

/// Adds the row's point, or counts it as left out; what is wrong in it, if anything is.
std::optional<BadCell> AddRow(const Row& row, const FileName& name, RowReader reader,
                              ImportedPoints& result) {
  const double milliseconds = row.Real("latency");
  std::optional<TimedOperation> operation = reader(row);
  if (!operation) {
    result.LeaveOut("a number format or variant that is no operation here");
    return std::nullopt;
  }
  if (row.bad()) {
    return row.bad();
  }
  if (!(milliseconds > 0)) {
    result.LeaveOut("a row without a time");
    return std::nullopt;
  }
  result.points.push_back(
      {.operation = *std::move(operation),
       .condition = {.launch = LaunchOf(row)},
       .gpu = name.gpu,
       .time = Seconds::FromBase(milliseconds / 1e3),
       .library = std::string(row.Text("kernel_source")),
       .source = fmt::format("ai-dynamo/aiconfigurator {} {}", name.engine, name.family)});
  return std::nullopt;
}

}  // namespace

bool IsImportedOpsName(const std::filesystem::path& path) { return SplitName(path).has_value(); }

std::string ImportedGpu(const std::filesystem::path& path) {
  const std::optional<FileName> name = SplitName(path);
  return name ? name->gpu : "";
}

Result<ImportedPoints> ReadImportedOps(const std::filesystem::path& path) {
  const std::optional<FileName> name = SplitName(path);
  if (!name) {
    return InvalidArgument(
        "not named as an imported table: " + path.filename().string(),
        "SYSTEM__ENGINE-VERSION__FAMILY.csv.gz with a system of a100_sxm, h100_sxm, h200_sxm");
  }
  RowReader reader = nullptr;
  for (const auto& [family, read] : kReaders) {
    if (family == name->family) {
      reader = read;
    }
  }
  if (reader == nullptr) {
    return Unimplemented(fmt::format("not built yet: import of the tables of {}", name->family),
                         "it times a compound that no single operation stands for");
  }
  ASSIGN_OR_RETURN(const std::string text, ReadText(path));
  ImportedPoints result;
  std::map<std::string, size_t, std::less<>> columns;
  std::vector<std::string_view> cells;
  std::string_view rest = text;
  for (int number = 1; !rest.empty(); ++number) {
    const size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    if (line.empty()) {
      continue;
    }
    const auto fail = [&](const BadCell& bad) { return BadCellError(path, number, line, bad); };
    SplitCells(line, cells);
    if (columns.empty()) {
      for (size_t i = 0; i < cells.size(); ++i) {
        columns.emplace(cells[i], i);
      }
      if (!columns.contains("latency")) {
        return fail({.message = "no column latency in the header", .cell = {}});
      }
      continue;
    }
    ++result.rows;
    if (cells.size() != columns.size()) {
      return fail(
          {.message = fmt::format("{} cells where the header has {}", cells.size(), columns.size()),
           .cell = {}});
    }
    if (const std::optional<BadCell> bad = AddRow(Row(columns, cells), *name, reader, result)) {
      return fail(*bad);
    }
  }
  if (columns.empty()) {
    return InvalidArgument("empty: " + path.string());
  }
  return result;
}

}  // namespace ridgeline::calibration
