/// A version of a collective library as data: what a step costs in each algorithm and protocol,
/// which share of the links each gets, and what it knows of GPUs and hosts. One file each under
/// configs/collectives; sim/network/ holds the formulas that read them.
///
/// The words are NCCL's (src/graph/tuning.cc). A *step* is one hop of a collective's pattern; a
/// *channel* is a thread block that runs its own ring or tree; *bus* bandwidth is what the slowest
/// link carries in a ring, and what nccl-tests prints.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/config_reader.h"
#include "base/operation.h"
#include "base/units.h"
#include "hardware/time_correction.h"

namespace ridgeline::hardware {

/// Of one algorithm in one protocol.
struct StepCosts {
  Seconds base;     // once a collective
  Seconds nvlink;   // a step over NVLink
  Seconds pcie;     // a step over PCIe
  Seconds network;  // a step between nodes, on InfiniBand
  friend bool operator==(const StepCosts&, const StepCosts&) = default;
};

/// A protocol that is absent is not offered.
struct AlgorithmCosts {
  std::optional<StepCosts> ll;
  std::optional<StepCosts> ll128;
  std::optional<StepCosts> simple;
  const std::optional<StepCosts>& In(CollectiveProtocol protocol) const {
    return protocol == CollectiveProtocol::kLl      ? ll
           : protocol == CollectiveProtocol::kLl128 ? ll128
                                                    : simple;
  }
  friend bool operator==(const AlgorithmCosts&, const AlgorithmCosts&) = default;
};

struct LibraryLatencies {
  AlgorithmCosts ring;
  AlgorithmCosts tree;
  AlgorithmCosts collnet_direct;
  AlgorithmCosts collnet_chain;
  AlgorithmCosts nvls;
  AlgorithmCosts nvls_tree;
  AlgorithmCosts pat;
  AlgorithmCosts pairwise;
  friend bool operator==(const LibraryLatencies&, const LibraryLatencies&) = default;
};

/// Most that one channel carries in all, by how many nodes take part. 0: no ceiling.
struct ChannelCeiling {
  BytesPerSecond one_node;
  BytesPerSecond two_nodes;
  BytesPerSecond more_nodes;
  friend bool operator==(const ChannelCeiling&, const ChannelCeiling&) = default;
};

/// What the library knows of a generation of GPUs.
struct LibraryGeneration {
  std::vector<std::string> architectures;  // of configs/gpus that it stands for
  BytesPerSecond ll_most;                  // that LL carries on one node
  ChannelCeiling ring_ll128_channel;
  ChannelCeiling tree_ll128_channel;
  ChannelCeiling tree_channel;
  ChannelCeiling nvls_tree_channel;
  double nvls_efficiency = 0.0;  // 0: the switches of this generation do not add
  /// Of NVLink's rate, at which a GPU passes the S (1 + 1/n) of an NVLS all-reduce on one node.
  double nvls_share = 0.0;
  int nvls_least_ranks = 5;  // a node, below which rings win
  int nvls_channels = 16;
  bool corrects_nvls_tree = false;  // tree_correction holds for NVLSTree too
  double plateau = 1.4;             // on the latency of large Simple ring all-reduces over nodes
  double collnet_direct_share = 1.0;
  /// Rates of a channel that the topology search tries, fastest first.
  std::vector<BytesPerSecond> speeds_inside;
  std::vector<BytesPerSecond> speeds_across;
  /// A channel found at this rate or above is made two at half of it; with more than four channels
  /// found, at the second rate or above.
  BytesPerSecond doubles_from;
  BytesPerSecond doubles_many_from;
  friend bool operator==(const LibraryGeneration&, const LibraryGeneration&) = default;
};

/// What the library knows of hosts that drive network cards.
struct LibraryHost {
  Seconds overhead;             // least time of a ring's step inside a node while others leave it
  BytesPerSecond ll_two_nodes;  // most that LL carries over two nodes, and over more
  BytesPerSecond ll_more_nodes;
  friend bool operator==(const LibraryHost&, const LibraryHost&) = default;
};

/// Of the bus bandwidth that the links give.
struct LibraryShares {
  double ring_ll = 1.0;
  double ring_ll128 = 1.0;
  double ring_ll128_one_rank = 1.0;  // with fewer than two ranks a node
  double tree = 1.0;
  double tree_ll = 1.0;              // of tree's
  double tree_ll128_one_node = 1.0;  // of tree's
  double tree_ll128_nodes = 1.0;     // of tree's
  double pat = 1.0;
  double collnet_gather_across = 1.0;
  double pairwise_ll = 1.0;
  double pairwise_inside = 1.0;
  double pairwise_across = 1.0;
  friend bool operator==(const LibraryShares&, const LibraryShares&) = default;
};

/// By which the library multiplies a tree's bandwidth at 64 B, 128 B, 256 B ...
struct TreeCorrection {
  std::vector<double> ll;
  std::vector<double> ll128;
  std::vector<double> simple;
  int tree_sizes = 0;  // of the table that hold for Tree; beyond: 1
  int nvls_tree_sizes = 0;
  friend bool operator==(const TreeCorrection&, const TreeCorrection&) = default;
};

/// What a version believes of NVLS when it chooses.
struct NvlsModel {
  /// Rate of an all-reduce over its graph's bus bandwidth, where that is a constant; absent: n over
  /// the steps of a ring, with the efficiency and the ceilings of its generation.
  std::optional<double> ratio;
  double two_nodes = 1.0;   // with a constant: on the network's rate of NVLSTree
  double more_nodes = 1.0;  // the same beyond two nodes
  bool gathers = true;      // all-gather and reduce-scatter too
  friend bool operator==(const NvlsModel&, const NvlsModel&) = default;
};

/// A kernel takes fewer thread blocks while bytes < channels x threads x bytes_a_thread.
struct ChannelLimits {
  int most = 64;
  int pairwise = 32;
  int threads = 512;
  int threads_ll128 = 640;
  double bytes_a_thread_ll = 8.0;  // times the ranks for rings
  double bytes_a_thread_ll128 = 8.0;
  double bytes_a_thread_simple = 64.0;
  double bytes_a_thread_collnet = 512.0;
  int pairwise_at_a_time = 8;
  friend bool operator==(const ChannelLimits&, const ChannelLimits&) = default;
};

/// The all-reduces that serving engines bring along: every rank reads its peers over NVLink.
struct CustomAllReduce {
  Seconds one_shot;             // start of the kernel that reads all of every peer
  Seconds two_shot;             // of the one that reads parts, twice
  double one_shot_share = 1.0;  // of NVLink's rate
  double two_shot_share = 1.0;
  int most_ranks = 8;
  int blocks = 1;  // thread blocks of the kernels
  friend bool operator==(const CustomAllReduce&, const CustomAllReduce&) = default;
};

struct CollectiveLibrary {
  std::string name;  // "nccl-2.30.7", as in configs/collectives
  std::string title;
  std::vector<std::string> aliases;
  std::string version;
  std::vector<std::string> algorithms;  // that it has, in the words of AlgorithmName
  LibraryLatencies latencies;
  std::map<std::string, LibraryGeneration> generations;  // "ampere" ...
  std::string unlisted;  // the generation that stands for GPUs that none lists
  std::map<std::string, LibraryHost> hosts;
  std::string host;              // the one that is taken: descriptions of nodes name no processor
  double simple_overhead = 3.0;  // times the host's overhead in Simple
  /// A ring crosses nodes once more than there are gaps between them in the model of old versions.
  bool ring_crosses_every_node = false;
  LibraryShares shares;
  TreeCorrection tree_correction;
  NvlsModel nvls;
  ChannelLimits channels;
  Seconds collnet_arity;             // CollNetDirect waits so long for each GPU of a node
  double pat_steps_a_latency = 1.0;  // of the aggregated trees
  Seconds pat_rank;                  // and what each rank adds
  /// The network's latencies contain so much of the wire; a fabric's excess is added to each step.
  Seconds assumed_network_latency;
  CustomAllReduce custom_all_reduce;
  CollectiveCorrections corrections;
  std::map<std::string, std::string> sources;
  friend bool operator==(const CollectiveLibrary&, const CollectiveLibrary&) = default;

