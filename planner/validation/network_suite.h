/// Cases on which the three fidelities of the network must agree, and those where sharing must
/// slow flows by what a person works out by hand:
///
///     kind: network-agreement
///     name: network
///     source: ...
///     agree: 2 %                # flows against the closed form (x slowdown)
///     referee: 1 %              # flows against SimGrid
///     referee_patience: 1 s     # cases that SimGrid would take longer for are left to flows
///     cases:
///       - {id: ring-64, cluster: h100-64, collective: {kind: all_reduce, bytes: 1 GiB, ranks: 64,
///          ranks_per_node: 8}}
///       - {id: two-jobs, cluster: {...}, traffic: [...], slowdowns: [2, 2], because: "..."}
///     measured:
///       - {cluster: h200-8, file: collectives-two-h200/beside.csv, misses: ["..."]}
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/config_reader.h"
#include "base/document.h"
#include "base/operation.h"
#include "base/result.h"
#include "base/units.h"
#include "hardware/cluster.h"
#include "workloads/traffic_item.h"

namespace ridgeline::validation {

/// A collective that all equal groups of the cluster do at once.
struct AgreementCollective {
  CollectiveKind kind = CollectiveKind::kAllReduce;
  Bytes bytes;  // as nccl-tests counts
  int64_t ranks = 2;
  int64_t ranks_per_node = 1;
  int64_t node_stride = 1;
  std::string algorithm;  // ring or hierarchical; empty: ring, and for exchanges pairwise
  friend bool operator==(const AgreementCollective&, const AgreementCollective&) = default;
};
const Schema<AgreementCollective>& SchemaOf(Tag<AgreementCollective>);

struct AgreementCase {
  std::string id;
  Reference<hardware::ClusterDescription> cluster;
  hardware::NetworkModel network;
  std::optional<AgreementCollective> collective;  // or
  std::vector<workloads::TrafficItem> traffic;
  double slowdown = 1.0;          // of every flow over the closed form; 1: they agree
  std::vector<double> slowdowns;  // of traffic, item by item, instead
  bool or_more = false;           // so much at least
  std::string because;
  friend bool operator==(const AgreementCase&, const AgreementCase&) = default;
};
const Schema<AgreementCase>& SchemaOf(Tag<AgreementCase>);

/// Collectives that ran at once on the first two GPUs of a node, and what each took. One line of
/// the table: all that ran ("send+send_back"), the bytes of each, and the time of each.
struct MeasuredMix {
  std::vector<std::string> operations;  // "all_reduce" ...; "send_back": from GPU 1 to GPU 0
  Bytes bytes;
  std::vector<Seconds> times;  // of one of each
};

struct MeasuredSharing {
  Reference<hardware::ClusterDescription> cluster;
  std::string file;                 // from the suite's folder
  std::vector<std::string> misses;  // what flows are known to miss, in words
  friend bool operator==(const MeasuredSharing&, const MeasuredSharing&) = default;
};
const Schema<MeasuredSharing>& SchemaOf(Tag<MeasuredSharing>);

struct SharingTable {
  MeasuredSharing described;
  std::vector<MeasuredMix> mixes;
};

struct NetworkSuite {
  std::string name;
  std::string source;
  double agree = 0.02;
  double referee = 0.01;
  Seconds referee_patience;
  std::vector<AgreementCase> cases;
  std::vector<SharingTable> measured;
};

/// The operation that a name of a measured mix stands for, between two GPUs; kSend both ways.
/// Nullopt for other names.
std::optional<CollectiveKind> OperationNamed(std::string_view name);

/// Whether a suite document is one of these: `kind: network-agreement`.
bool IsNetworkSuite(const Node& document);

/// Decodes the document and reads its tables, by paths from `folder`. Errors with file:line:column.
Result<NetworkSuite> ReadNetworkSuite(const Node& document, const std::filesystem::path& folder);

}  // namespace ridgeline::validation
