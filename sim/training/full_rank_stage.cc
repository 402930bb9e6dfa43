#include "sim/training/full_rank_stage.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace ridgeline::training {

using engine::Picoseconds;

void LatestOfGroups(const MeetingGroups& groups, std::span<const Picoseconds> arrivals,
                    std::span<Picoseconds> latest) {
  const size_t ranks = groups.ranks;
  if (ranks <= 1) {
    std::copy(arrivals.begin(), arrivals.end(), latest.begin());
    return;
  }
  for (size_t first = 0; first < arrivals.size(); first += ranks) {
    Picoseconds last = 0;
    if (groups.replicas.empty()) {
      for (size_t i = first; i < first + ranks; ++i) {
        last = std::max(last, arrivals[i]);
      }
      for (size_t i = first; i < first + ranks; ++i) {
        latest[i] = last;
      }
    } else {
      for (size_t i = first; i < first + ranks; ++i) {
        last = std::max(last, arrivals[groups.replicas[i]]);
      }
      for (size_t i = first; i < first + ranks; ++i) {
        latest[groups.replicas[i]] = last;
      }
    }
  }
}

StageState::StageState(size_t replicas, bool has_host)
    : send_forward(replicas, 0),
      send_backward(replicas, 0),
      data(replicas, 0),
      has_host_(has_host),
      compute_(replicas, 0) {
  times_.fill(Times(replicas, 0));
}

void StageState::WaitFor(std::span<const RankTransferPtr> transfers) {
  for (size_t i = 0; i < compute_.size(); ++i) {
    const Picoseconds begin = compute_[i];
    Picoseconds end = begin;
    for (const RankTransferPtr& transfer : transfers) {
      end = std::max(end, transfer->end(i));
    }
    if (end > begin) {
      Book(i, transfers, begin, end);
      compute_[i] = end;
    }
  }
}

void StageState::Book(size_t replica, std::span<const RankTransferPtr> transfers, Picoseconds begin,
                      Picoseconds end) {
  // By begin, then cause; few at a time.
  const auto before = [&](const RankTransfer& a, const RankTransfer& b) {
    const Picoseconds at_a = std::max(begin, a.begin[replica]);
    const Picoseconds at_b = std::max(begin, b.begin[replica]);
    return at_a != at_b ? at_a < at_b : a.cause < b.cause;
  };
  Picoseconds booked = begin;
  while (booked < end) {
    // The next that is not over yet.
    const RankTransfer* next = nullptr;
    for (const RankTransferPtr& transfer : transfers) {
      if (transfer->end(replica) > booked && (next == nullptr || before(*transfer, *next))) {
        next = transfer.get();
      }
    }
    CHECK(next != nullptr, "a wait of {} ps for nothing", end - booked);
    const Picoseconds from = std::max(booked, next->begin[replica]);
    const Picoseconds ready = next->ready.empty() ? from : next->ready[replica];
    const Picoseconds came = std::clamp(ready, booked, from);
    Booked(Cause::kBubble)[replica] += came - booked;
    Booked(Cause::kStraggler)[replica] += from - came;
    Booked(next->cause)[replica] += next->end(replica) - from;
    booked = next->end(replica);
  }
}

void StageState::Compute(Cause cause, Picoseconds duration, Picoseconds host,
                         std::span<const double> factors, Picoseconds slowed, Cause slowed_by) {
  host_ += has_host_ ? host : 0;
  if (slowed > 0) {
    Times& of_cause = Booked(cause);
    Times& of_collective = Booked(slowed_by);
    for (size_t i = 0; i < factors.size(); ++i) {
      const Picoseconds scaled = ScaledBy(factors[i], slowed);
      of_cause[i] -= scaled;
      of_collective[i] += scaled;
    }
  }
  if (beside_.is_pending) {
    // Booked when both are over.
    beside_.has_operation = true;
    beside_.before = compute_;
    beside_.operation.resize(compute_.size());
    Times& booked = Booked(cause);
    for (size_t i = 0; i < compute_.size(); ++i) {
      const Picoseconds scaled = ScaledBy(factors[i], duration);
      beside_.operation[i] = scaled;
      compute_[i] = std::max(compute_[i], has_host_ ? host_ : 0) + scaled;
      booked[i] += scaled;
    }
    FinishBeside();
    return;
  }
  if (has_host_) {
    WaitForHost();
  }
  Picoseconds* const at = compute_.data();
  Picoseconds* const booked = Booked(cause).data();
  for (size_t i = 0; i < factors.size(); ++i) {
    const Picoseconds scaled = ScaledBy(factors[i], duration);
    at[i] += scaled;
    booked[i] += scaled;
  }
}

void StageState::WaitForHost() {
  Times& waited = Booked(Cause::kHost);
  for (size_t i = 0; i < compute_.size(); ++i) {
    const Picoseconds at = std::max(compute_[i], host_);
    waited[i] += at - compute_[i];
    compute_[i] = at;
  }
}

void StageState::Chain(Cause cause, const HostChain& chain, std::span<const double> factors) {
  if (has_host_) {
    host_ += chain.lead;
    WaitForHost();
    host_ += chain.host - chain.lead;
  }
  const Picoseconds issued = std::exchange(host_, 0);
  Compute(cause, chain.device, 0, factors);
  host_ = issued;
  // A GPU that is faster than its range still ends no chain before its host has issued it.
  if (has_host_) {
    WaitForHost();
  }
}

