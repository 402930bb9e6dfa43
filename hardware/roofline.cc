#include "hardware/roofline.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "hardware/description.h"

namespace ridgeline::hardware {
namespace {

/// What an operation is limited by on a GPU: the peak and, where cited, the sustained rate of its
/// arithmetic. Both executions of a bound, at the peak and at the sustained rate, start here, so
/// they cannot disagree about which unit does the work.
struct ArithmeticRate {
  FlopsPerSecond peak;
  std::optional<Sustained<FlopsPerSecond>> sustained;
};

bool IsSixteenBit(DType dtype) { return dtype == DType::kFp16 || dtype == DType::kBf16; }

Sustained<FlopsPerSecond> ScaledBy(Sustained<FlopsPerSecond> rate, double factor) {
  rate.rate = rate.rate * factor;
  rate.low = rate.low * factor;
  rate.high = rate.high * factor;
  return rate;
}

std::string KnownDTypes(const Gpu& gpu) {
  std::string names;
  for (const auto& [name, peak] : gpu.peak) {
    names += (names.empty() ? "" : ", ") + name;
  }
  return names;
}

Result<ArithmeticRate> MatrixRate(const Gpu& gpu, DType dtype) {
  const std::optional<FlopsPerSecond> peak = PeakOf(gpu, dtype);
  if (!peak) {
    return Fail({.code = ErrorCode::kFailedPrecondition,
                 .message = fmt::format("{} cannot compute in this data type: {}", gpu.name,
                                        DTypeName(dtype)),
                 .hint = fmt::format("data types of {}: {}", gpu.name, KnownDTypes(gpu))});
  }
  const auto sustained = gpu.sustained.find(std::string(DTypeName(dtype)));
  return ArithmeticRate{.peak = *peak,
                        .sustained = sustained == gpu.sustained.end()
                                         ? std::nullopt
                                         : std::optional(sustained->second)};
}

Result<ArithmeticRate> RateOf(const Gpu& gpu, const Operation& operation) {
  return std::visit(
      [&gpu](const auto& op) -> Result<ArithmeticRate> {
        using Op = std::decay_t<decltype(op)>;
        if constexpr (std::is_same_v<Op, MemoryBound>) {
          // Element-wise work is done by the vector units in fp32, whatever is stored.
          return MatrixRate(gpu, DType::kFp32);
        } else if constexpr (std::is_same_v<Op, Attention>) {
          ASSIGN_OR_RETURN(ArithmeticRate rate, MatrixRate(gpu, op.dtype));
          // The naive kernel is two batched GEMMs; only the fused one has a rate of its own.
          if (IsFused(op.kernel) && gpu.sustained_attention) {
            if (IsSixteenBit(op.dtype)) {
              rate.sustained = gpu.sustained_attention;
            } else if (const auto sixteen = PeakOf(gpu, DType::kBf16)) {
              // Nobody's rate is cited for other types: the share of the peak that 16 bit reaches.
              rate.sustained = ScaledBy(*gpu.sustained_attention, rate.peak / *sixteen);
            }
          }
          return rate;
        } else {
          return MatrixRate(gpu, op.dtype);
        }
      },
      operation);
}

// x / rate where a rate of nothing does no work: an operation without FLOPs needs no arithmetic.
template <class Work, class Rate>
Seconds TimeAt(Work work, Rate rate) {
  return work.base() > 0.0 ? work / rate : Seconds{};
}

template <class Q>
RateInUse InUse(std::string what, const Sustained<Q>& sustained, Q peak) {
  return {.what = std::move(what),
          .value = fmt::format("{} ({} to {})", Format(sustained.rate), Format(sustained.low),
                               Format(sustained.high)),
          .of_peak = sustained.rate / peak,
          .source = sustained.source};
}

template <class Q>
RateInUse AtPeak(std::string what, Q peak) {
  return {.what = std::move(what),
          .value = Format(peak),
          .of_peak = 1.0,
          .source = "no sustained rate is cited for this GPU: the vendor's peak"};
}

}  // namespace

Result<Seconds> PeakBound(const Gpu& gpu, const Operation& operation) {
  ASSIGN_OR_RETURN(const ArithmeticRate rate, RateOf(gpu, operation));
  return std::max(TimeAt(FlopsOf(operation), rate.peak),
                  TimeAt(BytesOf(operation), gpu.memory.bandwidth));
}

Result<Cost> Roofline::CostOf(const Operation& operation) const {
  ASSIGN_OR_RETURN(const ArithmeticRate rate, RateOf(gpu_, operation));
  const Flops flops = FlopsOf(operation);
  const Bytes bytes = BytesOf(operation);
  const auto time_at = [&](FlopsPerSecond flop_rate, BytesPerSecond byte_rate) {
    return std::max({TimeAt(flops, flop_rate), TimeAt(bytes, byte_rate), gpu_.kernel_floor});
  };
  const auto& arithmetic = rate.sustained;
  const auto& memory = gpu_.memory.sustained;
  return Cost{.mean = time_at(arithmetic ? arithmetic->rate : rate.peak,
                              memory ? memory->rate : gpu_.memory.bandwidth),
              .low = time_at(arithmetic ? arithmetic->high : rate.peak,
                             memory ? memory->high : gpu_.memory.bandwidth),
              .high = time_at(arithmetic ? arithmetic->low : rate.peak,
                              memory ? memory->low : gpu_.memory.bandwidth),
              .evidence = Evidence::kAnalytic};
}

std::vector<RateInUse> Roofline::RatesFor(const RunProfile& run) const {
  std::vector<RateInUse> rates;
  for (const DType dtype : run.dtypes) {
    const Result<ArithmeticRate> rate = MatrixRate(gpu_, dtype);
    if (!rate) {
      continue;
    }
    const std::string what = fmt::format("{} rate of {}", DTypeName(dtype), gpu_.name);
    rates.push_back(rate->sustained ? InUse(what, *rate->sustained, rate->peak)
                                    : AtPeak(what, rate->peak));
  }
  const std::optional<FlopsPerSecond> half = PeakOf(gpu_, DType::kBf16);
  if (run.has_fused_attention && gpu_.sustained_attention && half) {
    rates.push_back(InUse(fmt::format("fused attention in 16 bit on {}", gpu_.name),
                          *gpu_.sustained_attention, *half));
  }
  const std::string memory = fmt::format("memory bandwidth of {}", gpu_.name);
  rates.push_back(gpu_.memory.sustained
                      ? InUse(memory, *gpu_.memory.sustained, gpu_.memory.bandwidth)
                      : AtPeak(memory, gpu_.memory.bandwidth));
  if (Seconds{} < gpu_.kernel_floor) {
    rates.push_back({.what = fmt::format("least time of a kernel on {}", gpu_.name),
                     .value = Format(gpu_.kernel_floor),
                     .of_peak = 1.0,
                     .source = SourceOf(gpu_.sources, "kernel_floor")});
  }
  return rates;
}

}  // namespace ridgeline::hardware
