#include "calibration/nsys_export.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include <fmt/format.h>
#include <sqlite3.h>

#include "base/percentile.h"

namespace ridgeline::calibration {
namespace {

constexpr std::string_view kSqliteMagic = "SQLite format 3";
constexpr int64_t kPushPopRange = 59;  // NvtxPushPopRange in ENUM_NSYS_EVENT_TYPE
constexpr int kProcessShift = 24;      // globalTid: process and thread; globalPid: process alone

/// One open database; every failure names the file.
class Database {
 public:
  static Result<Database> Open(const std::filesystem::path& path) {
    sqlite3* handle = nullptr;
    const int status = sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READONLY, nullptr);
    Database database(handle, path.string());
    if (status != SQLITE_OK) {
      return database.Failure();
    }
    return database;
  }

  /// Calls `row` for each row of the answer.
  Status ForEach(const std::string& sql, const std::function<void(sqlite3_stmt*)>& row) const {
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v2(handle_.get(), sql.c_str(), -1, &raw, nullptr) != SQLITE_OK) {
      return Failure();
    }
    const std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> statement(raw, sqlite3_finalize);
    int status = SQLITE_ROW;
    while ((status = sqlite3_step(raw)) == SQLITE_ROW) {
      row(raw);
    }
    return status == SQLITE_DONE ? Status() : Failure();
  }

  Result<std::set<std::string>> Columns(const std::string& table) const {
    std::set<std::string> columns;
    RETURN_IF_ERROR(ForEach("PRAGMA table_info(" + table + ")", [&](sqlite3_stmt* row) {
      columns.emplace(reinterpret_cast<const char*>(sqlite3_column_text(row, 1)));
    }));
    return columns;
  }

  const std::string& name() const { return name_; }

 private:
  Database(sqlite3* handle, std::string name)
      : handle_(handle, sqlite3_close), name_(std::move(name)) {}

  tl::unexpected<Error> Failure() const {
    return InvalidArgument(
        fmt::format("cannot read {} as SQLite: {}", name_, sqlite3_errmsg(handle_.get())),
        "export it again: nsys export --type sqlite -o FILE.sqlite FILE.nsys-rep");
  }

  std::unique_ptr<sqlite3, int (*)(sqlite3*)> handle_;
  std::string name_;
};

struct Column {
  const char* name;
  bool is_needed = true;
};

/// "SELECT start, NULL, ... FROM table": NULL for what this version's schema has not. `hint` says
/// how a trace gets the table.
Result<std::string> Selection(const Database& database, const std::string& table,
                              const std::vector<Column>& columns, const std::string& hint) {
  ASSIGN_OR_RETURN(const std::set<std::string> there, database.Columns(table));
  if (there.empty()) {
    return InvalidArgument(fmt::format("no table {} in {}", table, database.name()), hint);
  }
  std::string sql;
  for (const Column& column : columns) {
    const bool is_there = there.contains(column.name);
    if (!is_there && column.is_needed) {
      return InvalidArgument(
          fmt::format("no column {} in table {} of {}", column.name, table, database.name()),
          "this version's schema is not known; export with another version of nsys");
    }
    sql += (sql.empty() ? "SELECT " : ", ") +
           (is_there ? fmt::format("\"{}\"", column.name) : std::string("NULL"));
  }
  return sql + " FROM " + table;
}

struct Kernel {
  int64_t duration_ns = 0;
  int64_t device = -1;
  std::string_view name;
};

struct Launch {
  int64_t thread = 0;
  int64_t start = 0;
  std::vector<Kernel> kernels;
};

struct Range {
  int64_t thread = 0;
  int64_t start = 0;
  int64_t end = 0;
  std::string_view text;
  std::string_view payload;
  std::vector<Kernel> kernels;
  bool has_inner = false;  // another such range stands inside it
};

struct Trace {
  std::unordered_map<int64_t, std::string> names;  // of StringIds, by id
  std::set<std::string> own_texts;                 // those that rows hold themselves
  std::vector<Range> ranges;                       // that stand for operations
  std::vector<Launch> launches;
  std::map<std::string, int64_t> ranks;    // of a communicator, by its id
  std::map<int64_t, std::string> devices;  // by id
  int64_t num_backwards = 0;               // kernels that end before they begin
  int64_t num_graphs = 0;                  // whole graphs, whose kernels were not traced
};

