#include "sim/serving/step_times.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "base/check.h"
#include "sim/inference_settings.h"

namespace ridgeline::serving {
namespace {

using compute::Bound;
using compute::Duration;
using engine::Picoseconds;
using workloads::AxisCollective;
using workloads::RepeatedStep;

/// Error that whole picoseconds a token may make of a step's time, as a part of it.
constexpr double kSlopeTolerance = 5e-7;
/// A step longer than this would fill the clock of 106 days within a few thousand steps.
constexpr double kLongestStep = 3600.0;
/// Prompts' parts that are remembered, 60 bytes each: more than a day's trace has different ones.
constexpr size_t kMostPrefills = size_t{1} << 19;

/// Everything was costed once by Prepare; the data types do not change.
template <class T>
T Must(Result<T> result) {
  CHECK(result.has_value(), "{}", result.error().message);
  return *std::move(result);
}

/// What is asked of an OperationTime.
using Work = std::variant<Operation, Collective>;
Work WorkOf(const RepeatedStep& step, const RankGroup& group) {
  if (const auto* operation = std::get_if<Operation>(&step.work)) {
    return *operation;
  }
  const auto& collective = std::get<AxisCollective>(step.work);
  return Collective{.kind = collective.kind,
                    .bytes = collective.bytes,
                    .group = group,
                    .dtype = collective.dtype};
}

Duration Rounded(const std::array<double, 3>& times) {
  Duration rounded;
  for (size_t i = 0; i < times.size(); ++i) {
    rounded.at[i] = std::llround(times[i]);
  }
  return rounded;
}

}  // namespace

size_t StepTimes::PrefillHash::operator()(const Prefill& prefill) const {
  // Both are far below 2^32; the odd factor spreads them over the high bits (Knuth's
  // multiplicative hashing).
  const uint64_t key =
      static_cast<uint64_t>(prefill.tokens) << 32 ^ static_cast<uint64_t>(prefill.context);
  return static_cast<size_t>((key * 0x9E3779B97F4A7C15U) >> 20);
}

Result<std::unique_ptr<StepTimes>> StepTimes::Of(const sim::Scenario& scenario,
                                                 const compute::OperationTime& time) {
  CHECK(scenario.serving.has_value(), "no deployment to cost");
  std::unique_ptr<StepTimes> times(new StepTimes(scenario, time));
  RETURN_IF_ERROR(times->Prepare());
  return times;
}

StepTimes::StepTimes(const sim::Scenario& scenario, const compute::OperationTime& time)
    : serving_(*scenario.serving),
      settings_(sim::SettingsOf(serving_, scenario.cluster)),
      group_{.ranks = serving_.tp, .ranks_per_node = serving_.tp},
      time_(time) {
  settings_.model = &serving_.model;
  // At most twice the sequences, and never more than a step holds (vllm-project/vllm
  // vllm/config/vllm.py, _set_cudagraph_sizes).
  const int64_t most = std::min(2 * serving_.max_sequences, serving_.max_batched_tokens);
  for (const int64_t size : serving_.engine.captured_batches) {
    if (size <= most) {
      captured_.push_back(size);
    }
  }
  tokens_.resize(static_cast<size_t>(serving_.max_batched_tokens) + 1);
  head_.resize(static_cast<size_t>(serving_.max_sequences) + 1);
  decodes_.resize(static_cast<size_t>(serving_.max_sequences) + 1);
}

/// Finds now what would fail later: an operation that the GPU cannot do, a step beyond the clock.
Status StepTimes::Prepare() {
  ASSIGN_OR_RETURN(prefill_attention_,
                   workloads::LowerAttention(settings_, AttentionPhase::kPrefill, 1, 1, 1));
  ASSIGN_OR_RETURN(decode_attention_,
                   workloads::LowerAttention(settings_, AttentionPhase::kDecode, 1, 1, 1));
  const int64_t tokens = serving_.max_batched_tokens;
  const int64_t length = serving_.max_model_len;
  ASSIGN_OR_RETURN(const Times body, CostTokens(tokens, 0));
  ASSIGN_OR_RETURN(const Times head, CostTokens(0, serving_.max_sequences));
  ASSIGN_OR_RETURN(const Times prefill,
                   CostAttention(prefill_attention_, 1, std::min(tokens, length), length));
  ASSIGN_OR_RETURN(const Times decode,
                   CostAttention(decode_attention_, serving_.max_sequences, 1, length));
  for (size_t i = 0; i < kNumBounds; ++i) {
    const double longest =
        (body[i] + head[i] + prefill[i] + decode[i]) * 1e-12 + HostSeconds(serving_.max_sequences);
    if (!(longest < kLongestStep)) {
      return Fail({.code = ErrorCode::kOutOfRange,
                   .message = fmt::format("a step may take longer than {} s: {:.3g} s",
                                          kLongestStep, longest),
                   .hint = "look for a rate that is far too small, or lower max_batched_tokens"});
    }
  }
  return {};
}

Result<StepTimes::Times> StepTimes::CostTokens(int64_t tokens, int64_t sampled) const {
  ASSIGN_OR_RETURN(const std::vector<RepeatedStep> steps,
                   workloads::LowerTokens(settings_, tokens, sampled));
  // A layer has a second norm, residual and all-reduce of the same sizes: asked for once.
  std::vector<Work> works(steps.size());
  std::vector<Cost> costs(steps.size());
  Times sums{};
  for (size_t i = 0; i < steps.size(); ++i) {
    works[i] = WorkOf(steps[i], group_);
    const auto same =
        static_cast<size_t>(std::find(works.begin(), works.end(), works[i]) - works.begin());
    if (same < i) {
      costs[i] = costs[same];
    } else if (const auto* operation = std::get_if<Operation>(&works[i])) {
      ASSIGN_OR_RETURN(costs[i], time_.CostOf(*operation));
    } else {
      ASSIGN_OR_RETURN(costs[i], time_.CostOf(std::get<Collective>(works[i])));
    }
    const auto count = static_cast<double>(steps[i].count);
    sums[static_cast<size_t>(Bound::kMean)] += costs[i].mean.base() * 1e12 * count;
    sums[static_cast<size_t>(Bound::kLow)] += costs[i].low.base() * 1e12 * count;
    sums[static_cast<size_t>(Bound::kHigh)] += costs[i].high.base() * 1e12 * count;
  }
  return sums;
}

Result<StepTimes::Times> StepTimes::CostAttention(const std::vector<RepeatedStep>& steps,
                                                  int64_t sequences, int64_t tokens,
                                                  int64_t context) const {
  Times sums{};
  for (const RepeatedStep& step : steps) {
    Operation operation = std::get<Operation>(step.work);
    auto& attention = std::get<Attention>(operation);
    attention.batch = sequences;
    attention.q_len = tokens;
    attention.kv_len = context;
    ASSIGN_OR_RETURN(const Cost cost, time_.CostOf(operation));
    const auto count = static_cast<double>(step.count);
    sums[static_cast<size_t>(Bound::kMean)] += cost.mean.base() * 1e12 * count;
    sums[static_cast<size_t>(Bound::kLow)] += cost.low.base() * 1e12 * count;
    sums[static_cast<size_t>(Bound::kHigh)] += cost.high.base() * 1e12 * count;
  }
  return sums;
}

int64_t StepTimes::Padded(int64_t tokens) const {
  const auto next = std::lower_bound(captured_.begin(), captured_.end(), tokens);
  return next == captured_.end() ? tokens : *next;
}

const Duration& StepTimes::OfTokens(int64_t tokens) {
  const int64_t padded = Padded(tokens);
  CHECK(padded > 0 && padded < static_cast<int64_t>(tokens_.size()), "{} tokens", padded);
  Duration& entry = tokens_[static_cast<size_t>(padded)];
  if (entry.at[0] == 0) {
    entry = Rounded(Must(CostTokens(padded, 0)));
    for (Picoseconds& span : entry.at) {
      span = std::max<Picoseconds>(span, 1);
    }
  }
  return entry;
}

const Duration& StepTimes::OfHead(int64_t sampled) {
  CHECK(sampled >= 0 && sampled < static_cast<int64_t>(head_.size()), "{} sampled", sampled);
  Duration& entry = head_[static_cast<size_t>(sampled)];
  if (entry.at[0] == 0 && sampled > 0) {
    entry = Rounded(Must(CostTokens(0, sampled)));
  }
  return entry;
}

double StepTimes::OfPrefill(int64_t tokens, int64_t context, Bound bound) {
  const auto known = prefills_.find({.tokens = tokens, .context = context});
  if (known != prefills_.end()) {
    return known->second[static_cast<size_t>(bound)];
  }
  const Times times = Must(CostAttention(prefill_attention_, 1, tokens, context));
  if (prefills_.size() >= kMostPrefills) {
    prefills_.clear();
  }
  prefills_.emplace(Prefill{.tokens = tokens, .context = context}, times);
  return times[static_cast<size_t>(bound)];
}

Result<StepTimes::DecodeLinesByBound> StepTimes::CostDecode(int64_t sequences) {
  DecodeLinesByBound all;
  std::unordered_map<int64_t, Times> asked;  // by tokens a sequence
  for (const Bound bound : compute::kBounds) {
    const auto at = static_cast<size_t>(bound);
    const auto attention = [&](int64_t context) -> Result<double> {
      const auto known = asked.find(context);
      if (known != asked.end()) {
        return known->second[at];
      }
      ASSIGN_OR_RETURN(const Times times, CostAttention(decode_attention_, sequences, 1, context));
      asked.emplace(context, times);
      return times[at];
    };
    DecodeLines& lines = all[at];
    lines.fixed = OfTokens(sequences)[bound] + OfHead(sequences)[bound];
    ASSIGN_OR_RETURN(lines.pieces,
                     time_.calibration() == nullptr
                         ? FindDecodePieces(sequences, serving_.max_model_len, attention)
                         : DecodeChords(sequences, serving_.max_model_len, attention));
    // Half a picosecond a token over half a cell stays within the tolerance.
    const double widest = kSlopeTolerance * static_cast<double>(lines.fixed) * 4.0;
    lines.cell = std::max<int64_t>(static_cast<int64_t>(widest), 1);
  }
  return all;
}

const DecodeLines& StepTimes::OfDecode(int64_t sequences, Bound bound) {
  CHECK(sequences > 0 && sequences < static_cast<int64_t>(decodes_.size()), "{} sequences",
        sequences);
  DecodeLinesByBound& lines = decodes_[static_cast<size_t>(sequences)];
  if (lines[0].pieces.empty()) {
    lines = Must(CostDecode(sequences));
  }
  return lines[static_cast<size_t>(bound)];
}

double StepTimes::HostSeconds(int64_t sequences) const {
  return (serving_.engine.host_time_per_step +
          serving_.engine.host_time_per_sequence * static_cast<double>(sequences))
      .base();
}

Picoseconds StepTimes::OfHost(int64_t sequences) const {
  return std::llround(HostSeconds(sequences) * 1e12);
}

}  // namespace ridgeline::serving
