/// CHECK: what only we can get wrong. A failed check throws InternalError with the expression and
/// the values; it is caught at two places only, the boundary of one run and main. Never use it for
/// what a user can cause: that is a Result.
#pragma once

#include <stdexcept>
#include <string>

#include <fmt/format.h>

namespace ridgeline {

class InternalError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

[[noreturn]] inline void FailCheck(const char* file, int line, const char* expression,
                                   const std::string& details) {
  throw InternalError(fmt::format("{}:{}: CHECK({}) failed{}{}", file, line, expression,
                                  details.empty() ? "" : ": ", details));
}

}  // namespace ridgeline

/// CHECK(begin <= end, "begin {}, end {}", begin, end);
#define CHECK(expression, ...)                                                                \
  do {                                                                                        \
    if (!(expression)) [[unlikely]] {                                                         \
      ::ridgeline::FailCheck(__FILE__, __LINE__, #expression, ::fmt::format("" __VA_ARGS__)); \
    }                                                                                         \
  } while (false)