void StageState::Meet(Cause cause, Picoseconds duration, Picoseconds host,
                      const MeetingGroups& groups) {
  FinishBeside();
  if (has_host_) {
    host_ += host;
    WaitForHost();
  }
  alike_[cause] += duration;
  const size_t ranks = groups.ranks;
  Picoseconds* const at = compute_.data();
  Picoseconds* const waited = Booked(Cause::kStraggler).data();
  if (ranks > 1 && groups.replicas.empty()) {
    for (size_t first = 0; first < compute_.size(); first += ranks) {
      Picoseconds last = at[first];
      for (size_t i = first + 1; i < first + ranks; ++i) {
        last = std::max(last, at[i]);
      }
      for (size_t i = first; i < first + ranks; ++i) {
        waited[i] += last - at[i];
        at[i] = last + duration;
      }
    }
    return;
  }
  beside_.begin.resize(compute_.size());
  LatestOfGroups(groups, compute_, beside_.begin);
  for (size_t i = 0; i < compute_.size(); ++i) {
    waited[i] += beside_.begin[i] - at[i];
    at[i] = beside_.begin[i] + duration;
  }
}

void StageState::MeetBeside(Cause cause, Picoseconds duration, Picoseconds host,
                            const MeetingGroups& groups) {
  FinishBeside();
  host_ += has_host_ ? host : 0;
  beside_.is_pending = true;
  beside_.has_operation = false;
  beside_.cause = cause;
  beside_.duration = duration;
  beside_.before = compute_;
  beside_.own = compute_;
  if (has_host_) {
    for (Picoseconds& own : beside_.own) {
      own = std::max(own, host_);
    }
  }
  beside_.begin.resize(compute_.size());
  LatestOfGroups(groups, beside_.own, beside_.begin);
}

/// What follows waits for the later of the two. Booked under the collective: what it alone would
/// outlast the operation by; under the straggler: by how much the end is later because peers came
/// later; the rest, the host's.
void StageState::FinishBeside() {
  if (!std::exchange(beside_.is_pending, false)) {
    return;
  }
  const Picoseconds collective = beside_.duration;
  for (size_t i = 0; i < compute_.size(); ++i) {
    const Picoseconds operation = beside_.has_operation ? beside_.operation[i] : 0;
    const Picoseconds own_end = std::max(compute_[i], beside_.own[i] + collective);
    const Picoseconds end = std::max(compute_[i], beside_.begin[i] + collective);
    const Picoseconds outlasts = std::max<Picoseconds>(0, collective - operation);
    Booked(Cause::kStraggler)[i] += end - own_end;
    Booked(beside_.cause)[i] += outlasts;
    Booked(Cause::kHost)[i] += own_end - beside_.before[i] - operation - outlasts;
    compute_[i] = end;
  }
}

void StageState::MeetAll(Cause cause, Picoseconds together, Picoseconds duration) {
  WaitUntil(together);
  alike_[cause] += duration;
  for (Picoseconds& at : compute_) {
    at += duration;
  }
}

void StageState::WaitUntil(Picoseconds end) {
  const Picoseconds latest = Latest();
  Times& waited = Booked(Cause::kStraggler);
  for (size_t i = 0; i < compute_.size(); ++i) {
    waited[i] += latest - compute_[i];
    compute_[i] = end;
  }
  alike_[Cause::kBubble] += end - latest;
}

Picoseconds StageState::Latest() const {
  return *std::max_element(compute_.begin(), compute_.end());
}

StageState::Times WaitingStage::Frontier() const {
  StageState::Times frontier = state.compute();
  for (const RankTransferPtr& transfer : pending) {
    for (size_t i = 0; i < frontier.size(); ++i) {
      frontier[i] = std::max(frontier[i], transfer->end(i));
    }
  }
  return frontier;
}

void WaitingStage::Wait() {
  if (!pending.empty()) {
    state.WaitFor(pending);
    pending.clear();
  }
}

RankTransferPtr WaitingStage::Transfer(Picoseconds duration, const MeetingGroups& groups) {
  auto transfer = std::make_shared<RankTransfer>();
  transfer->cause = Cause::kDataParallel;
  transfer->duration = duration;
  transfer->ready = Frontier();
  StageState::Times& free = state.data;
  for (size_t i = 0; i < free.size(); ++i) {
    transfer->ready[i] = std::max(transfer->ready[i], free[i]);
  }
  transfer->begin.resize(free.size());
  LatestOfGroups(groups, transfer->ready, transfer->begin);
  for (size_t i = 0; i < free.size(); ++i) {
    free[i] = transfer->end(i);
  }
  return transfer;
}

bool WaitingStage::IsPast(const RankTransfer& transfer) const {
  for (size_t i = 0; i < transfer.begin.size(); ++i) {
    if (transfer.end(i) > state.compute()[i]) {
      return false;
    }
  }
  return true;
}

CauseTimes StageState::TimesOf(size_t replica) const {
  CauseTimes times = alike_;
  for (size_t cause = 0; cause < kNumCauses; ++cause) {
    times.spans[cause] += times_[cause][replica];
  }
  return times;
}

}  // namespace ridgeline::training
