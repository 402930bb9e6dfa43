/// What the program tells the shell. A contract: scripts depend on these.
#pragma once

#include "base/result.h"
#include "sim/reliance.h"

namespace ridgeline::cli {

inline constexpr int kExitDone = 0;         // done; every target met
inline constexpr int kExitAnswerIsNo = 1;   // done: does not fit, outside tolerance, target missed
inline constexpr int kExitUsage = 2;        // something wrong in what the user wrote; nothing ran
inline constexpr int kExitNotMeasured = 3;  // a measurement is missing under --strict-calibration
inline constexpr int kExitUnavailable = 4;  // deadline exceeded; a server unavailable
inline constexpr int kExitNotBuilt = 5;     // names the feature
inline constexpr int kExitInternal = 70;    // a bug of ours, with the command to reproduce
inline constexpr int kExitInterrupted = 130;  // ^C

constexpr int ExitCodeOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kNotFound:
    case ErrorCode::kResourceExhausted:
    case ErrorCode::kFailedPrecondition:
    case ErrorCode::kOutOfRange:
      return kExitUsage;
    case ErrorCode::kDeadlineExceeded:
    case ErrorCode::kUnavailable:
      return kExitUnavailable;
    case ErrorCode::kUnimplemented:
      return kExitNotBuilt;
    case ErrorCode::kCancelled:
      return kExitInterrupted;
    case ErrorCode::kInternal:
      return kExitInternal;
  }
  return kExitInternal;
}

/// A document with mistakes *and* something not built is first of all a document with mistakes.
inline int ExitCodeOf(const Error& error) {
  if (error.path == sim::kStrictPath) {
    return kExitNotMeasured;
  }
  const int code = ExitCodeOf(error.code);
  if (code == kExitNotBuilt) {
    for (const Error& other : error.others) {
      if (ExitCodeOf(other.code) == kExitUsage) {
        return kExitUsage;
      }
    }
  }
  return code;
}

}  // namespace ridgeline::cli