class TraceReader {
 public:
  explicit TraceReader(Database database) : database_(std::move(database)) {}

  Result<Trace> Read() {
    RETURN_IF_ERROR(ReadNames());
    RETURN_IF_ERROR(ReadDevices());
    RETURN_IF_ERROR(ReadRanges());
    RETURN_IF_ERROR(ReadKernels());
    RETURN_IF_ERROR(ReadLaunches());
    return std::move(trace_);
  }

 private:
  using Key = std::pair<int64_t, int64_t>;  // process, correlation id

  Status ReadNames() {
    ASSIGN_OR_RETURN(const std::string sql,
                     Selection(database_, "StringIds", {{"id"}, {"value"}},
                               "not an export of Nsight Systems: nsys export --type sqlite"));
    return database_.ForEach(sql, [&](sqlite3_stmt* row) {
      trace_.names.emplace(sqlite3_column_int64(row, 0), TextOf(row, 1));
    });
  }

  Status ReadDevices() {
    ASSIGN_OR_RETURN(const std::set<std::string> there, database_.Columns("TARGET_INFO_GPU"));
    if (!there.contains("id") || !there.contains("name")) {
      return {};
    }
    return database_.ForEach("SELECT id, name FROM TARGET_INFO_GPU", [&](sqlite3_stmt* row) {
      trace_.devices.emplace(sqlite3_column_int64(row, 0), TextOf(row, 1));
    });
  }

  Status ReadRanges() {
    ASSIGN_OR_RETURN(
        const std::string sql,
        Selection(database_, "NVTX_EVENTS",
                  {{"start"},
                   {"end"},
                   {"globalTid"},
                   {"eventType", false},
                   {"text", false},
                   {"textId", false},
                   {"jsonText", false},
                   {"jsonTextId", false}},
                  "shapes come from NVTX: nsys profile --trace=cuda,nvtx, and in the program "
                  "torch.autograd.profiler.emit_nvtx(record_shapes=True)"));
    return database_.ForEach(sql, [&](sqlite3_stmt* row) {
      const bool is_range = sqlite3_column_type(row, 1) != SQLITE_NULL &&
                            (sqlite3_column_type(row, 3) == SQLITE_NULL ||
                             sqlite3_column_int64(row, 3) == kPushPopRange);
      if (!is_range) {
        return;
      }
      Range range{.thread = sqlite3_column_int64(row, 2),
                  .start = sqlite3_column_int64(row, 0),
                  .end = sqlite3_column_int64(row, 1),
                  .text = Name(row, 4, 5),
                  .payload = Name(row, 6, 7),
                  .kernels = {}};
      if (range.text.starts_with("ncclComm")) {
        const Communicator communicator = CommunicatorIn(range.payload);
        if (communicator.ranks > 0) {
          trace_.ranks[communicator.id] = communicator.ranks;
        }
      }
      if (StandsForOperation({.text = range.text, .payload = range.payload})) {
        trace_.ranges.push_back(std::move(range));
      }
    });
  }

  Status ReadKernels() {
    ASSIGN_OR_RETURN(const std::set<std::string> graphs,
                     database_.Columns("CUPTI_ACTIVITY_KIND_GRAPH_TRACE"));
    if (!graphs.empty()) {
      RETURN_IF_ERROR(database_.ForEach(
          "SELECT count(*) FROM CUPTI_ACTIVITY_KIND_GRAPH_TRACE",
          [&](sqlite3_stmt* row) { trace_.num_graphs = sqlite3_column_int64(row, 0); }));
    }
    ASSIGN_OR_RETURN(
        const std::string sql,
        Selection(database_, "CUPTI_ACTIVITY_KIND_KERNEL",
                  {{"start"},
                   {"end"},
                   {"correlationId"},
                   {"globalPid", false},
                   {"deviceId", false},
                   {"demangledName", false},
                   {"shortName", false},
                   {"name", false}},
                  trace_.num_graphs > 0
                      ? "graphs were traced whole: nsys profile --cuda-graph-trace=node"
                      : "no kernel was traced: nsys profile --trace=cuda,nvtx"));
    return database_.ForEach(sql, [&](sqlite3_stmt* row) {
      Kernel kernel{
          .duration_ns = sqlite3_column_int64(row, 1) - sqlite3_column_int64(row, 0),
          .device = sqlite3_column_type(row, 4) == SQLITE_NULL ? -1 : sqlite3_column_int64(row, 4),
          .name = Name(row, 5, 5)};
      for (const int column : {6, 7}) {
        kernel.name = kernel.name.empty() ? Name(row, column, column) : kernel.name;
      }
      if (kernel.duration_ns <= 0) {
        ++trace_.num_backwards;
        return;
      }
      has_processes_ = has_processes_ || sqlite3_column_type(row, 3) != SQLITE_NULL;
      kernels_[{sqlite3_column_int64(row, 3) >> kProcessShift, sqlite3_column_int64(row, 2)}]
          .push_back(kernel);
    });
  }

