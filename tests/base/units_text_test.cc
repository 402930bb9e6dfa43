#include "base/units_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ridgeline {
namespace {

using ::testing::HasSubstr;

template <class Q>
double Read(std::string_view text) {
  const Result<Q> value = ParseQuantity<Q>(text);
  EXPECT_TRUE(value) << text << ": " << (value ? "" : value.error().message);
  return value ? value->base() : -1;
}
template <class Q>
Error Refusal(std::string_view text) {
  const Result<Q> value = ParseQuantity<Q>(text);
  EXPECT_FALSE(value) << text;
  return value ? Error{} : value.error();
}

TEST(ParseQuantityTest, BitsAreAnEighthOfBytes) {
  EXPECT_EQ(Read<BytesPerSecond>("400 Gb/s"), 50e9);
  EXPECT_EQ(Read<BytesPerSecond>("50 GB/s"), 50e9);
  EXPECT_EQ(Read<BytesPerSecond>("400Gbps"), 50e9);
  EXPECT_EQ(Read<Bytes>("8 b"), 1.0);
}

TEST(ParseQuantityTest, PrefixesOf1000And1024Differ) {
  EXPECT_EQ(Read<Bytes>("80 GB"), 80e9);
  EXPECT_EQ(Read<Bytes>("64 GiB"), 64.0 * 1024 * 1024 * 1024);
  EXPECT_EQ(Read<BytesPerSecond>("1 KiB/ms"), 1024e3);
}

TEST(ParseQuantityTest, ReadsTheNearestDouble) {
  EXPECT_EQ(Read<Seconds>("20 us"), 20e-6);
  EXPECT_EQ(Read<Seconds>("0.3 ms"), 0.3e-3);
  EXPECT_EQ(Read<Seconds>("90 min"), 5400.0);
}

TEST(ParseQuantityTest, EveryDimensionHasItsUnits) {
  EXPECT_EQ(Read<FlopsPerSecond>("989 TFLOP/s"), 989e12);
  EXPECT_EQ(Read<FlopsPerSecond>("989 TFLOPS"), 989e12);
  EXPECT_EQ(Read<Flops>("3.5 TFLOP"), 3.5e12);
  EXPECT_EQ(Read<Joules>("2 kWh"), 7.2e6);
  EXPECT_EQ(Read<Watts>("10.2 kW"), 10200.0);
  EXPECT_EQ(Read<Hertz>("4 req/s"), 4.0);
  EXPECT_EQ(Read<Hertz>("1.98 GHz"), 1.98e9);
  EXPECT_EQ(Read<FlopsPerByte>("295 FLOP/B"), 295.0);
}

// An E that no digit follows is the prefix exa, not an exponent.
TEST(ParseQuantityTest, ExaIsNotAnExponent) {
  EXPECT_EQ(Read<Bytes>("4EB"), 4e18);
  EXPECT_EQ(Read<Bytes>("4e3B"), 4000.0);
  EXPECT_EQ(Read<Bytes>("1_000 kB"), 1e6);
}

TEST(ParseQuantityTest, ABareNumberNeedsAUnit) {
  const Error error = Refusal<BytesPerSecond>("400");
  EXPECT_EQ(error.message, "bandwidth needs a unit: 400");
  EXPECT_EQ(error.hint, "write 400 Gb/s (bits) or 50 GB/s (bytes)");
  EXPECT_EQ(Refusal<Bytes>("80").hint, "write 80 GB (powers of 1000) or 80 GiB (powers of 1024)");
  EXPECT_EQ(Refusal<Seconds>("0").message, "time needs a unit: 0");
}

TEST(ParseQuantityTest, TheCaseOfBDecidesAndIsAskedFor) {
  EXPECT_EQ(Refusal<BytesPerSecond>("5 mb/s").hint, "did you mean Mb/s or MB/s?");
  EXPECT_EQ(Refusal<BytesPerSecond>("5 gbps").hint, "did you mean Gb/s or GB/s?");
  EXPECT_EQ(Refusal<BytesPerSecond>("5 GBps").hint, "did you mean Gb/s or GB/s?");
  EXPECT_EQ(Refusal<Bytes>("5 KB").hint, "did you mean kb or kB?");
}

TEST(ParseQuantityTest, UnknownUnitsAreAnsweredWithTheNearest) {
  const Error error = Refusal<FlopsPerSecond>("989 TFLOPs");
  EXPECT_EQ(error.message, "unknown unit of compute rate: TFLOPs");
  EXPECT_EQ(error.hint, "did you mean TFLOPS?");
  EXPECT_EQ(Refusal<Seconds>("5 seconds").hint, "did you mean s?");
  EXPECT_EQ(Refusal<Seconds>("5 \u00b5s").hint, "did you mean us?");
  EXPECT_EQ(Refusal<Watts>("5 horses").hint, "write a power, such as 700 W");
}

TEST(ParseQuantityTest, AUnitOfAnotherDimensionIsNamed) {
  const Error error = Refusal<Seconds>("5 GB");
  EXPECT_EQ(error.message, "expected a time, such as 20 us: 5 GB");
  EXPECT_EQ(error.hint, "GB is the unit of a size");
}

TEST(ParseQuantityTest, NumbersThatAreNoNumbersAreRefused) {
  for (const char* text : {"nan s", "inf s", "-inf s", "0x10 s", "s", "", "  ", "-", ".", "1..2 s",
                           "1_ s", "_1 s", "1__0 s", "1 s each", "1,000 s", "e5 s"}) {
    EXPECT_FALSE(ParseQuantity<Seconds>(text)) << text;
  }
}

TEST(ParseQuantityTest, OverflowIsOutOfRange) {
  EXPECT_EQ(Refusal<Seconds>("1e400 s").message, "number out of range: 1e400 s");
  EXPECT_EQ(Refusal<Seconds>("1e400 s").code, ErrorCode::kOutOfRange);
  // The number can be stored, the quantity cannot: 1e308 x 1e15.
  EXPECT_EQ(Refusal<Bytes>("1e308 PB").code, ErrorCode::kOutOfRange);
  EXPECT_EQ(Refusal<Seconds>("1e-320 ns").code, ErrorCode::kOutOfRange);
}

TEST(ParseNumberTest, AcceptsExponentsAndSeparatorsOnly) {
  EXPECT_EQ(ParseNumber("1e5").value_or(0), 1e5);
  EXPECT_EQ(ParseNumber("+1_000.5").value_or(0), 1000.5);
  EXPECT_FALSE(ParseNumber("5 GB"));
  EXPECT_FALSE(ParseNumber("0x10"));
  EXPECT_EQ(ParseNumber("16,384").error().hint, "write thousands as 16384 or 16_384");
}

TEST(ParseIntegerTest, AcceptsWholeNumbersHoweverWritten) {
  EXPECT_EQ(ParseInteger("4e6").value_or(0), 4'000'000);
  EXPECT_EQ(ParseInteger("-1_000").value_or(0), -1000);
  EXPECT_EQ(ParseInteger("9223372036854775807").value_or(0), INT64_MAX);
  EXPECT_EQ(ParseInteger("9223372036854775808").error().code, ErrorCode::kOutOfRange);
  EXPECT_EQ(ParseInteger("1e400").error().code, ErrorCode::kOutOfRange);
  EXPECT_FALSE(ParseInteger("1.5"));
  EXPECT_FALSE(ParseInteger("8 GB"));
}

TEST(ParseRatioTest, PercentIsAHundredth) {
  EXPECT_EQ(ParseRatio("85 %").value_or(0), 0.85);
  EXPECT_EQ(ParseRatio("0.85").value_or(0), 0.85);
  EXPECT_FALSE(ParseRatio("85 percent"));
}

TEST(ParseUsDollarsTest, NeedsItsUnit) {
  EXPECT_EQ(ParseUsDollars("2.50 USD").value_or(UsDollars{}).amount, 2.5);
  EXPECT_EQ(ParseUsDollars("US$ 2.50").value_or(UsDollars{}).amount, 2.5);
  EXPECT_EQ(ParseUsDollars("$2.50").value_or(UsDollars{}).amount, 2.5);
  EXPECT_EQ(ParseUsDollars("2.5").error().hint, "write 2.5 USD");
  EXPECT_FALSE(ParseUsDollars("$2 USD"));
  EXPECT_FALSE(ParseUsDollars("2 EUR"));
}

TEST(FormatTest, ThreeDigitsAndTheFittingPrefix) {
  EXPECT_EQ(Format(Seconds::FromBase(17.81)), "17.8 s");
  EXPECT_EQ(Format(Seconds::FromBase(20e-6)), "20 us");
  EXPECT_EQ(Format(Seconds::FromBase(600)), "10 min");
  EXPECT_EQ(Format(Seconds::FromBase(54.0 * 86400)), "54 d");
  EXPECT_EQ(Format(Bytes::FromBase(71.3e9)), "71.3 GB");
  EXPECT_EQ(Format(BytesPerSecond::FromBase(450e9)), "450 GB/s");
  EXPECT_EQ(Format(FlopsPerSecond::FromBase(989e12)), "989 TFLOP/s");
  EXPECT_EQ(Format(Watts::FromBase(10200), 2), "10 kW");
}

// Rounding carries into the next prefix, never to "1e+03 MB".
TEST(FormatTest, RoundingCarriesIntoTheNextPrefix) {
  EXPECT_EQ(Format(Bytes::FromBase(999.96e6)), "1 GB");
  EXPECT_EQ(Format(Bytes::FromBase(999.4e6)), "999 MB");
}

TEST(FormatTest, ZeroAndNegativeValues) {
  EXPECT_EQ(Format(Seconds{}), "0 s");
  EXPECT_EQ(Format(Bytes{}), "0 B");
  EXPECT_EQ(Format(Bytes::FromBase(-1.5e9)), "-1.5 GB");
}

TEST(FormatExactTest, WritesTheBaseUnit) {
  EXPECT_EQ(FormatExact(BytesPerSecond::FromBase(5e10)), "50000000000 B/s");
  EXPECT_EQ(FormatRoundTrip(BytesPerSecond::FromBase(5e10)), "50 GB/s");
  EXPECT_EQ(FormatRoundTrip(Microseconds(20)), "20 us");
  EXPECT_EQ(BaseUnitName<FlopsPerSecond>(), "FLOP/s");
  EXPECT_THAT(std::string(QuantityExample<Seconds>()), HasSubstr("20 us"));
}

}  // namespace
}  // namespace ridgeline
