#include "sim/serving/step_cost.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/check.h"
#include "sim/inference_settings.h"
#include "sim/serving/decode_line.h"

namespace ridgeline::serving {
namespace {

using compute::Bound;
using engine::Picoseconds;
using workloads::AxisCollective;
using workloads::InferenceSettings;
using workloads::RepeatedStep;

/// Error that whole picoseconds a token may make of a step's time, as a part of it.
constexpr double kSlopeTolerance = 5e-7;
/// A step longer than this would fill the clock of 106 days within a few thousand steps.
constexpr double kLongestStep = 3600.0;

double SecondsAt(const Cost& cost, Bound bound) {
  switch (bound) {
    case Bound::kMean:
      return cost.mean.base();
    case Bound::kLow:
      return cost.low.base();
    case Bound::kHigh:
      return cost.high.base();
  }
  return cost.mean.base();
}

/// The decode steps of one number of sequences.
struct DecodeLines {
  Picoseconds fixed = 0;            // all but attention, padded
  int64_t cell = 1;                 // tokens over which a slope of whole picoseconds is used
  std::vector<DecodePiece> pieces;  // of attention; empty: not filled yet
};

class ModelStepCost final : public StepCost {
 public:
  ModelStepCost(const sim::Scenario& scenario, const compute::OperationTime& time, Bound bound)
      : serving_(*scenario.serving),
        settings_(sim::SettingsOf(serving_, scenario.cluster)),
        group_{.ranks = serving_.tp, .ranks_per_node = serving_.tp},
        time_(time),
        bound_(bound) {
    settings_.model = &serving_.model;
    // At most twice the sequences, and never more than a step holds (vllm-project/vllm
    // vllm/config/vllm.py, _set_cudagraph_sizes).
    const int64_t most = std::min(2 * serving_.max_sequences, serving_.max_batched_tokens);
    for (const int64_t size : serving_.engine.captured_batches) {
      if (size <= most) {
        captured_.push_back(size);
      }
    }
    tokens_.resize(static_cast<size_t>(serving_.max_batched_tokens) + 1, 0);
    sampled_.resize(static_cast<size_t>(serving_.max_sequences) + 1, 0);
    decodes_.resize(static_cast<size_t>(serving_.max_sequences) + 1);
  }

  /// Finds now what would fail later: an operation that the GPU cannot do, a step beyond the clock.
  Status Prepare() {
    ASSIGN_OR_RETURN(prefill_,
                     workloads::LowerAttention(settings_, AttentionPhase::kPrefill, 1, 1, 1));
    ASSIGN_OR_RETURN(decode_,
                     workloads::LowerAttention(settings_, AttentionPhase::kDecode, 1, 1, 1));
    const int64_t tokens = serving_.max_batched_tokens;
    const int64_t length = serving_.max_model_len;
    ASSIGN_OR_RETURN(const double body, TimeOfTokens(tokens, 0));
    ASSIGN_OR_RETURN(const double head, TimeOfTokens(0, serving_.max_sequences));
    ASSIGN_OR_RETURN(const double prefill,
                     TimeOfAttention(prefill_, 1, std::min(tokens, length), length));
    ASSIGN_OR_RETURN(const double decode,
                     TimeOfAttention(decode_, serving_.max_sequences, 1, length));
    const double longest =
        (body + head + prefill + decode) * 1e-12 + HostSeconds(serving_.max_sequences);
    if (!(longest < kLongestStep)) {
      return Fail({.code = ErrorCode::kOutOfRange,
                   .message = fmt::format("a step may take longer than {} s: {:.3g} s",
                                          kLongestStep, longest),
                   .hint = "look for a rate that is far too small, or lower max_batched_tokens"});
    }
    return {};
  }

  Picoseconds Of(const StepBatch& batch) override {
    if (batch.chunks.empty()) {
      const DecodeTime line = Decode(batch.decodes, batch.decode_context);
      return line.base + line.per_token * batch.decode_context;
    }
    int64_t tokens = batch.decodes;
    double attention = 0.0;
    for (const PrefillChunk& chunk : batch.chunks) {
      tokens += chunk.tokens;
      attention += Must(TimeOfAttention(prefill_, 1, chunk.tokens, chunk.context + chunk.tokens));
    }
    Picoseconds gpu = Body(Padded(tokens)) + Head(batch.sampled) + std::llround(attention);
    if (batch.decodes > 0) {
      const DecodeTime line = AttentionLine(Lines(batch.decodes), batch.decode_context);
      gpu += line.base + line.per_token * batch.decode_context;
    }
    const int64_t sequences = batch.decodes + static_cast<int64_t>(batch.chunks.size());
    const Picoseconds host = Host(sequences);
    return serving_.engine.overlaps_host ? std::max(gpu, host) : gpu + host;
  }

