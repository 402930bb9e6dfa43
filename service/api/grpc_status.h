/// Error <-> grpc::Status. The code is the ErrorCode; the message is the first problem with its
/// place; every problem is a ridgeline.v1.Diagnostic in the details (grpc-status-details-bin).
#pragma once

#include "base/result.h"

namespace grpc {
class Status;
}

namespace ridgeline::api {

/// Trailers are limited to 8 KiB unless a client asks for more, and one that exceeds it loses the
/// whole status: details hold as many problems as fit. `is_whole` (may be null) says whether that
/// is all of them.
grpc::Status ToStatus(const Error& error, bool* is_whole = nullptr);

/// A status that is not OK. Without details of ours it is gRPC's own (nobody listens, the call was
/// cut): code and message as they are; `has_details` says which.
struct StatusError {
  Error error;
  bool has_details = false;
};
StatusError FromStatus(const grpc::Status& status);

}  // namespace ridgeline::api
