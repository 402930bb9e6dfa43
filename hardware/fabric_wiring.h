/// What a person writes about single switches and cables of a fabric: names that know where they
/// stood, links by name, and what is broken.
///
///     kind: custom
///     switches: ["leaf[0-3]", "spine[0-1]"]
///     links:
///       - {from: "node[0-15].nic[0-7]", to: leaf0}          # one cable from each port
///       - {from: "leaf[0-3]", to: "spine[0-1]", count: 4}   # four cables a pair
///     faults:
///       - {link: leaf3-spine1, bandwidth: 100 Gb/s}         # what is left, each way
///       - {switch: spine0, state: down}
///
/// A range [a-b] stands for every number from a to b, [*] for all that there are; a link joins
/// every name of `from` with every name of `to`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/config_reader.h"
#include "base/units.h"

namespace ridgeline::hardware {

/// Where a thing was written, for errors that are found later. Two equal things written in
/// different places are equal.
struct WrittenAt {
  SourceLocation where;
  std::string path;  // of the key: "cluster.fabric.links[2].to"
  friend bool operator==(const WrittenAt&, const WrittenAt&) { return true; }
};

/// A name in a wiring, as written: "leaf3", "leaf[0-3]", "leaf3-spine1".
struct WiringName {
  std::string text;
  WrittenAt written;
  friend bool operator==(const WiringName&, const WiringName&) = default;
};

struct WiredLink {
  WiringName from;
  WiringName to;
  std::optional<BytesPerSecond> bandwidth;  // of one cable, each way; default: the fabric's port
  std::optional<Seconds> latency;           // default: as in the fabrics that are built by rule
  int64_t count = 1;                        // cables from each `from` to each `to`
  friend bool operator==(const WiredLink&, const WiredLink&) = default;
};
const Schema<WiredLink>& SchemaOf(Tag<WiredLink>);

enum class PartState { kUp, kDown };
EnumTable<PartState> EnumNames(Tag<PartState>);

/// One link or one switch that is not as built.
struct FabricFault {
  WiringName link;         // "leaf3-spine1": all cables between the two
  WiringName switch_name;  // key `switch`
  PartState state = PartState::kUp;
  std::optional<BytesPerSecond> bandwidth;  // of a link: what is left of it, each way
  friend bool operator==(const FabricFault&, const FabricFault&) = default;
};
const Schema<FabricFault>& SchemaOf(Tag<FabricFault>);

}  // namespace ridgeline::hardware

namespace ridgeline {
template <>
struct Codec<hardware::WiringName> {
  static std::optional<hardware::WiringName> Decode(const Node& node, const DecodeContext& context);
  static void Explain(KeyInfo& info) { info.type = "name"; }
  static std::string Write(const hardware::WiringName& value) { return value.text; }
};
}  // namespace ridgeline