  DecodeTime Decode(int64_t sequences, int64_t context) override {
    const DecodeLines& lines = Lines(sequences);
    DecodeTime line = AttentionLine(lines, context);
    line.base += lines.fixed;
    const Picoseconds host = Host(sequences);
    if (!serving_.engine.overlaps_host) {
      line.base += host;
    } else if (line.base + line.per_token * context < host) {
      // The host is slower until the line reaches it.
      const int64_t last = line.per_token > 0 ? (host - line.base) / line.per_token : line.valid_to;
      return {.base = host, .per_token = 0, .valid_to = std::min(line.valid_to, last)};
    }
    return line;
  }

 private:
  /// Everything here was costed once by Prepare; the data types do not change.
  static double Must(Result<double> time) {
    CHECK(time.has_value(), "{}", time.error().message);
    return *time;
  }

  /// Sum of whole picoseconds, each operation's time rounded once.
  Result<double> TimeOfTokens(int64_t tokens, int64_t sampled) const {
    ASSIGN_OR_RETURN(const std::vector<RepeatedStep> steps,
                     workloads::LowerTokens(settings_, tokens, sampled));
    double sum = 0.0;
    for (const RepeatedStep& step : steps) {
      double seconds = 0.0;
      if (const auto* operation = std::get_if<Operation>(&step.work)) {
        ASSIGN_OR_RETURN(const Cost cost, time_.CostOf(*operation));
        seconds = SecondsAt(cost, bound_);
      } else {
        const auto& collective = std::get<AxisCollective>(step.work);
        seconds = SecondsAt(time_.CostOf(Collective{.kind = collective.kind,
                                                    .bytes = collective.bytes,
                                                    .group = group_,
                                                    .dtype = collective.dtype}),
                            bound_);
      }
      sum += seconds * 1e12 * static_cast<double>(step.count);
    }
    return sum;
  }

  /// Picoseconds of attention over all layers.
  Result<double> TimeOfAttention(const std::vector<RepeatedStep>& steps, int64_t sequences,
                                 int64_t tokens, int64_t context) const {
    double sum = 0.0;
    for (const RepeatedStep& step : steps) {
      Operation operation = std::get<Operation>(step.work);
      auto& attention = std::get<Attention>(operation);
      attention.batch = sequences;
      attention.q_len = tokens;
      attention.kv_len = context;
      ASSIGN_OR_RETURN(const Cost cost, time_.CostOf(operation));
      sum += SecondsAt(cost, bound_) * 1e12 * static_cast<double>(step.count);
    }
    return sum;
  }

  int64_t Padded(int64_t tokens) const {
    const auto next = std::lower_bound(captured_.begin(), captured_.end(), tokens);
    return next == captured_.end() ? tokens : *next;
  }

  Picoseconds Body(int64_t tokens) {
    CHECK(tokens > 0 && tokens < static_cast<int64_t>(tokens_.size()), "{} tokens", tokens);
    Picoseconds& entry = tokens_[static_cast<size_t>(tokens)];
    if (entry == 0) {
      entry = std::max<Picoseconds>(std::llround(Must(TimeOfTokens(tokens, 0))), 1);
    }
    return entry;
  }

  Picoseconds Head(int64_t sampled) {
    CHECK(sampled >= 0 && sampled < static_cast<int64_t>(sampled_.size()), "{} sampled", sampled);
    Picoseconds& entry = sampled_[static_cast<size_t>(sampled)];
    if (entry == 0 && sampled > 0) {
      entry = std::llround(Must(TimeOfTokens(0, sampled)));
    }
    return entry;
  }

  double HostSeconds(int64_t sequences) const {
    return (serving_.engine.host_time_per_step +
            serving_.engine.host_time_per_sequence * static_cast<double>(sequences))
        .base();
  }
  Picoseconds Host(int64_t sequences) const { return std::llround(HostSeconds(sequences) * 1e12); }

  const DecodeLines& Lines(int64_t sequences) {
    CHECK(sequences > 0 && sequences < static_cast<int64_t>(decodes_.size()), "{} sequences",
          sequences);
    DecodeLines& lines = decodes_[static_cast<size_t>(sequences)];
    if (lines.pieces.empty()) {
      lines.fixed = Body(Padded(sequences)) + Head(sequences);
      const auto attention = [this, sequences](int64_t context) {
        return TimeOfAttention(decode_, sequences, 1, context);
      };
      Result<std::vector<DecodePiece>> pieces =
          time_.calibration() == nullptr
              ? FindDecodePieces(sequences, serving_.max_model_len, attention)
              : DecodeChords(sequences, serving_.max_model_len, attention);
      CHECK(pieces.has_value(), "{}", pieces.error().message);
      lines.pieces = *std::move(pieces);
      // Half a picosecond a token over half a cell stays within the tolerance.
      const double widest = kSlopeTolerance * static_cast<double>(lines.fixed) * 4.0;
      lines.cell = std::max<int64_t>(static_cast<int64_t>(widest), 1);
    }
    return lines;
  }

