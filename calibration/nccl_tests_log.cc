#include "calibration/nccl_tests_log.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <set>
#include <utility>

#include <fmt/format.h>

namespace ridgeline::calibration {
namespace {

constexpr std::array<std::pair<std::string_view, CollectiveKind>, 6> kPrograms = {{
    {"all_reduce_perf", CollectiveKind::kAllReduce},
    {"all_gather_perf", CollectiveKind::kAllGather},
    {"reduce_scatter_perf", CollectiveKind::kReduceScatter},
    {"alltoall_perf", CollectiveKind::kAllToAll},
    {"broadcast_perf", CollectiveKind::kBroadcast},
    {"sendrecv_perf", CollectiveKind::kSend},
}};

/// As files are named, without what parts words.
constexpr std::array<std::pair<std::string_view, CollectiveKind>, 6> kFileNames = {{
    {"allreduce", CollectiveKind::kAllReduce},
    {"allgather", CollectiveKind::kAllGather},
    {"reducescatter", CollectiveKind::kReduceScatter},
    {"alltoall", CollectiveKind::kAllToAll},
    {"broadcast", CollectiveKind::kBroadcast},
    {"sendrecv", CollectiveKind::kSend},
}};

/// Integers go by the type of their size: what travels is bytes.
constexpr std::array<std::pair<std::string_view, DType>, 14> kTypes = {{
    {"float", DType::kFp32},
    {"double", DType::kFp64},
    {"half", DType::kFp16},
    {"bfloat16", DType::kBf16},
    {"int8", DType::kInt8},
    {"uint8", DType::kInt8},
    {"int32", DType::kFp32},
    {"uint32", DType::kFp32},
    {"int64", DType::kFp64},
    {"uint64", DType::kFp64},
    {"f8e4m3", DType::kFp8},
    {"f8e5m2", DType::kFp8},
    {"fp8_e4m3", DType::kFp8},
    {"fp8_e5m2", DType::kFp8},
}};

std::vector<std::string_view> Words(std::string_view line) {
  std::vector<std::string_view> words;
  while (true) {
    const size_t begin = line.find_first_not_of(" \t\r");
    if (begin == std::string_view::npos) {
      return words;
    }
    line.remove_prefix(begin);
    const size_t end = std::min(line.find_first_of(" \t\r"), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

std::optional<double> NumberIn(std::string_view word) {
  const std::string text(word);
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  return end == text.c_str() + text.size() && !text.empty() ? std::optional(value) : std::nullopt;
}

/// What the lines that begin with # say.
struct Header {
  int64_t ranks = 0;
  std::set<std::string, std::less<>> hosts;
  std::string device;
  bool is_graph = false;
  std::optional<CollectiveKind> kind;
  std::optional<size_t> time_from_right;  // index of the out-of-place time, counted from the end
};

void ReadHeaderLine(std::string_view line, Header& header) {
  const std::vector<std::string_view> words = Words(line);
  for (const auto& [program, kind] : kPrograms) {
    if (line.find(program) != std::string_view::npos) {
      header.kind = kind;
    }
  }
  for (size_t i = 0; i + 1 < words.size(); ++i) {
    if ((words[i] == "graph:" || words[i] == "graph" || words[i] == "-G") &&
        NumberIn(words[i + 1]).value_or(0) > 0) {
      header.is_graph = true;
    }
  }
  if (words.size() > 1 && words[0] == "#" && words[1] == "Rank") {
    ++header.ranks;
    for (size_t i = 2; i + 1 < words.size(); ++i) {
      if (words[i] == "on") {
        header.hosts.emplace(words[i + 1]);
      }
    }
    const size_t bracket = line.find(']');
    if (bracket != std::string_view::npos && line.size() > bracket + 2) {
      header.device = line.substr(bracket + 2);
    }
  }
  // Two blocks of time, algbw, busbw, #wrong: the first is out of place.
  const auto time = std::find(words.begin(), words.end(), "time");
  if (words.size() > 1 && words[1] == "size" && time != words.end()) {
    header.time_from_right = static_cast<size_t>(words.end() - time);
  }
}

/// One run of one program: its header, then its rows.
class Section {
 public:
  /// Whether `line` begins another run: a header's line, or one that names a program, behind rows.
  bool Ends(std::string_view line) const {
    const auto holds = [&](std::string_view words) {
      return line.find(words) != std::string_view::npos;
    };
    const bool is_header = line.starts_with('#') && (holds("nThread") || holds(" Rank "));
    const bool names_program =
        std::any_of(kPrograms.begin(), kPrograms.end(),
                    [&](const auto& program) { return holds(program.first); });
    return has_rows_ && !holds("concluded") && (is_header || names_program);
  }

  Status Read(std::string_view line, std::string_view gpu, std::optional<CollectiveKind> told,
              ImportedPoints& result) {
    const std::vector<std::string_view> words = Words(line);
    const bool is_row = words.size() >= 8 && NumberIn(words[0]) && NumberIn(words[1]);
    if (!is_row) {
      ReadHeaderLine(line, header_);
      return {};
    }
    has_rows_ = true;
    ++result.rows;
    const std::optional<CollectiveKind> kind = header_.kind ? header_.kind : told;
    if (!kind) {
      return InvalidArgument("the log does not say which collective it timed",
                             "name the file after the program, as all_reduce_perf.log, or say it: "
                             "--assume op=all_reduce");
    }
    if (header_.ranks < 1 || header_.hosts.empty() || !header_.time_from_right) {
      return InvalidArgument("not a whole nccl-tests log: no Rank lines or no table header above",
                             "keep every line that begins with #");
    }
    if (const std::string reason = AddRow(words, gpu, *kind, result); !reason.empty()) {
      result.LeaveOut(reason);
    }
    return {};
  }

 private:
  /// Why the row is no point; empty when it is one.
  std::string AddRow(const std::vector<std::string_view>& words, std::string_view gpu,
                     CollectiveKind kind, ImportedPoints& result) const {
    const size_t from_right = *header_.time_from_right;
    if (words.size() < from_right || from_right < 4) {
      return "a row shorter than its table's header";
    }
    const double bytes = *NumberIn(words[0]);
    const size_t at = words.size() - from_right;
    const std::optional<double> time = NumberIn(words[at]);
    const auto type = std::find_if(kTypes.begin(), kTypes.end(),
                                   [&](const auto& entry) { return entry.first == words[2]; });
    if (!(bytes > 0)) {
      return "an empty message";
    }
    if (!time || !(*time > 0) || !std::isfinite(*time)) {
      return "a row without a time";
    }
    if (type == kTypes.end()) {
      return fmt::format("an unknown type: {}", words[2]);
    }
    // Behind time, algbw and busbw; N/A where nothing was checked.
    if (NumberIn(words[at + 3]).value_or(0) > 0) {
      return "a row whose answers were wrong (#wrong)";
    }
    const auto hosts = static_cast<int64_t>(header_.hosts.size());
    result.points.push_back(
        {.operation = Collective{.kind = kind,
                                 .bytes = Bytes::FromBase(bytes),
                                 .group = {.ranks = header_.ranks,
                                           .ranks_per_node = (header_.ranks + hosts - 1) / hosts},
                                 .dtype = type->second},
         .condition = {.launch =
                           header_.is_graph ? hardware::Launch::kGraph : hardware::Launch::kEager},
         .gpu = std::string(gpu),
         .time = Microseconds(*time),
         .library = "nccl-tests",
         .device = header_.device,
         .source = "nccl-tests"});
    return {};
  }

  Header header_;
  bool has_rows_ = false;
};

}  // namespace

bool IsNcclTestsLog(std::string_view text) {
  // Our own points of collectives carry both figures, as JSON.
  return !text.starts_with('{') && text.find("algbw") != std::string_view::npos &&
         text.find("busbw") != std::string_view::npos;
}

std::optional<CollectiveKind> CollectiveInFileName(std::string_view path) {
  std::string name;
  for (const char c : path.substr(path.rfind('/') + 1)) {
    if (c != '_' && c != '-' && c != ' ') {
      name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  std::optional<CollectiveKind> said;
  for (const auto& [word, kind] : kFileNames) {
    if (name.find(word) != std::string::npos) {
      if (said) {
        return std::nullopt;
      }
      said = kind;
    }
  }
  return said;
}

Result<ImportedPoints> ReadNcclTestsLog(const std::string& name, std::string_view text,
                                        std::string_view gpu, std::optional<CollectiveKind> kind) {
  kind = kind ? kind : CollectiveInFileName(name);
  ImportedPoints result;
  Section section;
  for (int number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    if (section.Ends(line)) {
      section = Section();
    }
    if (Status read = section.Read(line, gpu, kind, result); !read) {
      Error error = std::move(read).error();
      error.where = SourceLocation{
          .source = std::make_shared<SourceText>(SourceText{.name = name, .text = ""}),
          .line = number,
          .column = 1};
      return Fail(std::move(error));
    }
  }
  if (result.rows == 0) {
    return InvalidArgument(fmt::format("no timed row in the nccl-tests log: {}", name));
  }
  return result;
}

}  // namespace ridgeline::calibration
