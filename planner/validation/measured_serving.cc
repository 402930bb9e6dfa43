#include "planner/validation/measured_serving.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "planner/validation/csv_reader.h"

namespace ridgeline::validation {
namespace {

constexpr int64_t kSharedBlockTokens = 16;

struct ServingLogsDocument {
  std::string kind;
  std::string name;
  std::string source;
  std::map<std::string, Ratio> tolerance;
  std::vector<ServingLogDescription> runs;
};

const Schema<ServingLogsDocument>& SchemaOf(Tag<ServingLogsDocument>) {
  using D = ServingLogsDocument;
  static const Schema<D> schema =
      Schema<D>("measured serving runs, request by request")
          .Required("kind", &D::kind, "serving-logs")
          .Required("name", &D::name, "of the suite")
          .Required("source", &D::source, "where the logs were published")
          .Optional("tolerance", &D::tolerance, "relative, by metric")
          .Required("runs", &D::runs, "one a log");
  return schema;
}

enum Column : size_t {
  kRequest,
  kInput,
  kOutput,
  kWith,
  kBlocks,
  kQueued,
  kScheduled,
  kFirst,
  kLast
};
constexpr std::array<std::string_view, 9> kColumns = {
    "request",  "input_tokens", "output_tokens", "shared_with", "shared_blocks",
    "queued_s", "scheduled_s",  "first_token_s", "last_token_s"};

tl::unexpected<Error> Wrong(const CsvField& field, std::string message) {
  return Fail(
      {.code = ErrorCode::kInvalidArgument, .message = std::move(message), .where = field.where});
}

template <class T>
Result<T> Number(const CsvField& field, T least, T most) {
  T value{};
  const char* const end = field.text.data() + field.text.size();
  const auto read = std::from_chars(field.text.data(), end, value);
  if (read.ec != std::errc() || read.ptr != end || !(value >= least && value <= most)) {
    return Wrong(field,
                 fmt::format("expected a number from {} to {}: {}", least, most, field.text));
  }
  return value;
}

/// Ids of the full blocks of each prompt: an earlier request's where they are equal, else new ones.
class PrefixIds {
 public:
  explicit PrefixIds(workloads::RequestLoad& load) : load_(load) {
    load_.prefix_block_tokens = kSharedBlockTokens;
  }

  Status Add(workloads::Request& request, const CsvField& with, const CsvField& blocks) {
    request.first_prefix_id = static_cast<int64_t>(load_.prefix_ids.size());
    request.num_prefix_ids = request.input_tokens / kSharedBlockTokens;
    int64_t shared = 0;
    if (!with.text.empty() || !blocks.text.empty()) {
      const auto last = static_cast<int64_t>(load_.requests.size()) - 1;
      ASSIGN_OR_RETURN(const int64_t index, Number<int64_t>(with, 0, last));
      const workloads::Request& other = load_.requests[static_cast<size_t>(index)];
      ASSIGN_OR_RETURN(
          shared,
          Number<int64_t>(blocks, 1, std::min(request.num_prefix_ids, other.num_prefix_ids)));
      for (int64_t i = 0; i < shared; ++i) {
        const int64_t id = load_.prefix_ids[static_cast<size_t>(other.first_prefix_id + i)];
        load_.prefix_ids.push_back(id);
      }
    }
    for (int64_t i = shared; i < request.num_prefix_ids; ++i) {
      load_.prefix_ids.push_back(next_++);
    }
    return {};
  }