  /// A whole-picosecond line through the exact time at the middle of the cell that holds `context`.
  static DecodeTime AttentionLine(const DecodeLines& lines, int64_t context) {
    int64_t from = 0;
    for (const DecodePiece& piece : lines.pieces) {
      if (context > piece.to) {
        from = piece.to + 1;
        continue;
      }
      const int64_t begin = std::max(from, context / lines.cell * lines.cell);
      const int64_t end = std::min(piece.to, begin / lines.cell * lines.cell + lines.cell - 1);
      const int64_t middle = begin + (end - begin) / 2;
      const Picoseconds slope = std::llround(piece.slope);
      const double exact = piece.intercept + piece.slope * static_cast<double>(middle);
      return {.base = std::llround(exact) - slope * middle, .per_token = slope, .valid_to = end};
    }
    CHECK(false, "{} tokens beyond the last piece", context);
    return {};
  }

  sim::ServingScenario serving_;
  InferenceSettings settings_;
  RankGroup group_;
  const compute::OperationTime& time_;
  Bound bound_;
  std::vector<int64_t> captured_;
  std::vector<RepeatedStep> prefill_;
  std::vector<RepeatedStep> decode_;
  std::vector<Picoseconds> tokens_;   // all but attention and head, by padded tokens; 0: not yet
  std::vector<Picoseconds> sampled_;  // the head, by sampled rows; 0: not yet
  std::vector<DecodeLines> decodes_;  // by sequences
};

}  // namespace

Result<sim::Reliance> RelianceOfStep(const sim::Scenario& scenario,
                                     const compute::OperationTime& time, const StepBatch& batch) {
  const sim::ServingScenario& serving = *scenario.serving;
  InferenceSettings settings = sim::SettingsOf(serving, scenario.cluster);
  settings.model = &serving.model;
  sim::Reliance reliance;
  const auto add = [&](const std::vector<RepeatedStep>& steps) -> Status {
    for (const RepeatedStep& step : steps) {
      const auto times = static_cast<double>(step.count);
      if (const auto* operation = std::get_if<Operation>(&step.work)) {
        ASSIGN_OR_RETURN(const Cost cost, time.CostOf(*operation));
        reliance.Add(*operation, cost, times);
      } else {
        const auto& wanted = std::get<AxisCollective>(step.work);
        const Collective collective{.kind = wanted.kind,
                                    .bytes = wanted.bytes,
                                    .group = {.ranks = serving.tp, .ranks_per_node = serving.tp},
                                    .dtype = wanted.dtype};
        reliance.Add(collective, time.CostOf(collective), times);
      }
    }
    return {};
  };
  int64_t tokens = batch.decodes;
  for (const PrefillChunk& chunk : batch.chunks) {
    tokens += chunk.tokens;
    ASSIGN_OR_RETURN(const std::vector<RepeatedStep> attention,
                     workloads::LowerAttention(settings, AttentionPhase::kPrefill, 1, chunk.tokens,
                                               chunk.context + chunk.tokens));
    RETURN_IF_ERROR(add(attention));
  }
  if (batch.decodes > 0) {
    ASSIGN_OR_RETURN(
        const std::vector<RepeatedStep> attention,
        workloads::LowerAttention(settings, AttentionPhase::kDecode, batch.decodes, 1,
                                  std::max<int64_t>(1, batch.decode_context / batch.decodes)));
    RETURN_IF_ERROR(add(attention));
  }
  ASSIGN_OR_RETURN(const std::vector<RepeatedStep> body,
                   workloads::LowerTokens(settings, tokens, batch.sampled));
  RETURN_IF_ERROR(add(body));
  return reliance;
}

Result<std::unique_ptr<StepCost>> MakeStepCost(const sim::Scenario& scenario,
                                               const compute::OperationTime& time, Bound bound) {
  CHECK(scenario.serving.has_value(), "no deployment to cost");
  auto cost = std::make_unique<ModelStepCost>(scenario, time, bound);
  RETURN_IF_ERROR(cost->Prepare());
  return std::unique_ptr<StepCost>(std::move(cost));
}

}  // namespace ridgeline::serving
