/// What a closed form of this folder says: latency plus bytes over a rate.
#pragma once

#include "base/units.h"

namespace ridgeline::network {

struct AffineTime {
  Seconds latency;      // start and steps
  BytesPerSecond rate;  // of the full buffer: NCCL's "algorithm bandwidth"
  Seconds At(Bytes size) const { return latency + size / rate; }
};

}  // namespace ridgeline::network
