/// Which algorithms a library can take for a collective on given links, and why not the others.
#pragma once

#include <optional>
#include <string>

#include "base/operation.h"
#include "sim/network/group_links.h"

namespace ridgeline::network {

/// Why something cannot be had, and what to do about it.
struct Refusal {
  std::string message;
  std::string hint;
};

/// Nothing when the algorithm in the protocol does the collective on these links:
///
/// | algorithm | collectives | needs |
/// | ring | all-reduce, all-gather, reduce-scatter, broadcast | |
/// | tree | all-reduce | |
/// | nvls | all-reduce; gathers by version | switches that add; over nodes also the fabric's |
/// | nvls-tree | all-reduce | switches that add, many nodes, two network ports a node |
/// | collnet-direct | all-reduce; gathers | a fabric that adds, NVSwitch; gathers: a port a GPU |
/// | collnet-chain | all-reduce | a fabric that adds |
/// | pat | all-gather, reduce-scatter | one rank a node |
/// | hierarchical | all-reduce, all-gather, reduce-scatter | many nodes, many ranks a node |
/// | pairwise | all-to-all, send | |
/// | one-shot, two-shot | all-reduce | one node, few ranks that reach each other over NVLink |
///
/// LL128 needs NVLink; NVLink's switches add no types of one byte. kChosen stands for any. Groups
/// of one rank have everything. Of the algorithm and the protocol that the collective names. O(1).
std::optional<Refusal> RefusalOf(const Collective& collective, const GroupLinks& links);

/// The same as a claim, of an algorithm and a protocol instead of its own, for loops.
bool IsAvailable(const Collective& collective, CollectiveAlgorithm algorithm,
                 CollectiveProtocol protocol, const GroupLinks& links);

/// NCCL's own rule on top: NVLS from so many ranks a node on, and none of the algorithms that
/// frameworks and engines bring along.
bool IsChosenFrom(CollectiveAlgorithm algorithm, const GroupLinks& links);

/// The protocols of an algorithm; rings' for those without a table of their own.
const hardware::AlgorithmCosts& CostsOf(CollectiveAlgorithm algorithm,
                                        const hardware::CollectiveLibrary& library);

}  // namespace ridgeline::network
