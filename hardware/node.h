/// A server: GPUs, what joins them, network ports, host memory and storage.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/config_reader.h"
#include "base/units.h"
#include "hardware/gpu.h"

namespace ridgeline::hardware {

enum class IntraNodeLink { kNvSwitch, kNvLinkBridge, kPcie };
EnumTable<IntraNodeLink> EnumNames(Tag<IntraNodeLink>);

struct Nics {
  int count = 0;             // ports for compute traffic
  BytesPerSecond bandwidth;  // of one port, each way
  friend bool operator==(const Nics&, const Nics&) = default;
};

struct Storage {
  BytesPerSecond read;
  BytesPerSecond write;
  friend bool operator==(const Storage&, const Storage&) = default;
};

struct Node {
  std::string name;
  std::string title;
  std::vector<std::string> aliases;
  Reference<Gpu> gpu;
  int gpus = 8;
  IntraNodeLink intra = IntraNodeLink::kNvSwitch;
  bool in_switch_reduction = false;  // NVLink SHARP (NVSwitch generation 3 and later)
  Nics nics;
  Bytes host_memory;
  BytesPerSecond host_memory_bandwidth;
  std::optional<Storage> nvme;            // local disks together
  std::optional<Storage> shared_storage;  // a node's share of the cluster's file system
  Watts power;
  Sources sources;
  friend bool operator==(const Node&, const Node&) = default;
};

const Schema<Node>& SchemaOf(Tag<Node>);
const Schema<Nics>& SchemaOf(Tag<Nics>);
const Schema<Storage>& SchemaOf(Tag<Storage>);

}  // namespace ridgeline::hardware
