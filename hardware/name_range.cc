#include "hardware/name_range.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>

namespace ridgeline::hardware {
namespace {

constexpr int64_t kMostNames = 1'000'000;
constexpr std::string_view kHowTo = "write leaf[0-3] for leaf0 to leaf3";

struct Range {
  int64_t first = 0;
  int64_t last = 0;
};

std::optional<int64_t> NumberOf(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && !text.empty() &&
                 text.front() != '-'
             ? std::optional(value)
             : std::nullopt;
}

/// What stands between brackets: "0-3", "5", "*" (only where a limit says how many there are).
Result<Range> RangeOf(std::string_view inside, std::string_view pattern, int64_t limit) {
  if (inside == "*" && limit > 0) {
    return Range{0, limit - 1};
  }
  const size_t dash = inside.find('-');
  const std::optional<int64_t> first = NumberOf(inside.substr(0, dash));
  const std::optional<int64_t> last =
      dash == std::string_view::npos ? first : NumberOf(inside.substr(dash + 1));
  if (!first || !last) {
    return InvalidArgument(fmt::format("not a range of numbers: {}", pattern), std::string(kHowTo));
  }
  if (*last < *first) {
    return InvalidArgument(fmt::format("a range that runs backwards: {}", pattern),
                           std::string(kHowTo));
  }
  if (*last - *first >= kMostNames) {
    return InvalidArgument(fmt::format("a range of too many names: {}", pattern),
                           fmt::format("{} are the most", kMostNames));
  }
  return Range{*first, *last};
}

/// A number or a bracket at the front of `text`, which is taken off.
Result<Range> TakeRange(std::string_view& text, std::string_view pattern, int64_t limit,
                        std::string_view what) {
  std::string_view inside;
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == std::string_view::npos) {
      return InvalidArgument(fmt::format("a bracket that is not closed: {}", pattern),
                             std::string(kHowTo));
    }
    inside = text.substr(1, close - 1);
    text.remove_prefix(close + 1);
  } else {
    const size_t end = std::min(text.find_first_not_of("0123456789"), text.size());
    inside = text.substr(0, end);
    text.remove_prefix(end);
  }
  ASSIGN_OR_RETURN(const Range range, RangeOf(inside, pattern, limit));
  if (range.last >= limit) {
    return InvalidArgument(
        fmt::format("no such {} in {}: {}", what, pattern, range.last),
        limit == 1 ? fmt::format("there is one {}, number 0", what)
                   : fmt::format("there are {} {}s, from 0 to {}", limit, what, limit - 1));
  }
  return range;
}

}  // namespace

Result<std::vector<std::string>> ExpandNames(std::string_view pattern) {
  const size_t open = pattern.find('[');
  if (open == std::string_view::npos) {
    if (pattern.find(']') != std::string_view::npos) {
      return InvalidArgument(fmt::format("a bracket that is not opened: {}", pattern),
                             std::string(kHowTo));
    }
    return std::vector<std::string>{std::string(pattern)};
  }
  const size_t close = pattern.find(']', open);
  if (close == std::string_view::npos) {
    return InvalidArgument(fmt::format("a bracket that is not closed: {}", pattern),
                           std::string(kHowTo));
  }
  ASSIGN_OR_RETURN(const Range range,
                   RangeOf(pattern.substr(open + 1, close - open - 1), pattern, 0));
  ASSIGN_OR_RETURN(const std::vector<std::string> tails, ExpandNames(pattern.substr(close + 1)));
  const auto n = (range.last - range.first + 1) * static_cast<int64_t>(tails.size());
  if (n > kMostNames) {
    return InvalidArgument(fmt::format("a range of too many names: {}", pattern),
                           fmt::format("{} are the most", kMostNames));
  }
  std::vector<std::string> names;
  names.reserve(static_cast<size_t>(n));
  for (int64_t i = range.first; i <= range.last; ++i) {
    for (const std::string& tail : tails) {
      names.push_back(fmt::format("{}{}{}", pattern.substr(0, open), i, tail));
    }
  }
  return names;
}

bool IsPortPattern(std::string_view pattern) {
  return pattern.starts_with("node") && pattern.find('.') != std::string_view::npos;
}

Result<std::vector<PortName>> ExpandPorts(std::string_view pattern, int64_t nodes, int64_t nics) {
  constexpr std::string_view kPorts = "write node[0-7].nic[0-7], or node[*].nic[*] for all";
  std::string_view rest = pattern;
  rest.remove_prefix(std::string_view("node").size());
  ASSIGN_OR_RETURN(const Range node, TakeRange(rest, pattern, nodes, "node"));
  if (!rest.starts_with(".nic")) {
    return InvalidArgument(fmt::format("not a port of a node: {}", pattern), std::string(kPorts));
  }
  rest.remove_prefix(std::string_view(".nic").size());
  ASSIGN_OR_RETURN(const Range nic, TakeRange(rest, pattern, nics, "port of a node"));
  if (!rest.empty()) {
    return InvalidArgument(fmt::format("not a port of a node: {}", pattern), std::string(kPorts));
  }
  std::vector<PortName> ports;
  for (int64_t n = node.first; n <= node.last; ++n) {
    for (int64_t i = nic.first; i <= nic.last; ++i) {
      ports.push_back({.node = n, .nic = i});
    }
  }
  return ports;
}

}  // namespace ridgeline::hardware
