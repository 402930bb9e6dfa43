#include "calibration/measured_cost_model.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/units_text.h"

namespace ridgeline::calibration {
namespace {

// Log error of nine shapes in ten when one GPU's residuals meet another's physics. H100's tables on
// H200's held-out points: 90th percentile 13 to 30 % by family. A100's on H100's: 39 to 90 %, and
// H100's on A100's: 27 to 49 %.
constexpr double kErrorWithinArchitecture = 0.2;
constexpr double kErrorAcrossArchitectures = 0.5;

// Log error of nine shapes in ten when one library's kernels are taken for another's: PyTorch's,
// FlashInfer's and vLLM's decode attention differ by 0.68 to 1.40 (configs/calibration/README.md).
constexpr double kErrorAcrossLibraries = 0.3;

// Products with a side of 24,576 and more and none below 1,024 against twice the half: -7 to +6 %
// on H100, -4 to +5 % on H200 (5th to 95th percentile of 331 each, medians +0.5 %).
constexpr int64_t kLeastToHalve = 24576;
constexpr int64_t kLeastOtherSide = 1024;
constexpr double kErrorOfHalving = 0.05;

/// A kernel that is asked for by name: the variant that its tables have, and what it may take of
/// another fused kernel's time where only that one was measured.
struct NamedKernel {
  std::string_view variant;
  double least;
  double most;
};
// FlashInfer's decode takes 0.55 to 1.08 of FlashAttention-2's over 35 equal shapes, and cuDNN's
// 0.51 to 0.98 of vLLM's over 260 (10th to 90th percentile, configs/calibration/README.md).
constexpr NamedKernel kFlash2 = {"flash", 1 / 1.08, 1 / 0.55};
constexpr NamedKernel kCudnn = {"cudnn", 0.51, 0.98};

const NamedKernel* NameOf(AttentionKernel kernel) {
  return kernel == AttentionKernel::kFlash2  ? &kFlash2
         : kernel == AttentionKernel::kCudnn ? &kCudnn
                                             : nullptr;
}

/// Patterns that physics can turn into `pattern`, nearest first.
std::vector<TimedOperation> NearPatterns(const TimedOperation& pattern) {
  std::vector<TimedOperation> near;
  const auto other_half = [](DType dtype) {
    return dtype == DType::kFp16 ? DType::kBf16 : dtype == DType::kBf16 ? DType::kFp16 : dtype;
  };
  if (const auto* const gemm = std::get_if<Gemm>(&pattern)) {
    for (const bool accumulates : {gemm->accumulates, false}) {
      for (const DType dtype : {gemm->dtype, other_half(gemm->dtype)}) {
        for (const DType output : {gemm->output_dtype, dtype, DType::kBf16}) {
          Gemm other = *gemm;
          other.dtype = dtype;
          other.output_dtype = output;
          other.accumulates = accumulates;
          near.emplace_back(other);
        }
      }
    }
  } else if (const auto* const grouped = std::get_if<GroupedGemm>(&pattern)) {
    for (const DType dtype : {grouped->dtype, other_half(grouped->dtype)}) {
      for (const DType output : {grouped->output_dtype, dtype, DType::kBf16}) {
        GroupedGemm other = *grouped;
        other.dtype = dtype;
        other.output_dtype = output;
        other.accumulates = false;
        near.emplace_back(other);
      }
    }
  } else if (const auto* const attention = std::get_if<Attention>(&pattern)) {
    Attention other = *attention;
    other.dtype = other_half(attention->dtype);
    near.emplace_back(other);
    if (attention->phase == AttentionPhase::kDecode) {
      // One query sees the whole cache, whether a mask would hide later tokens or not.
      other.causal = !attention->causal;
      near.emplace_back(other);
      other.dtype = attention->dtype;
      near.emplace_back(other);
    }
  } else if (const auto* const work = std::get_if<MemoryBound>(&pattern)) {
    // Bytes are what they cost, of whichever type.
    for (const DType dtype : {DType::kBf16, DType::kFp16, DType::kFp32}) {
      MemoryBound other = *work;
      other.dtype = dtype;
      near.emplace_back(other);
    }
  } else if (const auto* const layer = std::get_if<MixtureLayer>(&pattern)) {
    MixtureLayer other = *layer;
    other.dtype = other_half(layer->dtype);
    near.emplace_back(other);
  }
  return near;
}

/// Nothing beats the roofline at the vendor's peaks.
Cost AtLeast(Cost cost, Seconds bound) {
  if (cost.mean < bound) {  // as uncertain upwards as it was
    cost.high = bound * (cost.high / cost.mean);
    cost.mean = bound;
  }
  cost.low = std::max(cost.low, bound);
  return cost;
}

/// Whether such a run may ask a table of this pattern: matrices and attention in its own types.
bool CanRead(const hardware::RunProfile& run, const TimedOperation& pattern) {
  return std::visit(
      [&](const auto& op) {
        using Op = std::decay_t<decltype(op)>;
        if constexpr (std::is_same_v<Op, MemoryBound>) {
          return true;
        } else if constexpr (std::is_same_v<Op, Attention>) {
          return run.has_fused_attention;
        } else if constexpr (std::is_same_v<Op, OtherOperation>) {
          return false;
        } else {
          return std::ranges::count(run.dtypes, op.dtype) > 0;
        }
      },
      pattern);
}

std::optional<Operation> BaseOperation(const TimedOperation& operation) {
  return std::visit(
      [](const auto& op) -> std::optional<Operation> {
        using Op = std::decay_t<decltype(op)>;
        if constexpr (std::is_constructible_v<Operation, Op>) {
          return Operation(op);
        }
        return std::nullopt;
      },
      operation);
}

}  // namespace

bool IsMeasuredOn(const Profile& profile, const hardware::Gpu& gpu) {
  if (hardware::UnchangedName(gpu.name) != profile.gpu) {
    return false;
  }
  // Files hold rates as decimal text: equal but for the last digits.
  const auto is_near = [](double a, double b) { return std::abs(a - b) <= 1e-9 * std::abs(a); };
  return std::ranges::all_of(profile.tables, [&](const FittedTable& table) {
    if (std::holds_alternative<Collective>(table.pattern)) {
      return true;  // of the links, which are the cluster's
    }
    const MachineRates rates = RatesOf(gpu, table.pattern);
    return is_near(rates.flops, table.rates.flops) &&
           is_near(rates.bandwidth, table.rates.bandwidth) &&
           is_near(rates.multiprocessors, table.rates.multiprocessors);
  });
}

MeasuredCostModel::MeasuredCostModel(Profile profile, hardware::Gpu gpu,
                                     std::optional<bool> is_transferred)
    : roofline_(std::move(gpu)),
      sustained_(profile.sustained),
      is_transferred_(is_transferred.value_or(!IsMeasuredOn(profile, roofline_.gpu()))) {
  const double transfer_error = !is_transferred_ ? 0
                                : profile.architecture == roofline_.gpu().architecture
                                    ? kErrorWithinArchitecture
                                    : kErrorAcrossArchitectures;
  for (FittedTable& table : profile.tables) {
    // Collectives are measured_collectives.h's; a type that this GPU lacks has no physics.
    if (!std::holds_alternative<Collective>(table.pattern)) {
      tables_.emplace_back(std::move(table), roofline_.gpu(), transfer_error);
    }
  }
}

const CostTable* MeasuredCostModel::FindTable(const TimedOperation& pattern,
                                              const Condition& condition,
                                              const TimedOperation& operation, Cost& cost,
                                              std::string_view variant) const {
  const CostTable* best = nullptr;
  CostTable::Place place;
  bool has_own = false;
  for (const CostTable& table : tables_) {
    const FittedTable& fitted = table.fitted();
    if (fitted.variant != variant || fitted.pattern != pattern || fitted.condition != condition) {
      continue;
    }
    has_own = has_own || fitted.is_own();
    const CostTable::Place here = table.PlaceOf(operation);
    if (best == nullptr || here.beyond < place.beyond) {
      best = &table;
      place = here;
    }
    if (place.beyond == 0) {
      break;
    }
  }
  if (best != nullptr) {
    cost = best->CostAt(operation, place);
    if (has_own && !best->fitted().is_own()) {
      cost.low = cost.low * std::exp(-kErrorAcrossLibraries);
      cost.high = cost.high * std::exp(kErrorAcrossLibraries);
    }
  }
  return best;
}

std::optional<Cost> MeasuredCostModel::Tabulated(const TimedOperation& operation,
                                                 const Condition& condition,
                                                 std::string_view variant) const {
  if (const auto* const attention = std::get_if<Attention>(&operation);
      attention != nullptr && NameOf(attention->kernel) != nullptr) {
    return TabulatedByName(*attention, condition);
  }
  const TimedOperation pattern = PatternOf(operation);
  Cost cost;
  if (FindTable(pattern, condition, operation, cost, variant) != nullptr) {
    const auto* const gemm = std::get_if<Gemm>(&operation);
    if (gemm != nullptr && cost.evidence == Evidence::kExtrapolated && !is_transferred_) {
      return TwoHalves(*gemm, condition, variant).value_or(cost);
    }
    return cost;
  }
  for (const TimedOperation& near : NearPatterns(pattern)) {
    if (FindTable(near, condition, operation, cost, variant) != nullptr) {
      cost.evidence = Worse(cost.evidence, Evidence::kInterpolated);
      return cost;
    }
  }
  return std::nullopt;
}

/// A product larger than any measured one as two of half its longest side: such products fill the
/// GPU either way. Nothing when it is not that large, or its half was not measured either.
std::optional<Cost> MeasuredCostModel::TwoHalves(const Gemm& gemm, const Condition& condition,
                                                 std::string_view variant) const {
  Gemm half = gemm;
  int64_t& longest = half.m >= std::max(half.n, half.k) ? half.m
                     : half.n >= half.k                 ? half.n
                                                        : half.k;
  if (longest < kLeastToHalve || longest % 2 != 0 ||
      std::min({half.m, half.n, half.k}) < kLeastOtherSide) {
    return std::nullopt;
  }
  longest /= 2;
  const std::optional<Cost> cost = Tabulated(half, condition, variant);
  // Halved again, it is extrapolated still: within what was counted by then.
  if (!cost || (cost->evidence == Evidence::kExtrapolated && longest < kLeastToHalve)) {
    return std::nullopt;
  }
  return Cost{.mean = 2.0 * cost->mean,
              .low = 2.0 * std::exp(-kErrorOfHalving) * cost->low,
              .high = 2.0 * std::exp(kErrorOfHalving) * cost->high,
              .evidence = Evidence::kExtrapolated};
}

/// Its own tables are those of its variant; where it has none, the fused kernel's time within what
/// the two differ by. Prompts in plain tables of this project are cuDNN's already.
std::optional<Cost> MeasuredCostModel::TabulatedByName(const Attention& attention,
                                                       const Condition& condition) const {
  const NamedKernel& name = *NameOf(attention.kernel);
  Attention fused = attention;
  fused.kernel = AttentionKernel::kFlash;
  if (std::optional<Cost> own = Tabulated(fused, condition, name.variant)) {
    return own;
  }
  std::optional<Cost> other = Tabulated(fused, condition);
  const bool is_same =
      attention.kernel == AttentionKernel::kCudnn && attention.phase == AttentionPhase::kPrefill;
  if (other && !is_same) {
    other->low = std::min(1.0, name.least) * other->low;
    other->high = std::max(1.0, name.most) * other->high;
    other->evidence = Worse(other->evidence, Evidence::kExtrapolated);
  }
  return other;
}

/// The measured layer runs two grouped GEMMs over the same rows, 2 ffn x hidden and hidden x ffn:
/// of its time each takes its share by FLOPs, a third and two thirds at the layer that it would be
/// the first of. Routing and activation are in that time, so it errs on the slow side.
std::optional<Cost> MeasuredCostModel::GroupedFromMixture(const GroupedGemm& gemm) const {
  if (gemm.weight_gradient || gemm.groups < 1 || gemm.n < 2) {
    return std::nullopt;
  }
  const bool is_up = gemm.n >= gemm.k;
  MixtureLayer layer{.tokens = gemm.m,
                     .hidden = is_up ? gemm.k : gemm.n,
                     .ffn = is_up ? gemm.n / 2 : gemm.k,
                     .experts = gemm.groups,
                     .top_k = 1,
                     .dtype = gemm.dtype};
  std::optional<Cost> whole = Tabulated(layer, Condition{});
  if (!whole) {
    return std::nullopt;
  }
  const double share = is_up ? 2.0 / 3 : 1.0 / 3;
  return Cost{.mean = share * whole->mean,
              .low = share * whole->low,
              .high = share * whole->high,
              .evidence = Evidence::kExtrapolated};
}

/// Both products as grouped GEMMs.
Result<Cost> MeasuredCostModel::MixtureByRoofline(const MixtureLayer& layer) const {
  const int64_t experts = std::max<int64_t>(1, layer.experts / layer.ep);
  const int64_t rows = std::max<int64_t>(1, layer.tokens * layer.top_k / layer.ep);
  const int64_t active = std::min(experts, rows);
  ASSIGN_OR_RETURN(const Cost up, roofline_.CostOf(GroupedGemm{.groups = active,
                                                               .m = rows,
                                                               .n = 2 * layer.ffn,
                                                               .k = layer.hidden,
                                                               .dtype = layer.dtype}));
  ASSIGN_OR_RETURN(
      const Cost down,
      roofline_.CostOf(GroupedGemm{
          .groups = active, .m = rows, .n = layer.hidden, .k = layer.ffn, .dtype = layer.dtype}));
  return up + down;
}

Result<Cost> MeasuredCostModel::Sustained(const TimedOperation& operation,
                                          const Condition& condition, double load) const {
  Condition burst = condition;
  burst.clock = hardware::Clock::kBurst;
  ASSIGN_OR_RETURN(Cost cost, CostOf(operation, burst));
  if (cost.evidence == Evidence::kAnalytic) {
    return cost;  // the roofline's rates are those of long runs
  }
  cost.evidence = Worse(cost.evidence, Evidence::kInterpolated);
  if (sustained_.points == 0) {
    return cost;  // nobody measured what long runs add here
  }
  const MachineRates rates = RatesOf(gpu(), PatternOf(operation));
  const double at_peak = FeaturesOf(operation, rates).compute_seconds;
  // The clock follows what the whole run draws; an operation that does less arithmetic than the
  // run's mean is held up by its memory, not by its clock.
  const double slowdown = sustained_.LogSlowdown(std::min(at_peak / cost.mean.base(), load));
  // Another GPU has another power cap for its arithmetic: from none of the slowdown to twice it.
  const double below = std::min(slowdown, is_transferred_ ? slowdown : sustained_.error);
  const double above = is_transferred_ ? slowdown + sustained_.error : sustained_.error;
  return Cost{.mean = cost.mean * std::exp(slowdown),
              .low = cost.low * std::exp(slowdown - below),
              .high = cost.high * std::exp(slowdown + above),
              .evidence = cost.evidence};
}

Result<Cost> MeasuredCostModel::CostOf(const TimedOperation& operation,
                                       const Condition& condition) const {
  return CostAtLoad(operation, condition, hardware::kAlone);
}

Result<Cost> MeasuredCostModel::CostAtLoad(const TimedOperation& operation,
                                           const Condition& condition, double load) const {
  if (const auto* const other = std::get_if<OtherOperation>(&operation)) {
    return InvalidArgument("no operation that has a cost: " + other->name);
  }
  if (std::holds_alternative<Collective>(operation)) {
    return InvalidArgument("a collective runs on links, not on one GPU");
  }
  if (condition.clock == hardware::Clock::kSustained) {
    return Sustained(operation, condition, load);
  }
  std::optional<Cost> cost = Tabulated(operation, condition);
  if (const auto* const layer = std::get_if<MixtureLayer>(&operation)) {
    if (cost) {
      const FlopsPerSecond peak = PeakOf(gpu(), layer->dtype).value_or(FlopsPerSecond());
      const double rows = static_cast<double>(layer->tokens) * static_cast<double>(layer->top_k) /
                          static_cast<double>(layer->ep);
      const Flops flops = Flops::FromBase(6 * rows * static_cast<double>(layer->hidden) *
                                          static_cast<double>(layer->ffn));
      return FlopsPerSecond() < peak ? AtLeast(*cost, flops / peak) : *cost;
    }
    return condition == Condition{}
               ? MixtureByRoofline(*layer)
               : Result<Cost>(Fail(
                     {.code = ErrorCode::kFailedPrecondition,
                      .message = "mixture layers were not measured so: " + Describe(condition)}));
  }
  const Operation plain = *BaseOperation(operation);
  const Result<Seconds> bound = PeakBound(gpu(), plain);
  if (!bound) {
    return tl::unexpected(bound.error());
  }
  if (!cost && condition != Condition{}) {
    return Fail({.code = ErrorCode::kFailedPrecondition,
                 .message = fmt::format("{} was not measured so: {}", OperationName(plain),
                                        Describe(condition)),
                 .hint = "measure it so on the GPU, or ask for the steady condition"});
  }
  if (!cost) {
    if (const auto* const grouped = std::get_if<GroupedGemm>(&operation)) {
      cost = GroupedFromMixture(*grouped);
      if (cost) {
        // The layer's other kernels are in the estimate: the truth may be anywhere down to here.
        ASSIGN_OR_RETURN(const Cost roofline, roofline_.CostOf(plain));
        cost->low = std::min(cost->low, roofline.mean);
        cost->high = std::max(cost->high, roofline.mean);
      }
    }
  }
  if (!cost) {
    return roofline_.CostOf(plain);
  }
  return AtLeast(*cost, *bound);
}

Result<Cost> MeasuredCostModel::AsCalled(const Operation& operation, hardware::Clock clock,
                                         double load) const {
  // A GEMM that adds to its result is a weight gradient, and frameworks run those as NT.
  const auto* const gemm = std::get_if<Gemm>(&operation);
  const Condition transposed{.layout = hardware::Layout::kNT};
  Condition condition{.clock = clock};
  if (gemm != nullptr && gemm->accumulates && Tabulated(*gemm, transposed)) {
    condition.layout = hardware::Layout::kNT;
  }
  return CostAtLoad(std::visit([](const auto& op) { return TimedOperation(op); }, operation),
                    condition, load);
}

Result<Cost> MeasuredCostModel::CostOf(const Operation& operation) const {
  return AsCalled(operation, hardware::Clock::kBurst, hardware::kAlone);
}

Result<Cost> MeasuredCostModel::CostInLongRun(const Operation& operation, double load) const {
  return AsCalled(operation,
                  sustained_.points > 0 ? hardware::Clock::kSustained : hardware::Clock::kBurst,
                  load);
}

Result<Cost> MeasuredCostModel::CostUnder(const Operation& operation,
                                          const Condition& condition) const {
  return CostOf(std::visit([](const auto& op) { return TimedOperation(op); }, operation),
                condition);
}

std::optional<Cost> MeasuredCostModel::CostOfLayer(const MixtureLayer& layer,
                                                   const Condition& condition) const {
  Condition tabulated = condition;
  if (condition.clock == hardware::Clock::kSustained) {
    tabulated.clock = hardware::Clock::kBurst;
  }
  if (!PeakOf(gpu(), layer.dtype) || !Tabulated(layer, tabulated)) {
    return std::nullopt;
  }
  const Result<Cost> cost = CostOf(TimedOperation(layer), condition);
  return cost ? std::optional(*cost) : std::nullopt;
}

std::vector<hardware::RateInUse> MeasuredCostModel::RatesFor(
    const hardware::RunProfile& run) const {
  std::vector<hardware::RateInUse> rates;
  for (const CostTable& table : tables_) {
    const FittedTable& fitted = table.fitted();
    if (fitted.condition != Condition{} || !CanRead(run, fitted.pattern)) {
      continue;
    }
    rates.push_back({.what = TableTitle(fitted) + " on " + gpu().name,
                     .value = fmt::format(
                         "{} measured shapes, error of unseen ones {:.1f} % (90 %: {:.1f} %)",
                         fitted.shapes.size(), 100 * fitted.unseen.median, 100 * fitted.unseen.p90),
                     .of_peak = std::max(fitted.settings.physics.compute_share,
                                         fitted.settings.physics.memory_share),
                     .source = fitted.source});
  }
  if (sustained_.points > 0) {
    const double half = std::exp(-sustained_.LogSlowdown(0.5));
    const bool is_own = std::any_of(tables_.begin(), tables_.end(), [](const auto& table) {
      return table.fitted().source == "own";
    });
    rates.push_back(
        {.what = "sustained clocks of " + gpu().name,
         .value = fmt::format("{:.1f} % slower at half of peak arithmetic, {:.1f} % at "
                              "80 %, as measured at {} shapes",
                              100 * (1 / half - 1), 100 * std::expm1(sustained_.LogSlowdown(0.8)),
                              sustained_.points),
         .of_peak = half,
         .source = is_own ? "own" : "public tables (configs/calibration/README.md)"});
  }
  // What no table holds falls back to these.
  for (hardware::RateInUse& rate : roofline_.RatesFor(run)) {
    rates.push_back(std::move(rate));
  }
  return rates;
}

Result<std::unique_ptr<hardware::CostModel>> LoadCostModel(const std::filesystem::path& profile,
                                                           const hardware::Gpu& gpu) {
  ASSIGN_OR_RETURN(Profile read, ReadProfile(profile));
  return std::unique_ptr<hardware::CostModel>(
      std::make_unique<MeasuredCostModel>(std::move(read), gpu));
}

}  // namespace ridgeline::calibration
