/// The `traffic:` block of a scenario, as written: who sends what over one cluster, when. Several
/// items share the network: two jobs on one fabric, or the transfers of KV caches beside a
/// collective.
///
///     traffic:
///       - {name: job_a, collective: all_reduce, bytes: 1 GiB, on: {nodes: 8}}
///       - {name: job_b, collective: all_reduce, bytes: 1 GiB, on: {first_node: 8, nodes: 8}}
///       - {name: kv, collective: send, bytes: 2 GiB, on: {nodes: 2},
///          to: {first_node: 8, nodes: 2}}
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/config_reader.h"
#include "base/operation.h"
#include "base/units.h"

namespace ridgeline {

EnumTable<CollectiveKind> EnumNames(Tag<CollectiveKind>);

}  // namespace ridgeline

namespace ridgeline::workloads {

/// GPUs of a cluster: `gpus_per_node` from `first_gpu` on of every `stride`-th node.
struct GpuSet {
  int64_t first_node = 0;
  std::optional<int64_t> nodes;          // default: all from the first
  int64_t stride = 1;                    // from one node to the next
  int64_t first_gpu = 0;                 // of each node
  std::optional<int64_t> gpus_per_node;  // default: all from the first
  friend bool operator==(const GpuSet&, const GpuSet&) = default;
};
const Schema<GpuSet>& SchemaOf(Tag<GpuSet>);

/// Who sends to whom in a transfer: the i-th sender to the i-th receiver, or each sender an equal
/// part to every receiver.
enum class TransferPattern { kPaired, kSpread };
EnumTable<TransferPattern> EnumNames(Tag<TransferPattern>);

struct TrafficItem {
  std::string name;
  CollectiveKind collective = CollectiveKind::kAllReduce;  // kSend: a transfer
  Bytes bytes;                                             // as nccl-tests counts; of each sender
  GpuSet on;                                               // who takes part; of a transfer: senders
  std::optional<GpuSet> to;                                // of a transfer: receivers
  TransferPattern pattern = TransferPattern::kPaired;
  Seconds start;
  int64_t repeat = 1;  // one after the other
  friend bool operator==(const TrafficItem&, const TrafficItem&) = default;
};
const Schema<TrafficItem>& SchemaOf(Tag<TrafficItem>);

}  // namespace ridgeline::workloads
