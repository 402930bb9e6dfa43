#include "sim/network/availability.h"

#include <fmt/format.h>

#include "sim/network/channel_graph.h"
#include "sim/network/hierarchical.h"

namespace ridgeline::network {
namespace {

using enum CollectiveAlgorithm;

constexpr double kFewestPorts = 2;  // NCCL: NVLS needs two channels

bool IsGather(CollectiveKind kind) {
  return kind == CollectiveKind::kAllGather || kind == CollectiveKind::kReduceScatter;
}

bool Does(CollectiveAlgorithm algorithm, CollectiveKind kind,
          const hardware::CollectiveLibrary& library) {
  const bool is_all_reduce = kind == CollectiveKind::kAllReduce;
  switch (algorithm) {
    case kChosen:
      return true;
    case kRing:
      return is_all_reduce || IsGather(kind) || kind == CollectiveKind::kBroadcast;
    case kNvls:
      return is_all_reduce || (IsGather(kind) && library.nvls.gathers);
    case kCollNetDirect:
    case kHierarchical:
      return is_all_reduce || IsGather(kind);
    case kTree:
    case kNvlsTree:
    case kCollNetChain:
    case kOneShot:
    case kTwoShot:
      return is_all_reduce;
    case kPat:
      return IsGather(kind);
    case kPairwise:
      return kind == CollectiveKind::kAllToAll || kind == CollectiveKind::kSend;
  }
  return false;
}

/// What the links lack, as the end of "NAME needs ..."; nullptr when nothing.
const char* Missing(const Collective& collective, CollectiveAlgorithm algorithm,
                    const GroupLinks& links) {
  const GroupShape& shape = links.shape;
  const bool is_one_node = shape.is_one_node();
  switch (algorithm) {
    case kNvls:
    case kNvlsTree:
      if (!links.switches_add || shape.per_node < 2) {
        return "switches of NVLink that add, and two ranks of a node";
      }
      if (collective.kind != CollectiveKind::kAllGather &&
          BytesPerElement(collective.dtype) < BytesPerElement(DType::kBf16)) {
        return "elements of two bytes or more, which NVLink's switches can add";
      }
      if (algorithm == kNvlsTree && is_one_node) {
        return "more than one node";
      }
      if (!is_one_node && links.ports < kFewestPorts) {
        return "two network ports of a node";
      }
      if (algorithm == kNvls && !is_one_node && !links.fabric_adds) {
        return "a fabric whose switches add, over nodes";
      }
      return nullptr;
    case kCollNetDirect:
    case kCollNetChain:
      if (is_one_node) {
        return "more than one node";
      }
      if (!links.fabric_adds) {
        return "a fabric whose switches add";
      }
      if (algorithm == kCollNetDirect && !links.has_nvswitch) {
        return "NVSwitch";
      }
      if (IsGather(collective.kind) && links.ports < shape.per_node) {
        return "a network port for every GPU";
      }
      return nullptr;
    case kPat:
      return is_one_node || shape.per_node > 1 ? "one rank a node, on many" : nullptr;
    case kHierarchical:
      return HasTwoLevels(shape) ? nullptr : "many nodes with many ranks each";
    case kOneShot:
    case kTwoShot:
      if (!is_one_node || links.library->custom_all_reduce.most_ranks < shape.ranks) {
        return "one node, with at most as many ranks as it is written for";
      }
      return links.inside.is_nvlink || shape.ranks <= 2 ? nullptr : "NVLink between all ranks";
    case kChosen:
    case kRing:
    case kTree:
    case kPairwise:
      return nullptr;
  }
  return nullptr;
}

const char* HintOf(CollectiveAlgorithm algorithm, const GroupLinks& links) {
  const bool wants_fabric =
      algorithm == kCollNetDirect || algorithm == kCollNetChain || algorithm == kNvls;
  if (wants_fabric && !links.shape.is_one_node() && !links.fabric_adds) {
    return "network: {sharp: true} says that the fabric's switches add";
  }
  return "leave the algorithm out: the library chooses one that it can take";
}

bool HasProtocol(CollectiveAlgorithm algorithm, CollectiveProtocol protocol,
                 const GroupLinks& links) {
  return protocol == CollectiveProtocol::kChosen || algorithm == kChosen ||
         ((protocol != CollectiveProtocol::kLl128 || links.inside.is_nvlink) &&
          CostsOf(algorithm, *links.library).In(protocol).has_value());
}

}  // namespace

const hardware::AlgorithmCosts& CostsOf(CollectiveAlgorithm algorithm,
                                        const hardware::CollectiveLibrary& library) {
  const hardware::LibraryLatencies& latencies = library.latencies;
  switch (algorithm) {
    case kTree:
      return latencies.tree;
    case kNvls:
      return latencies.nvls;
    case kNvlsTree:
      return latencies.nvls_tree;
    case kCollNetDirect:
      return latencies.collnet_direct;
    case kCollNetChain:
      return latencies.collnet_chain;
    case kPat:
      return latencies.pat;
    case kPairwise:
      return latencies.pairwise;
    case kOneShot:
    case kTwoShot: {
      // Kernels of their own, which move whole chunks.
      static const hardware::AlgorithmCosts kOwn = {.ll = {}, .ll128 = {}, .simple = {{}}};
      return kOwn;
    }
    case kChosen:
    case kRing:
    case kHierarchical:
      break;
  }
  return latencies.ring;
}

std::optional<Refusal> RefusalOf(const Collective& collective, const GroupLinks& links) {
  if (links.shape.ranks <= 1) {
    return std::nullopt;
  }
  const CollectiveAlgorithm algorithm = collective.algorithm;
  const std::string_view name = AlgorithmName(algorithm);
  const hardware::CollectiveLibrary& library = *links.library;
  if (algorithm != kChosen && !library.Has(algorithm)) {
    return Refusal{.message = fmt::format("{} has no algorithm {}", library.name, name),
                   .hint = fmt::format("it has {}", fmt::join(library.algorithms, ", "))};
  }
  if (!Does(algorithm, collective.kind, library)) {
    return Refusal{.message = fmt::format("{} has no {} by {}", library.name,
                                          CollectiveName(collective.kind), name),
                   .hint = HintOf(algorithm, links)};
  }
  if (const char* const missing = Missing(collective, algorithm, links)) {
    return Refusal{.message = fmt::format("{} over {} ranks, {} a node, needs {}", name,
                                          links.shape.ranks, links.shape.per_node, missing),
                   .hint = HintOf(algorithm, links)};
  }
  if (algorithm != kChosen && !HasProtocol(algorithm, collective.protocol, links)) {
    const bool is_link =
        collective.protocol == CollectiveProtocol::kLl128 && !links.inside.is_nvlink;
    return Refusal{
        .message = fmt::format("{} has no protocol {}{}", name, ProtocolName(collective.protocol),
                               is_link ? " without NVLink" : ""),
        .hint = "leave the protocol out: the library chooses the fastest"};
  }
  return std::nullopt;
}

bool IsAvailable(const Collective& collective, CollectiveAlgorithm algorithm,
                 CollectiveProtocol protocol, const GroupLinks& links) {
  return Does(algorithm, collective.kind, *links.library) &&
         Missing(collective, algorithm, links) == nullptr &&
         HasProtocol(algorithm, protocol, links) && links.library->Has(algorithm);
}

bool IsChosenFrom(CollectiveAlgorithm algorithm, const GroupLinks& links) {
  switch (algorithm) {
    case kNvls:
    case kNvlsTree:
      return links.shape.per_node >= links.generation->nvls_least_ranks;
    case kHierarchical:
    case kOneShot:
    case kTwoShot:
    case kChosen:
      return false;
    default:
      return true;
  }
}

}  // namespace ridgeline::network