 private:
  workloads::RequestLoad& load_;
  int64_t next_ = 0;
};

Status AddRow(const CsvRow& row, const std::array<size_t, kColumns.size()>& at, PrefixIds& ids,
              MeasuredServing& log) {
  constexpr int64_t kMostTokens = int64_t{1} << 30;
  constexpr double kMostSeconds = 1e6;
  const auto field = [&](Column column) -> const CsvField& { return row.fields[at[column]]; };
  const auto tokens = [&](Column column) { return Number<int64_t>(field(column), 1, kMostTokens); };
  const auto seconds = [&](Column column, double least) {
    return Number<double>(field(column), least, kMostSeconds);
  };
  workloads::Request request;
  ASSIGN_OR_RETURN(request.input_tokens, tokens(kInput));
  ASSIGN_OR_RETURN(request.output_tokens, tokens(kOutput));
  const double before = log.load.requests.empty() ? 0.0 : log.load.requests.back().arrival.base();
  ASSIGN_OR_RETURN(const double queued, seconds(kQueued, before));
  ASSIGN_OR_RETURN(const double first, seconds(kFirst, queued));
  ASSIGN_OR_RETURN(const double last, seconds(kLast, first));
  request.arrival = Seconds::FromBase(queued);
  RETURN_IF_ERROR(ids.Add(request, field(kWith), field(kBlocks)));
  log.load.requests.push_back(request);
  log.measured.push_back({.first = Seconds::FromBase(first), .last = Seconds::FromBase(last)});
  return {};
}

Result<MeasuredServing> ReadLog(const std::filesystem::path& folder,
                                const ServingLogDescription& description,
                                const std::string& source) {
  ASSIGN_OR_RETURN(const CsvTable table, ReadCsv(folder / description.file));
  std::array<size_t, kColumns.size()> at{};
  for (size_t i = 0; i < kColumns.size(); ++i) {
    at[i] = table.ColumnIndex(kColumns[i]);
    if (at[i] == CsvTable::kNoColumn) {
      return Fail({.code = ErrorCode::kInvalidArgument,
                   .message = fmt::format("missing column: {}", kColumns[i]),
                   .where = table.where});
    }
  }
  MeasuredServing log{.title = description.title,
                      .limits = {.block_tokens = kSharedBlockTokens,
                                 .blocks = description.kv_blocks,
                                 .max_batched_tokens = description.max_batched_tokens,
                                 .max_sequences = description.max_sequences,
                                 .max_model_len = description.max_model_len},
                      .load = {},
                      .measured = {}};
  log.load.description = description.title;
  log.load.source = source;
  PrefixIds ids(log.load);
  for (const CsvRow& row : table.rows) {
    RETURN_IF_ERROR(AddRow(row, at, ids, log));
  }
  return log;
}

}  // namespace

const Schema<ServingLogDescription>& SchemaOf(Tag<ServingLogDescription>) {
  using D = ServingLogDescription;
  static const Schema<D> schema =
      Schema<D>("a measured serving run and the limits of its scheduler")
          .Required("file", &D::file, "CSV, as a path from this file's folder")
          .Required("title", &D::title, "engine, GPU and model")
          .Required("kv_blocks", &D::kv_blocks, "usable blocks of 16 tokens", {.at_least = 1})
          .Required("max_batched_tokens", &D::max_batched_tokens, "tokens of a step",
                    {.at_least = 1})
          .Required("max_sequences", &D::max_sequences, "sequences that run at once",
                    {.at_least = 1})
          .Required("max_model_len", &D::max_model_len, "prompt and answer", {.at_least = 1});
  return schema;
}

bool IsServingLogs(const Node& document) {
  const Node* const kind = document.Find("kind");
  return kind != nullptr && kind->scalar == "serving-logs";
}

Result<ServingLogs> ReadServingLogs(const Node& document, const std::filesystem::path& folder) {
  ASSIGN_OR_RETURN(const ServingLogsDocument read, Decode<ServingLogsDocument>(document));
  ServingLogs logs{.name = read.name, .source = read.source, .tolerance = {}, .runs = {}};
  for (const auto& [metric, tolerance] : read.tolerance) {
    logs.tolerance.emplace(metric, tolerance.value);
  }
  for (const ServingLogDescription& run : read.runs) {
    ASSIGN_OR_RETURN(MeasuredServing log, ReadLog(folder, run, read.source));
    logs.runs.push_back(std::move(log));
  }
  return logs;
}

}  // namespace ridgeline::validation
