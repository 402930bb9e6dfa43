#include "service/api/grpc_status.h"

#include <string>
#include <utility>

#include <google/rpc/status.pb.h>
#include <grpcpp/support/status.h>
#include <ridgeline/v1/types.pb.h>

#include "service/api/diagnostic_message.h"

namespace ridgeline::api {
namespace {

// Of 8 KiB: details travel in base64 (4/3) beside the message, percent-encoded (up to 3 times).
constexpr size_t kMostDetailBytes = 4096;
constexpr size_t kMostMessageBytes = 512;

std::string Shortened(std::string text) {
  if (text.size() > kMostMessageBytes) {
    size_t end = kMostMessageBytes;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) {
      --end;  // not within a character
    }
    text.resize(end);
    text += "...";
  }
  return text;
}

}  // namespace

grpc::Status ToStatus(const Error& error, bool* is_whole) {
  google::rpc::Status details;
  details.set_code(static_cast<int>(error.code));
  details.set_message(Shortened(FirstLine(error)));
  bool fits = true;
  for (const Error& problem : Flatten(error)) {
    v1::Diagnostic diagnostic;
    ToMessage(problem, Severity::kError, diagnostic);
    google::rpc::Status longer = details;
    longer.add_details()->PackFrom(diagnostic);
    if (longer.ByteSizeLong() > kMostDetailBytes) {
      fits = false;
      break;
    }
    details = std::move(longer);
  }
  if (is_whole != nullptr) {
    *is_whole = fits;
  }
  return {static_cast<grpc::StatusCode>(error.code), details.message(),
          details.SerializeAsString()};
}

StatusError FromStatus(const grpc::Status& status) {
  std::vector<Error> errors;
  google::rpc::Status details;
  if (details.ParseFromString(status.error_details())) {
    for (const google::protobuf::Any& any : details.details()) {
      v1::Diagnostic diagnostic;
      if (any.UnpackTo(&diagnostic)) {
        errors.push_back(FromMessage(diagnostic));
      }
    }
  }
  if (!errors.empty()) {
    return {.error = Gather(std::move(errors)), .has_details = true};
  }
  return {.error = {.code = ErrorCodeOf(static_cast<int>(status.error_code())),
                    .message = status.error_message()},
          .has_details = false};
}

}  // namespace ridgeline::api
