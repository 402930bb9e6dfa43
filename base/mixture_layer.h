/// A mixture-of-experts layer as one thing: how engines run it, and how it is measured.
#pragma once

#include <cstdint>

#include "base/dtype.h"

namespace ridgeline {

/// On one GPU: routed rows through the gated pair (hidden -> 2 ffn) and back (ffn -> hidden), with
/// the routing and permuting kernels around them. `experts` is of the whole layer; this GPU holds
/// experts / ep of them, and of tokens x top_k rows it computes 1 / ep.
struct MixtureLayer {
  int64_t tokens = 0;
  int64_t hidden = 0;
  int64_t ffn = 0;  // on this GPU, after tensor parallelism
  int64_t experts = 0;
  int64_t top_k = 1;
  int64_t ep = 1;
  double skew = 0;  // exponent of the power law that rows follow over experts; 0: balanced
  DType dtype = DType::kBf16;
  friend bool operator==(const MixtureLayer&, const MixtureLayer&) = default;
};

}  // namespace ridgeline