  /// The generation of an architecture; the unlisted one for others. O(architectures).
  const LibraryGeneration& GenerationOf(std::string_view architecture) const;
  const LibraryHost& HostInUse() const;
  bool Has(CollectiveAlgorithm algorithm) const;
};

const Schema<CollectiveLibrary>& SchemaOf(Tag<CollectiveLibrary>);
const Schema<StepCosts>& SchemaOf(Tag<StepCosts>);
const Schema<AlgorithmCosts>& SchemaOf(Tag<AlgorithmCosts>);
const Schema<LibraryLatencies>& SchemaOf(Tag<LibraryLatencies>);
const Schema<ChannelCeiling>& SchemaOf(Tag<ChannelCeiling>);
const Schema<LibraryGeneration>& SchemaOf(Tag<LibraryGeneration>);
const Schema<LibraryHost>& SchemaOf(Tag<LibraryHost>);
const Schema<LibraryShares>& SchemaOf(Tag<LibraryShares>);
const Schema<TreeCorrection>& SchemaOf(Tag<TreeCorrection>);
const Schema<NvlsModel>& SchemaOf(Tag<NvlsModel>);
const Schema<ChannelLimits>& SchemaOf(Tag<ChannelLimits>);
const Schema<CustomAllReduce>& SchemaOf(Tag<CustomAllReduce>);

/// "nvls-tree" -> the algorithm; nothing for other words. `chosen` is one.
std::optional<CollectiveAlgorithm> ParseAlgorithm(std::string_view name);
std::optional<CollectiveProtocol> ParseProtocol(std::string_view name);

}  // namespace ridgeline::hardware
