#include "sim/serving/request_log.h"

#include <array>
#include <iterator>
#include <ostream>

#include <fmt/format.h>

namespace ridgeline::serving {
namespace {

using engine::Picoseconds;

constexpr std::string_view kHeader =
    "id,state,replica,arrival_s,scheduled_s,first_token_s,last_token_s,input_tokens,output_tokens,"
    "cached_tokens,preemptions,ttft_s,tpot_s,e2el_s\n";
constexpr size_t kFlushAt = size_t{1} << 20U;

void AppendText(fmt::memory_buffer& buffer, std::string_view text) {
  buffer.append(text.data(), text.data() + text.size());
}

/// Exact: 1'500'000'000'000 ps is ",1.5".
void AppendSeconds(fmt::memory_buffer& buffer, Picoseconds span) {
  constexpr Picoseconds kSecond = 1'000'000'000'000;
  fmt::format_to(std::back_inserter(buffer), ",{}", span / kSecond);
  Picoseconds rest = span % kSecond;
  if (rest == 0) {
    return;
  }
  std::array<char, 13> digits = {};
  digits[0] = '.';
  for (size_t i = digits.size() - 1; i > 0; --i) {
    digits[i] = static_cast<char>('0' + rest % 10);
    rest /= 10;
  }
  size_t length = digits.size();
  while (digits[length - 1] == '0') {
    --length;
  }
  AppendText(buffer, {digits.data(), length});
}

void AppendRequest(fmt::memory_buffer& buffer, size_t id, const RequestOutcome& request) {
  const auto out = std::back_inserter(buffer);
  fmt::format_to(out, "{},{},{}", id, StateName(request.state), request.replica);
  AppendSeconds(buffer, request.arrival);
  const bool is_done = request.state == RequestState::kDone;
  if (is_done) {
    AppendSeconds(buffer, request.scheduled);
    AppendSeconds(buffer, request.first_token);
    AppendSeconds(buffer, request.last_token);
  } else {
    AppendText(buffer, ",,,");
  }
  fmt::format_to(out, ",{},{},{},{}", request.input_tokens, request.output_tokens,
                 request.cached_tokens, request.preemptions);
  if (!is_done) {
    AppendText(buffer, ",,,\n");
    return;
  }
  AppendSeconds(buffer, request.first_token - request.arrival);
  if (request.output_tokens > 1) {
    fmt::format_to(out, ",{}",
                   engine::ToSeconds(request.last_token - request.first_token).base() /
                       static_cast<double>(request.output_tokens - 1));
  } else {
    buffer.push_back(',');
  }
  AppendSeconds(buffer, request.last_token - request.arrival);
  buffer.push_back('\n');
}

}  // namespace

std::string_view StateName(RequestState state) {
  switch (state) {
    case RequestState::kDone:
      return "done";
    case RequestState::kRunning:
      return "running";
    case RequestState::kQueued:
      return "queued";
    case RequestState::kRejected:
      return "rejected";
  }
  return "";
}

Status WriteRequestLog(std::span<const RequestOutcome> requests, std::ostream& out) {
  fmt::memory_buffer buffer;
  AppendText(buffer, kHeader);
  for (size_t id = 0; id < requests.size(); ++id) {
    AppendRequest(buffer, id, requests[id]);
    if (buffer.size() >= kFlushAt) {
      out.write(buffer.data(), static_cast<std::streamsize>(buffer.size()));
      buffer.clear();
    }
  }
  out.write(buffer.data(), static_cast<std::streamsize>(buffer.size()));
  out.flush();
  if (!out) {
    return Fail({.code = ErrorCode::kUnavailable,
                 .message = "cannot write the request log",
                 .hint = "see whether the disk is full"});
  }
  return {};
}

}  // namespace ridgeline::serving
