#include "workloads/workload.h"

#include <array>

namespace ridgeline {

/// A whole number, or {min: 100, max: 200}.
template <>
struct Codec<workloads::TokenRange> {
  static std::optional<workloads::TokenRange> Decode(const Node& node,
                                                     const DecodeContext& context) {
    workloads::TokenRange range;
    if (node.is_scalar()) {
      const std::optional<int64_t> value =
          internal::DecodeInteger(node, 1, int64_t{1} << 30, context);
      if (!value) {
        return std::nullopt;
      }
      return workloads::TokenRange{*value, *value};
    }
    static const Schema<workloads::TokenRange> schema =
        Schema<workloads::TokenRange>("a number of tokens, uniform over a range")
            .Required("min", &workloads::TokenRange::min, "the fewest",
                      {.at_least = 1, .at_most = int64_t{1} << 30})
            .Required("max", &workloads::TokenRange::max, "the most",
                      {.at_least = 1, .at_most = int64_t{1} << 30});
    if (!schema.DecodeInto(node, range, context)) {
      return std::nullopt;
    }
    if (range.min > range.max) {
      context.Fail(
          node, fmt::format("the fewest are more than the most: {} to {}", range.min, range.max));
      return std::nullopt;
    }
    return range;
  }
  static void Explain(KeyInfo& info) { info.type = "integer, or a map of min and max"; }
  static std::string Write(const workloads::TokenRange& range) {
    return range.min == range.max ? fmt::format("{}", range.min)
                                  : fmt::format("{{min: {}, max: {}}}", range.min, range.max);
  }
};

}  // namespace ridgeline

namespace ridgeline::workloads {

EnumTable<ArrivalProcess> EnumNames(Tag<ArrivalProcess>) {
  static constexpr std::array<std::pair<std::string_view, ArrivalProcess>, 5> kTable = {{
      {"poisson", ArrivalProcess::kPoisson},
      {"gamma", ArrivalProcess::kGamma},
      {"constant", ArrivalProcess::kConstant},
      {"all-at-once", ArrivalProcess::kAllAtOnce},
      {"closed-loop", ArrivalProcess::kClosedLoop},
  }};
  return kTable;
}

const Schema<ClosedLoop>& SchemaOf(Tag<ClosedLoop>) {
  static const Schema<ClosedLoop> schema =
      Schema<ClosedLoop>("clients that send their next request when the one before is answered")
          .Required("concurrency", &ClosedLoop::concurrency, "clients",
                    {.at_least = 1, .at_most = 1 << 24});
  return schema;
}

const Schema<Arrivals>& SchemaOf(Tag<Arrivals>) {
  static const Schema<Arrivals> schema =
      Schema<Arrivals>("when requests arrive")
          .Optional("process", &Arrivals::process,
                    "default: poisson with a rate, closed-loop with a concurrency")
          .Optional("rate", &Arrivals::rate, "requests a second", {.above = Hertz{}})
          .Optional("burstiness", &Arrivals::burstiness,
                    "shape of the gaps of a gamma process; 1 is Poisson, below 1 is burstier",
                    {.at_least = 0.01, .at_most = 1e6})
          .Optional("concurrency", &Arrivals::concurrency,
                    "clients of a closed loop; each sends its next request when it is answered",
                    {.at_least = 1, .at_most = 1 << 24})
          .Optional("closed-loop", &Arrivals::closed_loop,
                    "a closed loop in one key: {concurrency: 64}")
          .Optional("trace", &Arrivals::trace, "a name under configs/traces, or a path")
          .Optional("spread", &Arrivals::spread,
                    "of a trace: spread arrivals with one time stamp evenly up to the next");
  return schema;
}

const Schema<Workload>& SchemaOf(Tag<Workload>) {
  static const Schema<Workload> schema =
      Schema<Workload>("the requests that a serving deployment gets")
          .Required("arrivals", &Workload::arrivals, "when requests arrive")
          .Optional("requests", &Workload::requests,
                    "how many; of a trace: only the first so many, default all",
                    {.at_least = 1, .at_most = kMostRequests})
          .Optional("input_tokens", &Workload::input_tokens, "tokens of a prompt")
          .Optional("output_tokens", &Workload::output_tokens, "tokens of an answer");
  return schema;
}

}  // namespace ridgeline::workloads
