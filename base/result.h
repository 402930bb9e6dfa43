/// Errors as values. A function that can fail because of what a user wrote or asked for returns
/// Result<T> or Status; a broken invariant of ours is a CHECK (base/check.h), never a Result.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "base/source_location.h"

namespace ridgeline {

/// What went wrong, numbered as the gRPC canonical codes so that the service maps one to one.
enum class ErrorCode {
  kCancelled = 1,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14
};

/// A second place that explains an error: "num_key_value_heads is set here".
struct ErrorNote {
  std::string message;
  std::optional<SourceLocation> where;
};

/// One problem, said once: static words first, the value last, then what to do. Rendered by
/// base/diagnostic.h.
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;                       // what is wrong; the value last
  std::optional<SourceLocation> where = {};  // file, line, column in what the user wrote
  std::string hint = {};                     // what to do, one sentence; may be empty
  std::string path = {};                     // the configuration key, e.g. training.parallelism.tp
  std::vector<ErrorNote> notes = {};
  std::vector<Error> others = {};  // further errors of the same document, in order
};

template <class T>
using Result = tl::expected<T, Error>;
using Status = tl::expected<void, Error>;

inline tl::unexpected<Error> Fail(Error error) { return tl::unexpected<Error>(std::move(error)); }
inline tl::unexpected<Error> InvalidArgument(std::string message, std::string hint = {}) {
  return Fail({.code = ErrorCode::kInvalidArgument,
               .message = std::move(message),
               .hint = std::move(hint)});
}
inline tl::unexpected<Error> NotFound(std::string message, std::string hint = {}) {
  return Fail(
      {.code = ErrorCode::kNotFound, .message = std::move(message), .hint = std::move(hint)});
}
/// For what is not built yet: names the feature, never returns a plausible number instead.
inline tl::unexpected<Error> Unimplemented(std::string message, std::string hint = {}) {
  return Fail(
      {.code = ErrorCode::kUnimplemented, .message = std::move(message), .hint = std::move(hint)});
}

}  // namespace ridgeline

#define RIDGELINE_CONCAT_INNER(a, b) a##b
#define RIDGELINE_CONCAT(a, b) RIDGELINE_CONCAT_INNER(a, b)

/// Leaves the enclosing function with the error of `expression`, if it has one.
#define RETURN_IF_ERROR(expression)                                 \
  do {                                                              \
    if (auto ridgeline_status = (expression); !ridgeline_status) {  \
      return ::tl::unexpected(std::move(ridgeline_status).error()); \
    }                                                               \
  } while (false)

/// `ASSIGN_OR_RETURN(const Model model, ReadModel(path));` — one a source line.
#define ASSIGN_OR_RETURN(declaration, expression)                                              \
  auto RIDGELINE_CONCAT(ridgeline_result_, __LINE__) = (expression);                           \
  if (!RIDGELINE_CONCAT(ridgeline_result_, __LINE__)) {                                        \
    return ::tl::unexpected(std::move(RIDGELINE_CONCAT(ridgeline_result_, __LINE__)).error()); \
  }                                                                                            \
  declaration = *std::move(RIDGELINE_CONCAT(ridgeline_result_, __LINE__))
