/// What the parts of an engine's steps take, remembered: a replay asks for the same few thousand
/// numbers of tokens again and again, and a measured cost model answers in microseconds. Each
/// answer is kept at the mean and at both ends of its range, because one question gives all three
/// and the runs at the three bounds meet nearly the same batches.
///
/// Steps of up to the largest captured batch are padded to the next captured size (CUDA graphs).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "sim/compute/duration.h"
#include "sim/compute/operation_time.h"
#include "sim/engine/sim_time.h"
#include "sim/scenario.h"
#include "sim/serving/decode_line.h"
#include "workloads/inference_lowering.h"

namespace ridgeline::serving {

/// The decode steps of one number of sequences, at one bound.
struct DecodeLines {
  engine::Picoseconds fixed = 0;    // all but attention, padded
  int64_t cell = 1;                 // tokens over which a slope of whole picoseconds is used
  std::vector<DecodePiece> pieces;  // of attention
};

/// One object a thread: answers fill its tables. Keeps a reference to the OperationTime.
class StepTimes {
 public:
  /// Errors: those of lowering and of the CostModel (a data type that the GPU lacks), found here
  /// and not later; kOutOfRange for steps longer than an hour.
  static Result<std::unique_ptr<StepTimes>> Of(const sim::Scenario& scenario,
                                               const compute::OperationTime& time);

  /// Everything but attention and the output head, for 1 to max_batched_tokens tokens. Never 0.
  const compute::Duration& OfTokens(int64_t tokens);
  /// The output head, for 0 to max_sequences sequences that get a token.
  const compute::Duration& OfHead(int64_t sampled);
  /// Attention of `tokens` new tokens of one prompt over `context` (the new ones included):
  /// picoseconds over all layers, not rounded yet.
  double OfPrefill(int64_t tokens, int64_t context, compute::Bound bound);
  /// For 1 to max_sequences sequences that decode a token each.
  const DecodeLines& OfDecode(int64_t sequences, compute::Bound bound);
  /// Of the engine's own work on the host.
  engine::Picoseconds OfHost(int64_t sequences) const;

 private:
  static constexpr size_t kNumBounds = compute::kBounds.size();
  /// Picoseconds by bound. Each operation's seconds become picoseconds before they are added.
  using Times = std::array<double, kNumBounds>;
  using DecodeLinesByBound = std::array<DecodeLines, kNumBounds>;
  struct Prefill {
    int64_t tokens = 0;
    int64_t context = 0;
    friend bool operator==(const Prefill&, const Prefill&) = default;
  };
  struct PrefillHash {
    size_t operator()(const Prefill& prefill) const;
  };

  StepTimes(const sim::Scenario& scenario, const compute::OperationTime& time);
  Status Prepare();
  Result<Times> CostTokens(int64_t tokens, int64_t sampled) const;
  Result<Times> CostAttention(const std::vector<workloads::RepeatedStep>& steps, int64_t sequences,
                              int64_t tokens, int64_t context) const;
  Result<DecodeLinesByBound> CostDecode(int64_t sequences);
  int64_t Padded(int64_t tokens) const;
  double HostSeconds(int64_t sequences) const;

  sim::ServingScenario serving_;
  workloads::InferenceSettings settings_;
  RankGroup group_;
  const compute::OperationTime& time_;
  std::vector<int64_t> captured_;
  std::vector<workloads::RepeatedStep> prefill_attention_;
  std::vector<workloads::RepeatedStep> decode_attention_;
  std::vector<compute::Duration> tokens_;    // by padded tokens; 0: not yet
  std::vector<compute::Duration> head_;      // by sampled rows; 0: not yet
  std::vector<DecodeLinesByBound> decodes_;  // by sequences; no pieces: not yet
  std::unordered_map<Prefill, Times, PrefillHash> prefills_;
};

}  // namespace ridgeline::serving
