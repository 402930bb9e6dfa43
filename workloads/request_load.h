/// The requests that a serving deployment gets: when each arrives, how long its prompt and its
/// answer are, and which prompts share a prefix. Lengths are data: an answer is as long as its
/// request says.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/units.h"

namespace ridgeline::workloads {

struct Request {
  Seconds
      arrival;  // from the start; ignored in a closed loop, where a finished answer sends the next
  int64_t input_tokens = 0;   // of the prompt, at least 1
  int64_t output_tokens = 0;  // of the answer, at least 1
  /// The prompt's identity, block by block, as a range of RequestLoad::prefix_ids; empty when the
  /// prompt shares nothing with another.
  int64_t first_prefix_id = 0;
  int64_t num_prefix_ids = 0;
  friend bool operator==(const Request&, const Request&) = default;
};

struct RequestLoad {
  std::vector<Request> requests;  // in order of arrival; ties keep the order of writing
  /// Two equal ids mean equal tokens in that block *and in everything before it*. One id for
  /// `prefix_block_tokens` tokens of a prompt; a prompt's last block may be partial.
  std::vector<int64_t> prefix_ids;
  int64_t prefix_block_tokens = 0;
  /// Closed loop: so many clients, each sending its next request when the one before is answered.
  /// Unset: open loop, requests arrive when they arrive.
  std::optional<int64_t> concurrency = std::nullopt;
  std::string description;  // "trace azure-2023-conv, 19,366 requests", "Poisson, 4 req/s"
  std::string source;       // of a trace: where it was published; empty for generated loads
};

}  // namespace ridgeline::workloads
