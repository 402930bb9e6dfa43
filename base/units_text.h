/// "400 Gb/s" <-> BytesPerSecond: the only place that knows k from Ki and b from B.
///
/// A quantity is a number, optional blanks, and a unit. Prefixes k M G T P E are powers of 1000, Ki
/// Mi Gi Ti Pi of 1024; B is a byte and b a bit (an eighth). A unit is always required: a bare
/// number is refused with the two likeliest spellings. Refused as well: unknown units (with the
/// nearest), NaN, infinities, numbers that overflow (1e400), trailing text.
///
/// | quantity | units |
/// | Seconds | ns us ms s min h d |
/// | Bytes | B and b with prefixes (80 GB, 64 GiB) |
/// | BytesPerSecond | any size / any time: GB/s, Gb/s, GiB/s; also Gbps |
/// | Flops | FLOP with prefixes |
/// | FlopsPerSecond | FLOP/s with prefixes: TFLOP/s; also TFLOPS |
/// | Watts, Joules | W kW MW; J kJ MJ Wh kWh |
/// | Hertz | Hz kHz MHz GHz, req/s, 1/s |
/// | FlopsPerByte | FLOP/B kFLOP/B |
/// | UsDollars | 2.50 USD, US$ 2.50 |
/// | double as ratio | a number, or % |
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/units.h"

namespace ridgeline {

/// Sign rules are the caller's (config_reader limits); these only refuse what is no finite number
/// of the dimension.
template <class Q>
Result<Q> ParseQuantity(std::string_view text);  // Q: any of the quantities above
extern template Result<Seconds> ParseQuantity<Seconds>(std::string_view);
extern template Result<Bytes> ParseQuantity<Bytes>(std::string_view);
extern template Result<Flops> ParseQuantity<Flops>(std::string_view);
extern template Result<Joules> ParseQuantity<Joules>(std::string_view);
extern template Result<Watts> ParseQuantity<Watts>(std::string_view);
extern template Result<Hertz> ParseQuantity<Hertz>(std::string_view);
extern template Result<BytesPerSecond> ParseQuantity<BytesPerSecond>(std::string_view);
extern template Result<FlopsPerSecond> ParseQuantity<FlopsPerSecond>(std::string_view);
extern template Result<FlopsPerByte> ParseQuantity<FlopsPerByte>(std::string_view);

/// 0.85, "85 %". No unit needed; the result is the plain ratio.
Result<double> ParseRatio(std::string_view text);
/// A finite number without a unit; "1e5" and "1_000" are allowed, hexadecimal is not.
Result<double> ParseNumber(std::string_view text);
/// A whole number within int64; 4e6 and 1_000_000 are allowed when exact.
Result<int64_t> ParseInteger(std::string_view text);

/// "2.50 USD", "US$ 2.50", "$2.50"; a bare number is refused.
Result<UsDollars> ParseUsDollars(std::string_view text);

/// The unit's name in base units, as `result.json` writes it: "s", "B", "FLOP/s" ...
template <class Q>
std::string_view BaseUnitName();
/// "time", "bandwidth": the dimension in one word, for types and messages.
template <class Q>
std::string_view QuantityName();
/// "a time, such as 20 us": what explain and errors call the quantity.
template <class Q>
std::string_view QuantityExample();

/// For people: three significant digits by default, the prefix chosen to fit ("17.8 s", "71.3 GB",
/// "450 GB/s", "989 TFLOP/s"). Parses back to within the digits printed.
std::string Format(Seconds value, int digits = 3);
std::string Format(Bytes value, int digits = 3);
std::string Format(Flops value, int digits = 3);
std::string Format(Joules value, int digits = 3);
std::string Format(Watts value, int digits = 3);
std::string Format(Hertz value, int digits = 3);
std::string Format(BytesPerSecond value, int digits = 3);
std::string Format(FlopsPerSecond value, int digits = 3);
std::string Format(FlopsPerByte value, int digits = 3);
std::string Format(UsDollars value, int digits = 3);

/// Shortest text that reads back to the same double, with the base unit ("0.0000172 s"): for
/// resolved documents.
template <class Q>
std::string FormatExact(Q value);
/// The shortest of Format's texts that reads back to the same double ("20 us", "450 GB/s"), or
/// FormatExact where there is none: for defaults and limits that people read. Costs up to 17
/// parses.
template <class Q>
std::string FormatRoundTrip(Q value);

}  // namespace ridgeline
