#include "sim/network/algorithm_choice.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/check.h"
#include "sim/network/all_to_all.h"
#include "sim/network/availability.h"
#include "sim/network/collnet.h"
#include "sim/network/custom_all_reduce.h"
#include "sim/network/nvls.h"
#include "sim/network/pat.h"
#include "sim/network/ring.h"
#include "sim/network/tree.h"

namespace ridgeline::network {
namespace {

using enum CollectiveAlgorithm;

constexpr double kFirstCorrected = 64;  // bytes
constexpr double kPlateauBytes = 64;    // a rank and channel, from which rings' latency grows
constexpr int kBlocksAChannel = 2;      // NVIDIA/nccl v2.30.7 src/graph/connect.cc

// In NCCL's order: of equals the first is taken.
constexpr std::array<CollectiveAlgorithm, 11> kInOrder = {
    kTree, kRing,         kCollNetDirect, kCollNetChain, kNvls,   kNvlsTree,
    kPat,  kHierarchical, kPairwise,      kOneShot,      kTwoShot};
constexpr std::array<CollectiveProtocol, 3> kProtocols = {
    CollectiveProtocol::kLl, CollectiveProtocol::kLl128, CollectiveProtocol::kSimple};

std::span<const double> CorrectionOf(CollectiveProtocol protocol, int sizes,
                                     const hardware::TreeCorrection& table) {
  const std::vector<double>& list = protocol == CollectiveProtocol::kLl      ? table.ll
                                    : protocol == CollectiveProtocol::kLl128 ? table.ll128
                                                                             : table.simple;
  return std::span<const double>(list).first(
      std::min(list.size(), static_cast<size_t>(std::max(sizes, 0))));
}

double StepOf(std::span<const double> correction, Bytes size) {
  const double ratio = size.base() / kFirstCorrected;
  if (correction.empty() || ratio < 1) {
    return 1;
  }
  const auto index = static_cast<size_t>(std::ilogb(ratio));
  return index < correction.size() ? correction[index] : 1;
}

/// Between two sizes of the table the share lies between theirs, so that bytes over it never fall.
double SmoothOf(std::span<const double> correction, Bytes size) {
  const double ratio = size.base() / kFirstCorrected;
  if (correction.empty() || ratio < 1) {
    return 1;
  }
  const double place = std::log2(ratio);
  const auto index = static_cast<size_t>(place);
  const auto at = [&](size_t i) { return i < correction.size() ? correction[i] : 1.0; };
  const double above = place - static_cast<double>(index);
  return at(index) * (1 - above) + at(index + 1) * above;
}

Candidate Same(AffineTime time) {
  Candidate candidate;
  candidate.believed = time;
  candidate.modelled = time;
  return candidate;
}

AffineTime Contended(AffineTime time, double share) {
  return {.latency = time.latency, .rate = time.rate * share};
}

/// The candidate's times and channels; algorithm and protocol are the caller's to fill in.
Candidate Modelled(const Collective& collective, CollectiveAlgorithm algorithm,
                   CollectiveProtocol protocol, const GroupLinks& links) {
  const bool is_all_reduce = collective.kind == CollectiveKind::kAllReduce;
  const hardware::CollectiveLibrary& library = *links.library;
  Candidate candidate;
  switch (algorithm) {
    case kRing: {
      const ChannelGraph graph = RingGraph(links);
      candidate = Same(RingTime(collective.kind, protocol, graph, links));
      candidate.modelled = Contended(candidate.modelled, ContendedShare(graph, links));
      candidate.channels = kBlocksAChannel * graph.channels;
      candidate.bytes_a_block = BytesABlock(protocol, true, links);
      if (is_all_reduce && protocol == CollectiveProtocol::kSimple && !links.shape.is_one_node()) {
        candidate.plateau = links.generation->plateau;
        candidate.plateau_from =
            Bytes::FromBase(kPlateauBytes * candidate.channels * links.shape.ranks);
      }
      break;
    }
    case kTree: {
      const ChannelGraph graph = RingGraph(links);
      candidate = Same(TreeTime(protocol, graph, links));
      candidate.modelled = Contended(candidate.modelled, ContendedShare(graph, links));
      candidate.channels = kBlocksAChannel * graph.channels;
      candidate.bytes_a_block = BytesABlock(protocol, false, links);
      candidate.correction =
          CorrectionOf(protocol, library.tree_correction.tree_sizes, library.tree_correction);
      break;
    }
    case kNvls:
    case kNvlsTree: {
      const NvlsTime time =
          algorithm == kNvls ? NvlsTimeOf(collective.kind, links) : NvlsTreeTimeOf(links);
      candidate.believed = time.chosen_by;
      candidate.modelled = time.time;
      candidate.channels = links.generation->nvls_channels;
      if (algorithm == kNvlsTree && links.generation->corrects_nvls_tree) {
        candidate.correction = CorrectionOf(protocol, library.tree_correction.nvls_tree_sizes,
                                            library.tree_correction);
      }
      break;
    }
    case kCollNetDirect:
    case kCollNetChain: {
      const ChannelGraph ports = PortGraph(links);
      candidate =
          Same(algorithm == kCollNetDirect ? CollNetDirectTime(collective.kind, ports, links)
                                           : CollNetChainTime(ports, links));
      candidate.modelled = Contended(candidate.modelled, ContendedShare(ports, links));
      candidate.channels = kBlocksAChannel * ports.channels;
      candidate.bytes_a_block = library.channels.threads * library.channels.bytes_a_thread_collnet;
      break;
    }
    case kPat: {
      const ChannelGraph graph = RingGraph(links);
      candidate = Same(PatTime(graph, links));
      candidate.modelled = Contended(candidate.modelled, ContendedShare(graph, links));
      candidate.channels = kBlocksAChannel * graph.channels;
      candidate.bytes_a_block = BytesABlock(protocol, false, links);
      break;
    }
    case kPairwise:
      candidate = Same(collective.kind == CollectiveKind::kSend ? SendTime(protocol, links)
                                                                : AllToAllTime(protocol, links));
      candidate.channels = library.channels.pairwise;
      candidate.bytes_a_block = BytesABlock(protocol, false, links);
      break;
    case kOneShot:
    case kTwoShot:
      candidate = Same(algorithm == kOneShot ? OneShotTime(links) : TwoShotTime(links));
      candidate.channels = library.custom_all_reduce.blocks;
      break;
    case kHierarchical:
    case kChosen:
      CHECK(false, "{} is no candidate", AlgorithmName(algorithm));
  }
  candidate.channels = std::min(candidate.channels, library.channels.most);
  return candidate;
}

/// A candidate between two sizes at which no correction and no plateau changes: a straight line.
struct Line {
  double latency;
  double slope;  // seconds a byte
};
Line LineFrom(const Candidate& candidate, Bytes from) {
  const bool is_on_plateau = candidate.plateau > 1 && !(from < candidate.plateau_from);
  return {.latency = candidate.believed.latency.base() * (is_on_plateau ? candidate.plateau : 1),
          .slope = 1 / (candidate.believed.rate.base() * StepOf(candidate.correction, from))};
}

SplitTime SplitOf(const Candidate& candidate, Bytes size, bool is_on_plateau) {
  const double plateau = is_on_plateau ? candidate.plateau : 1.0;
  const double share = SmoothOf(candidate.correction, size);
  if (candidate.measured != nullptr) {
    TimeTerms terms = candidate.terms;
    terms.base = terms.base * plateau;
    terms.steps = terms.steps * plateau;
    terms.bus = terms.bus * share;
    return Corrected(terms, size, *candidate.measured);
  }
  return {.latency = candidate.modelled.latency * plateau,
          .ramp = {},
          .wire = size / (candidate.modelled.rate * share)};
}

bool IsOnPlateau(const Candidate& candidate, Bytes size) {
  return candidate.plateau > 1 && !(size < candidate.plateau_from);
}

/// Longest time of what is chosen at sizes from `from` up to, not at, `to`, between which all
/// candidates are straight lines. The lower envelope of lines is walked corner by corner.
Seconds LongestWithin(std::span<const Candidate> candidates, Bytes from, Bytes to) {
  std::array<Line, 16> lines;
  size_t current = 0;
  for (size_t i = 0; i < candidates.size(); ++i) {
    lines[i] = LineFrom(candidates[i], from);
    const auto value = [&](size_t j) { return lines[j].latency + lines[j].slope * from.base(); };
    if (value(i) < value(current)) {
      current = i;
    }
  }
  const auto time = [&](size_t i, double size) {
    return SplitOf(candidates[i], Bytes::FromBase(size), IsOnPlateau(candidates[i], from)).total();
  };
  Seconds longest;
  double at = from.base();
  for (;;) {
    double corner = to.base();
    size_t next = current;
    for (size_t j = 0; j < candidates.size(); ++j) {
      if (lines[j].slope < lines[current].slope) {
        const double crossing =
            (lines[j].latency - lines[current].latency) / (lines[current].slope - lines[j].slope);
        if (std::max(crossing, at) < corner) {
          corner = std::max(crossing, at);
          next = j;
        }
      }
    }
    longest = std::max(longest, time(current, corner));
    if (next == current) {
      return longest;
    }
    current = next;
    at = corner;
  }
}

}  // namespace

Seconds Candidate::Believed(Bytes size) const {
  const Line line = LineFrom(*this, size);
  return Seconds::FromBase(line.latency + line.slope * size.base());
}

int Candidate::ChannelsAt(Bytes size) const {
  if (bytes_a_block <= 0) {
    return channels;
  }
  return static_cast<int>(
      std::clamp(std::floor(size.base() / bytes_a_block), 1.0, std::max(1.0, 1.0 * channels)));
}

Candidates CandidatesOf(const Collective& collective, const GroupLinks& links) {
  Candidates candidates;
  const bool is_named = collective.algorithm != kChosen;
  for (const CollectiveAlgorithm algorithm : kInOrder) {
    if (is_named ? algorithm != collective.algorithm : !IsChosenFrom(algorithm, links)) {
      continue;
    }
    for (const CollectiveProtocol protocol : kProtocols) {
      const bool is_asked =
          collective.protocol == CollectiveProtocol::kChosen || collective.protocol == protocol;
      if (!is_asked || algorithm == kHierarchical ||
          !IsAvailable(collective, algorithm, protocol, links)) {
        continue;
      }
      Candidate& candidate = candidates.all[static_cast<size_t>(candidates.count++)];
      candidate = Modelled(collective, algorithm, protocol, links);
      candidate.algorithm = algorithm;
      candidate.protocol = protocol;
      candidate.terms = TermsOf(candidate.modelled, algorithm, protocol, candidate.channels,
                                collective.kind, links);
      candidate.measured = CorrectionFor(algorithm, protocol, links);
    }
  }
  return candidates;
}

const Candidate& ChosenOf(std::span<const Candidate> candidates, Bytes size) {
  CHECK(!candidates.empty());
  const Candidate* best = &candidates.front();
  Seconds least = best->Believed(size);
  for (const Candidate& candidate : candidates.subspan(1)) {
    if (const Seconds believed = candidate.Believed(size); believed < least) {
      best = &candidate;
      least = believed;
    }
  }
  return *best;
}

Choice ChoiceOf(const Collective& collective, const GroupLinks& links) {
  const Candidates found = CandidatesOf(collective, links);
  const Candidate& chosen = ChosenOf(found.view(), collective.bytes);
  return {.algorithm = chosen.algorithm,
          .protocol = chosen.protocol,
          .terms = chosen.terms,
          .channels = chosen.channels};
}

SplitTime TimeOf(std::span<const Candidate> candidates, const Candidate& chosen, Bytes size) {
  SplitTime time = SplitOf(chosen, size, IsOnPlateau(chosen, size));
  if (candidates.size() == 1) {
    return time;
  }
  // Sizes at which some candidate's line changes.
  size_t corrected = 0;
  Bytes plateau;
  for (const Candidate& candidate : candidates) {
    corrected = std::max(corrected, candidate.correction.size());
    if (candidate.plateau > 1) {
      plateau = candidate.plateau_from;
    }
  }
  Seconds longest;
  const auto look = [&](Bytes from, Bytes to) {
    if (from < plateau && plateau < to) {
      longest = std::max(longest, LongestWithin(candidates, from, plateau));
      from = plateau;
    }
    longest = std::max(longest, LongestWithin(candidates, from, to));
  };
  Bytes from;
  double edge = kFirstCorrected;
  for (size_t i = 0; corrected > 0 && i <= corrected && edge < size.base(); ++i, edge *= 2) {
    look(from, Bytes::FromBase(edge));
    from = Bytes::FromBase(edge);
  }
  look(from, size);
  time.ramp += std::max(Seconds{}, longest - time.total());
  return time;
}

}  // namespace ridgeline::network