  Status ReadLaunches() {
    ASSIGN_OR_RETURN(
        const std::string sql,
        Selection(database_, "CUPTI_ACTIVITY_KIND_RUNTIME",
                  {{"start"}, {"globalTid"}, {"correlationId"}},
                  "no call of the CUDA runtime was traced: nsys profile --trace=cuda"));
    return database_.ForEach(sql, [&](sqlite3_stmt* row) {
      const int64_t thread = sqlite3_column_int64(row, 1);
      const auto found = kernels_.find(
          {has_processes_ ? thread >> kProcessShift : 0, sqlite3_column_int64(row, 2)});
      if (found != kernels_.end()) {
        trace_.launches.push_back({.thread = thread,
                                   .start = sqlite3_column_int64(row, 0),
                                   .kernels = std::move(found->second)});
        kernels_.erase(found);
      }
    });
  }

  static std::string TextOf(sqlite3_stmt* row, int column) {
    const auto* const text = reinterpret_cast<const char*>(sqlite3_column_text(row, column));
    return text == nullptr
               ? ""
               : std::string(text, static_cast<size_t>(sqlite3_column_bytes(row, column)));
  }

  /// The text in one column, or that which the id in the other (or the same) stands for. Lives as
  /// long as the trace.
  std::string_view Name(sqlite3_stmt* row, int text, int id) {
    if (sqlite3_column_type(row, text) == SQLITE_TEXT) {
      return *trace_.own_texts.insert(TextOf(row, text)).first;
    }
    if (sqlite3_column_type(row, id) == SQLITE_INTEGER) {
      const auto found = trace_.names.find(sqlite3_column_int64(row, id));
      return found == trace_.names.end() ? std::string_view() : found->second;
    }
    return {};
  }

  Database database_;
  Trace trace_;
  std::map<Key, std::vector<Kernel>> kernels_;
  bool has_processes_ = false;
};

/// Gives each launch's kernels to the innermost range around it. Returns how many found none.
int64_t GiveKernels(Trace& trace) {
  const auto by_thread = [](const auto& a, const auto& b) {
    return std::tie(a.thread, a.start) < std::tie(b.thread, b.start);
  };
  std::sort(trace.launches.begin(), trace.launches.end(), by_thread);
  // The outer of two that begin together first, so that the inner one ends on top.
  std::sort(trace.ranges.begin(), trace.ranges.end(), [](const Range& a, const Range& b) {
    return std::tie(a.thread, a.start, b.end) < std::tie(b.thread, b.start, a.end);
  });
  int64_t outside = 0;
  size_t next = 0;
  std::vector<Range*> open;
  const auto close_until = [&open](int64_t thread, int64_t time) {
    while (!open.empty() && (open.back()->thread != thread || open.back()->end <= time)) {
      open.pop_back();
    }
  };
  for (Launch& launch : trace.launches) {
    for (; next < trace.ranges.size() && !by_thread(launch, trace.ranges[next]); ++next) {
      Range& range = trace.ranges[next];
      close_until(range.thread, range.start);
      if (!open.empty()) {
        open.back()->has_inner = true;
      }
      open.push_back(&range);
    }
    close_until(launch.thread, launch.start);
    if (open.empty()) {
      outside += static_cast<int64_t>(launch.kernels.size());
    } else {
      std::vector<Kernel>& kernels = open.back()->kernels;
      kernels.insert(kernels.end(), launch.kernels.begin(), launch.kernels.end());
    }
  }
  return outside;
}

/// One operation's occurrences.
struct Repeated {
  OperationLine line;
  std::vector<double> seconds;
  std::string kernel;  // the longest of the first occurrence
  int64_t device = -1;
};

