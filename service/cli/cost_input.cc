#include "service/cli/cost_input.h"

#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

namespace ridgeline::cli {
namespace {

constexpr size_t kReadSize = size_t{1} << 18;
constexpr int kWaitMilliseconds = 50;  // how soon an interrupt is heard while nothing comes

}  // namespace

std::optional<std::string_view> CostInput::Give(size_t length, size_t skip) {
  std::string_view line = std::string_view(buffer_).substr(at_, length);
  at_ += length + skip;
  is_cut_ = line.size() > kLongestLine;
  return line.substr(0, kLongestLine);
}

std::optional<std::string_view> CostInput::NextLine() {
  while (at_ < buffer_.size()) {
    const size_t end = buffer_.find('\n', at_);
    if (end == std::string::npos) {
      break;
    }
    if (is_skipping_) {
      is_skipping_ = false;
      at_ = end + 1;
      continue;
    }
    return Give(end - at_, 1);
  }
  const size_t rest = buffer_.size() - at_;
  if (is_skipping_) {
    at_ = buffer_.size();
    return std::nullopt;
  }
  if (rest > kLongestLine) {
    is_skipping_ = true;  // its end has not come yet
    return Give(rest, 0);
  }
  return is_at_end_ && rest > 0 ? Give(rest, 0) : std::nullopt;
}

Result<bool> CostInput::Fill() {
  if (is_at_end_) {
    return false;
  }
  buffer_.erase(0, at_);
  at_ = 0;
  while (true) {
    RETURN_IF_ERROR(stop_.Check());
    pollfd ready{.fd = descriptor_, .events = POLLIN, .revents = 0};
    if (poll(&ready, 1, kWaitMilliseconds) == 0) {
      continue;
    }
    const size_t before = buffer_.size();
    buffer_.resize(before + kReadSize);
    const ssize_t got = read(descriptor_, buffer_.data() + before, kReadSize);
    const int problem = errno;
    buffer_.resize(before + (got > 0 ? static_cast<size_t>(got) : 0));
    if (got > 0) {
      return true;
    }
    if (got == 0) {
      is_at_end_ = true;
      return true;  // a last line without an end may be left
    }
    if (problem != EINTR && problem != EAGAIN) {
      return InvalidArgument(fmt::format("cannot read standard input: {}",
                                         std::strerror(problem)));  // NOLINT(concurrency-mt-unsafe)
    }
  }
}

}  // namespace ridgeline::cli
