/// How collectives and transfers of a cluster are priced: the `network:` block of a scenario.
#pragma once

#include <cstdint>
#include <string>

#include "base/config_reader.h"

namespace ridgeline::hardware {

/// Closed forms; flows that share links max-min fairly in our own engine; or the same flows run by
/// SimGrid in a child process.
enum class NetworkFidelity { kAnalytic, kFlow, kSimGrid };
EnumTable<NetworkFidelity> EnumNames(Tag<NetworkFidelity>);

struct NetworkModel {
  NetworkFidelity fidelity = NetworkFidelity::kAnalytic;
  /// Whose constants and choices: a name under configs/collectives.
  std::string library = "nccl-2.30.7";
  bool pxn = true;     // all-to-all goes through the GPU that owns the destination's rail
  bool sharp = false;  // the fabric's switches add (CollNet with InfiniBand SHARP)
  int64_t seed = 1;    // of the hash that spreads flows over equal paths (ECMP)
  friend bool operator==(const NetworkModel&, const NetworkModel&) = default;
};
const Schema<NetworkModel>& SchemaOf(Tag<NetworkModel>);

}  // namespace ridgeline::hardware
