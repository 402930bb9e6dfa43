#include "service/cli/size_sweep.h"

#include <charconv>
#include <optional>

#include <fmt/format.h>

namespace ridgeline::cli {
namespace {

constexpr int64_t kMostBytes = int64_t{1} << 50;

std::optional<int64_t> ReadSize(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value < 1 || value > kMostBytes) {
    return std::nullopt;
  }
  const std::string_view suffix = text.substr(static_cast<size_t>(end - text.data()));
  int shift = 0;
  if (suffix == "K" || suffix == "k") {
    shift = 10;
  } else if (suffix == "M" || suffix == "m") {
    shift = 20;
  } else if (suffix == "G" || suffix == "g") {
    shift = 30;
  } else if (!suffix.empty()) {
    return std::nullopt;
  }
  return value > (kMostBytes >> shift) ? std::nullopt : std::optional(value << shift);
}

}  // namespace

Result<std::vector<int64_t>> ReadSizeSweep(std::string_view text) {
  const auto refuse = [&](std::string_view what) {
    return InvalidArgument(fmt::format("--sizes: {}: {}", what, text),
                           "write FROM-TO*FACTOR, such as 8-8G*2, or one size");
  };
  const size_t dash = text.find('-');
  const std::optional<int64_t> from = ReadSize(text.substr(0, dash));
  if (!from) {
    return refuse("no size");
  }
  if (dash == std::string_view::npos) {
    return std::vector<int64_t>{*from};
  }
  const size_t star = text.find('*', dash);
  const std::optional<int64_t> to = ReadSize(text.substr(dash + 1, star - dash - 1));
  const std::optional<int64_t> factor =
      star == std::string_view::npos ? std::optional<int64_t>(2) : ReadSize(text.substr(star + 1));
  if (!to || !factor) {
    return refuse("no size");
  }
  if (*to < *from) {
    return refuse("ends before it begins");
  }
  if (*factor < 2) {
    return refuse("a factor below 2 never ends");
  }
  std::vector<int64_t> sizes;
  for (int64_t size = *from; size <= *to; size *= *factor) {
    sizes.push_back(size);
    if (size > kMostBytes / *factor) {
      break;
    }
  }
  return sizes;
}

std::string WithBytes(std::string_view line, int64_t size) {
  const size_t end = line.rfind('}');
  if (end == std::string_view::npos) {
    return std::string(line);
  }
  return fmt::format("{},\"bytes\":{}{}", line.substr(0, end), size, line.substr(end));
}

}  // namespace ridgeline::cli
