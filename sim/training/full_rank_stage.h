/// The ranks of one pipeline stage in full-rank mode: where each stands on its streams, and what
/// its time went into. Arrays by replica, so that what all do alike is one loop.
///
/// Booking (INV-7): a compute stream's wait is exposed communication while the transfer waited for
/// is under way; `straggler` from when this rank could have begun it until the last of its group
/// came; host while only the host is waited for; bubble otherwise. Where nobody is slower this is
/// the booking of time_breakdown.h.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "sim/engine/sim_time.h"
#include "sim/training/cause.h"
#include "sim/training/full_rank_groups.h"
#include "sim/training/host_chain.h"

namespace ridgeline::training {

/// A send, or a collective on the data-parallel stream, of every replica of a stage.
struct RankTransfer {
  Cause cause = Cause::kPipelineParallel;
  engine::Picoseconds duration = 0;
  std::vector<engine::Picoseconds> begin;  // by replica
  std::vector<engine::Picoseconds> ready;  // could have begun, had its peers come; empty: begin

  engine::Picoseconds end(size_t replica) const { return begin[replica] + duration; }
};
/// Shared: sender and receiver wait for the same one, in an order that the schedule decides.
using RankTransferPtr = std::shared_ptr<const RankTransfer>;
using RankTransfers = std::vector<RankTransferPtr>;

class StageState {
 public:
  using Picoseconds = engine::Picoseconds;
  using Times = std::vector<Picoseconds>;

  StageState(size_t replicas, bool has_host);

  size_t replicas() const { return compute_.size(); }
  bool has_host() const { return has_host_; }
  const Times& compute() const { return compute_; }
  /// What each replica's stream has to be free of before; send streams and the data stream.
  Times send_forward, send_backward, data;

  void StartHost(Picoseconds start) { host_ = start; }
  /// The compute streams go on once all of these are over.
  void WaitFor(std::span<const RankTransferPtr> transfers);
  /// An operation; `factors` by replica. The host issues it. `slowed` of the duration is what a
  /// collective beside it adds, booked under `slowed_by`.
  void Compute(Cause cause, Picoseconds duration, Picoseconds host, std::span<const double> factors,
               Picoseconds slowed = 0, Cause slowed_by = Cause::kTensorParallel);
  /// A chain that the GPU begins after its host's lead (host_chain.h).
  void Chain(Cause cause, const HostChain& chain, std::span<const double> factors);
  /// A collective of a layer: begins when all of a group have come.
  void Meet(Cause cause, Picoseconds duration, Picoseconds host, const MeetingGroups& groups);
  /// As Meet, but the next operation runs beside it; FinishBeside waits for it.
  void MeetBeside(Cause cause, Picoseconds duration, Picoseconds host, const MeetingGroups& groups);
  void FinishBeside();
  /// All replicas wait until `together`, the latest of all stages; then `duration` under `cause`.
  void MeetAll(Cause cause, Picoseconds together, Picoseconds duration);
  /// Nothing more to do until the step's end.
  void WaitUntil(Picoseconds end);
  Picoseconds Latest() const;

  CauseTimes TimesOf(size_t replica) const;

 private:
  Times& Booked(Cause cause) { return times_[static_cast<size_t>(cause)]; }
  void Book(size_t replica, std::span<const RankTransferPtr> transfers, Picoseconds begin,
            Picoseconds end);
  void WaitForHost();

  bool has_host_;
  Times compute_;  // free at
  /// Has issued all so far at: hosts of a stage do the same and wait for nothing.
  Picoseconds host_ = 0;
  std::array<Times, kNumCauses> times_;
  CauseTimes alike_;  // what every replica spent besides
  struct Beside {
    bool is_pending = false;
    bool has_operation = false;
    Cause cause = Cause::kTensorParallel;
    Picoseconds duration = 0;
    Times own, begin;  // could begin, begins
    Times before;      // the compute stream was free at
    Times operation;   // what ran beside it took
  } beside_;
};

/// A stage, and what its next compute task waits for.
struct WaitingStage {
  StageState state;
  RankTransfers pending;

  /// When each rank's work so far counts as done.
  StageState::Times Frontier() const;
  void Wait();
  /// A collective behind the work so far, beside what follows.
  RankTransferPtr Transfer(engine::Picoseconds duration, const MeetingGroups& groups);
  /// Every rank has computed past it: nobody will wait for it.
  bool IsPast(const RankTransfer& transfer) const;
};

/// The latest of each group, for each of its members: `latest` may be `arrivals`.
void LatestOfGroups(const MeetingGroups& groups, std::span<const engine::Picoseconds> arrivals,
                    std::span<engine::Picoseconds> latest);

/// A task of so many picoseconds on a rank that takes `factor` times as long; exact at 1.
inline engine::Picoseconds ScaledBy(double factor, engine::Picoseconds duration) {
  return factor == 1.0
             ? duration
             : static_cast<engine::Picoseconds>(static_cast<double>(duration) * factor + 0.5);
}

}  // namespace ridgeline::training
