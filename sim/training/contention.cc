#include "sim/training/contention.h"

#include <algorithm>
#include <cmath>

namespace ridgeline::training {

using compute::Bound;
using compute::Duration;
using compute::kBounds;

namespace {

// Fitted; what they mean and how well they fit: contention.h.
constexpr double kHeldByChannel = 0.55;
constexpr double kMemoryFelt = 0.85;
constexpr double kCollectiveSlowed = 1.15;
constexpr double kCollectiveSlowedByMemory = 0.4;
constexpr double kWait = 0.55;  // of a kernel's length

// Of NVLink's peak: what collectives of two H200 alone send (all-gather 246, all-to-all 283,
// all-reduce 302 of 450 GB/s; configs/calibration/README.md).
constexpr double kFullPace = 0.6;
// Where no sustained rate of the memory is cited.
constexpr double kMemorySustained = 0.85;
// No share of the memory leaves nothing to the other.
constexpr double kMost = 0.9;

double MemoryRate(const hardware::Gpu& gpu) {
  return gpu.memory.sustained ? gpu.memory.sustained->rate.base()
                              : kMemorySustained * gpu.memory.bandwidth.base();
}

/// Bytes that a rank sends.
double SentBy(const Collective& collective) {
  const auto ranks = static_cast<double>(collective.group.ranks);
  const double others = (ranks - 1) / ranks;
  switch (collective.kind) {
    case CollectiveKind::kAllReduce:
      return 2 * others * collective.bytes.base();
    case CollectiveKind::kAllGather:
    case CollectiveKind::kReduceScatter:
    case CollectiveKind::kAllToAll:
      return others * collective.bytes.base();
    case CollectiveKind::kBroadcast:
    case CollectiveKind::kSend:
      break;
  }
  return collective.bytes.base();
}

/// Passes through memory of each byte sent: read, written into the receiver's buffer, read there,
/// written to its place; an all-reduce's steps share one. An engine copies to the place itself.
double PassesOf(CollectiveKind kind, bool by_engine) {
  return by_engine ? 2.0 : kind == CollectiveKind::kAllReduce ? 3.0 : 4.0;
}

engine::Picoseconds Rounded(double picoseconds) {
  return static_cast<engine::Picoseconds>(std::llround(picoseconds));
}

}  // namespace

CollectiveLoad LoadOf(const Collective& collective, const Duration& duration,
                      std::optional<int64_t> multiprocessors, const compute::OperationTime& time) {
  CollectiveLoad load;
  const double seconds = engine::ToSeconds(duration[Bound::kMean]).base();
  if (collective.group.ranks <= 1 || seconds <= 0) {
    return load;
  }
  const hardware::Gpu& gpu = time.gpu();
  const bool by_engine = multiprocessors == 0;
  const double held = multiprocessors ? static_cast<double>(*multiprocessors)
                                      : static_cast<double>(time.ChannelsOf(collective));
  if (gpu.streaming_multiprocessors > 0) {
    load.multiprocessors = std::min(1.0, held / static_cast<double>(gpu.streaming_multiprocessors));
  }
  const double rate = SentBy(collective) / seconds;
  load.memory = std::min(1.0, PassesOf(collective.kind, by_engine) * rate / MemoryRate(gpu));
  const double link = gpu.nvlink.links > 0 ? gpu.nvlink.bandwidth.base() : gpu.host_link.base();
  if (by_engine) {
    load.pace = 0;  // a copy engine waits for nobody's multiprocessors
  } else if (link > 0) {
    load.pace = std::min(1.0, rate / (kFullPace * link));
  }
  return load;
}

void ComputeLoad::Join(double own, const ComputeLoad& other, double others) {
  const double both = own + others;
  if (both <= 0) {
    return;
  }
  // A kernel is met in proportion to its time.
  const double busy = own * (arithmetic + memory);
  const double others_busy = others * (other.arithmetic + other.memory);
  if (busy + others_busy > 0) {
    kernel = (busy * kernel + others_busy * other.kernel) / (busy + others_busy);
  }
  arithmetic = (own * arithmetic + others * other.arithmetic) / both;
  memory = (own * memory + others * other.memory) / both;
}

ComputeLoad LoadOf(Bytes bytes, const Duration& duration, const hardware::Gpu& gpu) {
  const double seconds = engine::ToSeconds(duration[Bound::kMean]).base();
  if (seconds <= 0) {
    return {};
  }
  const double memory = std::min(1.0, bytes.base() / seconds / MemoryRate(gpu));
  return {.arithmetic = 1 - memory,
          .memory = memory,
          .kernel = static_cast<double>(duration[Bound::kMean])};
}

TogetherFactors FactorsOf(const ComputeLoad& computation, const CollectiveLoad& collective) {
  const double held = std::min(kMost, kHeldByChannel * collective.multiprocessors);
  const double felt = std::min(kMost, kMemoryFelt * collective.memory);
  const double busy = computation.arithmetic + computation.memory;
  const double memory = busy > 0 ? computation.memory / busy : 0.0;
  return {.computation = 1 + computation.arithmetic * held / (1 - held) +
                         computation.memory * felt / (1 - felt),
          .collective =
              busy > 0 ? std::max(1.0, collective.pace *
                                           (kCollectiveSlowed + kCollectiveSlowedByMemory * memory))
                       : 1.0};
}

void RunTogether(const ComputeLoad& load, Duration& computation,
                 const CollectiveLoad& collective_load, Duration& collective) {
  const TogetherFactors factors = FactorsOf(load, collective_load);
  for (const Bound bound : kBounds) {
    const auto computed = static_cast<double>(computation[bound]);
    const auto sent = static_cast<double>(collective[bound]);
    const double together = std::min(factors.computation * computed, factors.collective * sent);
    computation[bound] += Rounded(together - together / factors.computation);
    collective[bound] += Rounded(together - together / factors.collective);
  }
}

void BesideCollectives::Begin(Duration& collective, const CollectiveLoad& load) {
  UnderWay& begun = begun_.emplace_back();
  begun.collective = &collective;
  begun.load = load;
  for (size_t i = 0; i < begun.left.size(); ++i) {
    begun.left.at(i) = static_cast<double>(collective.at[i]);
    begun.waits.at(i) = load.multiprocessors > 0 ? -1.0 : 0.0;
  }
}

Duration BesideCollectives::Compute(const Duration& alone, const ComputeLoad& load) {
  Duration longer;
  for (size_t i = 0; i < next_.size(); ++i) {
    auto left = static_cast<double>(alone.at[i]);
    double added = 0;
    for (size_t& next = next_.at(i); next < begun_.size() && left > 0;) {
      UnderWay& under_way = begun_[next];
      double& waits = under_way.waits.at(i);
      if (waits < 0) {
        waits = std::min(kWait * load.kernel, left);
        under_way.collective->at[i] += Rounded(waits);
      }
      if (waits > 0) {
        const double waited = std::min(waits, left);
        left -= waited;
        waits -= waited;
        if (left <= 0) {
          break;
        }
        waits = 0;
      }
      const TogetherFactors factors = FactorsOf(load, under_way.load);
      const double together =
          std::min(factors.computation * left, factors.collective * under_way.left.at(i));
      const double computed = together / factors.computation;
      const double sent = together / factors.collective;
      added += together - computed;
      left -= computed;
      under_way.left.at(i) -= sent;
      under_way.collective->at[i] += Rounded(together - sent);
      // A picosecond left is over: rounding must not keep it alive.
      if (under_way.left.at(i) < 1.0) {
        ++next;
      } else {
        break;
      }
    }
    longer.at[i] = Rounded(added);
  }
  return longer;
}

}  // namespace ridgeline::training
