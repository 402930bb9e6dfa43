#include "calibration/nccl_tests_log.h"

#include <algorithm>
#include <array>
#include <cstdlib>
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

constexpr std::array<std::pair<std::string_view, DType>, 10> kTypes = {{
    {"float", DType::kFp32},
    {"double", DType::kFp64},
    {"half", DType::kFp16},
    {"bfloat16", DType::kBf16},
    {"int8", DType::kInt8},
    {"uint8", DType::kInt8},
    {"int32", DType::kFp32},
    {"uint32", DType::kFp32},
    {"int64", DType::kFp64},
    {"fp8_e4m3", DType::kFp8},
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

}  // namespace

bool IsNcclTestsLog(std::string_view text) {
  // Our own points of collectives carry both figures, as JSON.
  return !text.starts_with('{') && text.find("algbw") != std::string_view::npos &&
         text.find("busbw") != std::string_view::npos;
}

Result<std::vector<Measurement>> ParseNcclTestsLog(std::string_view text, std::string_view gpu,
                                                   std::optional<CollectiveKind> kind) {
  Header header;
  std::vector<std::vector<std::string_view>> rows;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    std::vector<std::string_view> words = Words(line);
    if (words.empty()) {
      continue;
    }
    const bool is_row = words.size() >= 8 && NumberIn(words[0]) && NumberIn(words[1]);
    if (is_row) {
      rows.push_back(std::move(words));
    } else {
      ReadHeaderLine(line, header);
    }
  }
  if (!kind) {
    kind = header.kind;
  }
  if (!kind) {
    return InvalidArgument("the log does not say which collective it timed",
                           "keep the line with the program's name, such as all_reduce_perf");
  }
  if (header.ranks < 1 || header.hosts.empty() || !header.time_from_right) {
    return InvalidArgument("not a whole nccl-tests log: no Rank lines or no table header");
  }
  const auto hosts = static_cast<int64_t>(header.hosts.size());
  const int64_t per_node = (header.ranks + hosts - 1) / hosts;
  std::vector<Measurement> points;
  for (const std::vector<std::string_view>& words : rows) {
    if (words.size() < *header.time_from_right) {
      continue;
    }
    const double bytes = *NumberIn(words[0]);
    const std::optional<double> time = NumberIn(words[words.size() - *header.time_from_right]);
    const auto type = std::find_if(kTypes.begin(), kTypes.end(),
                                   [&](const auto& entry) { return entry.first == words[2]; });
    if (!time || !(*time > 0) || !(bytes > 0) || type == kTypes.end()) {
      continue;
    }
    points.push_back(
        {.operation = Collective{.kind = *kind,
                                 .bytes = Bytes::FromBase(bytes),
                                 .group = {.ranks = header.ranks, .ranks_per_node = per_node},
                                 .dtype = type->second},
         .condition = {.launch = header.is_graph ? "graph" : "eager"},
         .gpu = std::string(gpu),
         .time = Microseconds(*time),
         .library = "nccl-tests",
         .device = header.device,
         .source = "nccl-tests"});
  }
  if (points.empty()) {
    return InvalidArgument("no timed row in the nccl-tests log");
  }
  return points;
}

}  // namespace ridgeline::calibration