Measurement PointOf(const Repeated& repeated, const Trace& trace, std::string_view gpu) {
  std::vector<double> ordered = repeated.seconds;
  const double median = ExactQuantile(ordered, 0.5);
  std::vector<double> deviations;
  deviations.reserve(repeated.seconds.size());
  for (const double seconds : repeated.seconds) {
    deviations.push_back(std::abs(seconds - median));
  }
  const bool is_collective = std::holds_alternative<Collective>(repeated.line.operation);
  const double time =
      is_collective ? *std::min_element(repeated.seconds.begin(), repeated.seconds.end()) : median;
  const auto device = trace.devices.find(repeated.device);
  constexpr size_t kLongestName = 120;
  return {.operation = repeated.line.operation,
          .condition = repeated.line.condition,
          .gpu = std::string(gpu),
          .time = Seconds::FromBase(time),
          .spread = 1.4826 * ExactQuantile(deviations, 0.5) / median,
          .samples = static_cast<int64_t>(repeated.seconds.size()),
          .library = repeated.kernel.substr(0, kLongestName),
          .device = device == trace.devices.end() ? "" : device->second,
          .source = "nsys"};
}

void AddRange(Range& range, const Trace& trace, const TraceFacts& facts,
              std::map<std::string, Repeated>& found, ImportedPoints& result) {
  std::stable_sort(range.kernels.begin(), range.kernels.end(),
                   [](const Kernel& a, const Kernel& b) { return a.duration_ns > b.duration_ns; });
  if (range.has_inner) {
    // A linear layer around its product: what else it launched is neither of the two.
    result.LeaveOut("kernels beside an operation that stands inside their range");
    return;
  }
  std::vector<std::string_view> names;
  int64_t nanoseconds = 0;
  for (const Kernel& kernel : range.kernels) {
    names.push_back(kernel.name);
    nanoseconds += kernel.duration_ns;
  }
  const auto ranks = trace.ranks.find(CommunicatorIn(range.payload).id);
  const Result<OperationLine> line =
      OperationOf({.text = range.text, .payload = range.payload}, names, facts,
                  ranks == trace.ranks.end() ? 0 : ranks->second);
  if (!line) {
    result.LeaveOut(line.error().message, line.error().hint);
    return;
  }
  Repeated& repeated = found[OperationText(line->operation) + ConditionText(line->condition)];
  if (repeated.seconds.empty()) {
    repeated.line = *line;
    repeated.kernel = names.front();
    repeated.device = range.kernels.front().device;
  }
  repeated.seconds.push_back(static_cast<double>(nanoseconds) * 1e-9);
}

}  // namespace

bool IsSqlite(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    return false;  // a pipe can be read only once, and SQLite cannot read it at all
  }
  std::string head(kSqliteMagic.size(), '\0');
  std::ifstream(path, std::ios::binary)
      .read(head.data(), static_cast<std::streamsize>(head.size()));
  return head == kSqliteMagic;
}

Result<ImportedPoints> ReadNsysExport(const std::filesystem::path& path, std::string_view gpu,
                                      const TraceFacts& facts) {
  ASSIGN_OR_RETURN(Database database, Database::Open(path));
  ASSIGN_OR_RETURN(Trace trace, TraceReader(std::move(database)).Read());
  const int64_t outside = GiveKernels(trace);
  ImportedPoints result;
  std::map<std::string, Repeated> found;
  for (Range& range : trace.ranges) {
    if (!range.kernels.empty()) {
      ++result.rows;
      AddRange(range, trace, facts, found, result);
    }
  }
  for (const auto& [text, repeated] : found) {
    result.points.push_back(PointOf(repeated, trace, gpu));
  }
  const auto add = [&](const char* reason, const char* hint, int64_t count) {
    if (count > 0) {
      result.rows += count;
      result.left_out += count;
      result.reasons.push_back({.reason = reason, .hint = hint, .count = count});
    }
  };
  add("a kernel outside every range that says a shape",
      "emit_nvtx(record_shapes=True), or ranges of your own: {\"op\":\"gemm\",\"m\":...}", outside);
  add("a kernel that ends before it begins", "", trace.num_backwards);
  add("a graph traced as a whole", "nsys profile --cuda-graph-trace=node", trace.num_graphs);
  return result;
}

}  // namespace ridgeline::calibration
