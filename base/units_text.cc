#include "base/units_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/nearest_name.h"
#include "base/unit_table.h"

namespace ridgeline {
namespace {

const Unit* FindUnit(const Dimension& dimension, std::string_view name) {
  for (const Unit& unit : dimension.units) {
    if (unit.name == name) {
      return &unit;
    }
  }
  return nullptr;
}

bool IsBlank(char c) { return c == ' ' || c == '\t'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

std::string_view Trim(std::string_view text) {
  while (!text.empty() && IsBlank(text.front())) {
    text.remove_prefix(1);
  }
  while (!text.empty() && IsBlank(text.back())) {
    text.remove_suffix(1);
  }
  return text;
}

/// Long input is cut in messages; the place says where the rest is.
std::string Quoted(std::string_view text) {
  constexpr size_t kLongest = 60;
  if (text.size() <= kLongest) {
    return std::string(text);
  }
  size_t end = kLongest;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) {
    --end;
  }
  return std::string(text.substr(0, end)) + "...";
}

tl::unexpected<Error> OutOfRange(std::string_view text) {
  return Fail({.code = ErrorCode::kOutOfRange,
               .message = fmt::format("number out of range: {}", Quoted(text)),
               .hint = "magnitudes from 1e-307 to 1e308 can be stored"});
}

struct LeadingNumber {
  std::string digits;  // sign and digits, without separators
  double value = 0.0;
  std::string_view rest;  // what follows, blanks trimmed
};

/// The number at the start of `text`: sign, digits with single '_' between them, fraction,
/// exponent. An exponent needs a digit: "4 EB" and "4EB" are four exabytes.
Result<LeadingNumber> SplitNumber(std::string_view text, std::string_view wanted) {
  LeadingNumber number;
  size_t at = 0;
  const auto not_a_number = [&] {
    return InvalidArgument(fmt::format("expected {}: {}", wanted, Quoted(text)));
  };
  if (at < text.size() && (text[at] == '+' || text[at] == '-')) {
    if (text[at] == '-') {
      number.digits += '-';
    }
    ++at;
  }
  bool has_digits = false;
  const auto take_digits = [&] {
    while (at < text.size()) {
      const bool is_separator = text[at] == '_' && at > 0 && IsDigit(text[at - 1]) &&
                                at + 1 < text.size() && IsDigit(text[at + 1]);
      if (IsDigit(text[at])) {
        number.digits += text[at];
        has_digits = true;
      } else if (!is_separator) {
        return;
      }
      ++at;
    }
  };
  take_digits();
  if (at < text.size() && text[at] == '.') {
    number.digits += '.';
    ++at;
    take_digits();
  }
  if (!has_digits) {
    return not_a_number();
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    size_t digit = at + 1;
    if (digit < text.size() && (text[digit] == '+' || text[digit] == '-')) {
      ++digit;
    }
    if (digit < text.size() && IsDigit(text[digit])) {
      number.digits += 'e';
      number.digits += text[at + 1] == '-' ? "-" : "";
      at = digit;
      take_digits();
    }
  }
  const char* end = number.digits.data() + number.digits.size();
  const auto [stopped, error] = std::from_chars(number.digits.data(), end, number.value);
  if (error == std::errc::result_out_of_range) {
    return OutOfRange(text);
  }
  if (error != std::errc() || stopped != end) {
    return not_a_number();
  }
  number.rest = Trim(text.substr(at));
  return number;
}

std::string Folded(std::string_view unit) {
  std::string folded;
  for (const char c : unit) {
    folded += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  if (folded.size() > 2 && folded.ends_with("ps")) {
    folded.replace(folded.size() - 2, 2, "/s");
  }
  return folded;
}

/// What people write for units that we spell otherwise.
constexpr std::array<std::pair<std::string_view, std::string_view>, 22> kSynonyms = {
    {{"sec", "s"},       {"secs", "s"},  {"second", "s"},   {"seconds", "s"},  {"msec", "ms"},
     {"usec", "us"},     {"nsec", "ns"}, {"\u00b5s", "us"}, {"\u03bcs", "us"}, {"minute", "min"},
     {"minutes", "min"}, {"m", "min"},   {"hour", "h"},     {"hours", "h"},    {"hr", "h"},
     {"day", "d"},       {"days", "d"},  {"byte", "B"},     {"bytes", "B"},    {"bit", "b"},
     {"bits", "b"},      {"watts", "W"}}};

/// "Mb/s or MB/s": the spellings that `unit` may have meant; empty when nothing is near.
std::string NearUnits(const Dimension& dimension, std::string_view unit) {
  for (const auto& [written, meant] : kSynonyms) {
    if (written == unit && FindUnit(dimension, meant) != nullptr) {
      return std::string(meant);
    }
  }
  const std::string folded = Folded(unit);
  std::vector<std::string> same;
  for (const Unit& candidate : dimension.units) {
    // "gbps" is offered "Gb/s or GB/s", never Gbps alone: the case of b is what is in doubt.
    if (!candidate.name.ends_with("bps") && Folded(candidate.name) == folded) {
      same.push_back(candidate.name);
    }
  }
  if (!same.empty()) {
    std::sort(same.begin(), same.end(), std::greater<>());  // bits before bytes
    return same.size() == 1 ? same[0] : fmt::format("{} or {}", same[0], same[1]);
  }
  std::vector<std::string> names;
  for (const Unit& candidate : dimension.units) {
    names.push_back(candidate.name);
  }
  return NearestName(unit, names).value_or("");
}

/// The name of another dimension that has this unit, for "is a size, not a time".
std::optional<std::string_view> OwnerOf(std::string_view unit) {
  for (const Dimension* dimension :
       {&DimensionOf<Seconds>(), &DimensionOf<Bytes>(), &DimensionOf<BytesPerSecond>(),
        &DimensionOf<Flops>(), &DimensionOf<FlopsPerSecond>(), &DimensionOf<FlopsPerByte>(),
        &DimensionOf<Watts>(), &DimensionOf<Joules>(), &DimensionOf<Hertz>()}) {
    if (FindUnit(*dimension, unit) != nullptr) {
      return dimension->example;
    }
  }
  return std::nullopt;
}

std::string MissingUnitHint(const Dimension& dimension, std::string_view written) {
  const std::string number = Quoted(written);
  const auto& [first, second] = dimension.likely;
  if (dimension.base_unit == "B/s") {
    // The same bandwidth both ways: links are sold in bits, memory in bytes.
    const Result<double> bits = ParseNumber(written);
    const std::string bytes = bits ? fmt::format("{}", *bits / 8) : number;
    return fmt::format("write {} {} (bits) or {} {} (bytes)", number, first, bytes, second);
  }
  if (dimension.base_unit == "B") {
    return fmt::format("write {} {} (powers of 1000) or {} {} (powers of 1024)", number, first,
                       number, second);
  }
  return fmt::format("write {} {} or {} {}", number, first, number, second);
}

Result<double> ParseIn(const Dimension& dimension, std::string_view text) {
  const std::string_view trimmed = Trim(text);
  ASSIGN_OR_RETURN(const LeadingNumber number, SplitNumber(trimmed, dimension.example));
  if (number.rest.empty()) {
    return InvalidArgument(fmt::format("{} needs a unit: {}", dimension.name, Quoted(trimmed)),
                           MissingUnitHint(dimension, trimmed));
  }
  const Unit* unit = FindUnit(dimension, number.rest);
  if (unit == nullptr) {
    const std::string near = NearUnits(dimension, number.rest);
    if (const auto other = OwnerOf(number.rest)) {
      return InvalidArgument(
          fmt::format("expected {}: {}", dimension.example, Quoted(trimmed)),
          fmt::format("{} is the unit of {}", number.rest, other->substr(0, other->find(','))));
    }
    return InvalidArgument(
        fmt::format("unknown unit of {}: {}", dimension.name, Quoted(number.rest)),
        near.empty() ? fmt::format("write {}", dimension.example)
                     : fmt::format("did you mean {}?", near));
  }
  const double value = number.value * unit->numerator / unit->denominator;
  // The product may overflow, or vanish, where the number alone did not.
  if (!std::isfinite(value) || (value == 0.0 && number.value != 0.0)) {
    return OutOfRange(trimmed);
  }
  return value;
}

/// `value` rounded to `digits` significant digits.
double Rounded(double value, int digits) {
  return std::strtod(fmt::format("{:.{}e}", value, digits - 1).c_str(), nullptr);
}

/// Picks the largest scale that leaves at least 1, after rounding, so that 999.96 MB prints as 1
/// GB.
std::string FormatScaled(double value, int digits, std::span<const Unit> scales) {
  const int kept = std::clamp(digits, 1, 17);
  const Unit* chosen = &scales.front();
  for (const Unit& scale : scales) {
    const double scaled = Rounded(value * scale.denominator / scale.numerator, kept);
    if (std::abs(scaled) >= 1.0) {
      chosen = &scale;
    }
  }
  if (value == 0.0) {
    for (const Unit& scale : scales) {
      if (scale.numerator == scale.denominator) {
        chosen = &scale;
      }
    }
  }
  const double scaled = value * chosen->denominator / chosen->numerator;
  return fmt::format("{} {}", std::isfinite(scaled) ? Rounded(scaled, kept) : scaled, chosen->name);
}

}  // namespace

template <class Q>
Result<Q> ParseQuantity(std::string_view text) {
  ASSIGN_OR_RETURN(const double value, ParseIn(DimensionOf<Q>(), text));
  return Q::FromBase(value);
}
template <class Q>
std::string_view BaseUnitName() {
  return DimensionOf<Q>().base_unit;
}
template <class Q>
std::string_view QuantityName() {
  return DimensionOf<Q>().name;
}
template <class Q>
std::string_view QuantityExample() {
  return DimensionOf<Q>().example;
}
template <class Q>
std::string FormatExact(Q value) {
  return fmt::format("{} {}", value.base(), BaseUnitName<Q>());
}
template <class Q>
std::string FormatRoundTrip(Q value) {
  constexpr int kAllDigits = 17;  // a double's
  for (int digits = 1; digits <= kAllDigits; ++digits) {
    std::string text = Format(value, digits);
    const Result<Q> read = ParseQuantity<Q>(text);
    if (read && *read == value) {
      return text;
    }
  }
  return FormatExact(value);
}

#define RIDGELINE_INSTANTIATE(Q)                         \
  template Result<Q> ParseQuantity<Q>(std::string_view); \
  template std::string_view BaseUnitName<Q>();           \
  template std::string_view QuantityName<Q>();           \
  template std::string_view QuantityExample<Q>();        \
  template std::string FormatExact<Q>(Q);                \
  template std::string FormatRoundTrip<Q>(Q)
RIDGELINE_INSTANTIATE(Seconds);
RIDGELINE_INSTANTIATE(Bytes);
RIDGELINE_INSTANTIATE(Flops);
RIDGELINE_INSTANTIATE(Joules);
RIDGELINE_INSTANTIATE(Watts);
RIDGELINE_INSTANTIATE(Hertz);
RIDGELINE_INSTANTIATE(BytesPerSecond);
RIDGELINE_INSTANTIATE(FlopsPerSecond);
RIDGELINE_INSTANTIATE(FlopsPerByte);
#undef RIDGELINE_INSTANTIATE

Result<double> ParseNumber(std::string_view text) {
  const std::string_view trimmed = Trim(text);
  ASSIGN_OR_RETURN(const LeadingNumber number, SplitNumber(trimmed, "a number"));
  if (!number.rest.empty()) {
    if (number.rest.front() == ',') {
      return InvalidArgument(fmt::format("expected a number: {}", Quoted(trimmed)),
                             "write thousands as 16384 or 16_384");
    }
    return InvalidArgument(fmt::format("expected a number without a unit: {}", Quoted(trimmed)));
  }
  return number.value;
}

Result<double> ParseRatio(std::string_view text) {
  const std::string_view trimmed = Trim(text);
  ASSIGN_OR_RETURN(const LeadingNumber number, SplitNumber(trimmed, "a ratio"));
  if (number.rest.empty()) {
    return number.value;
  }
  if (number.rest == "%") {
    return number.value / 100.0;
  }
  return InvalidArgument(fmt::format("expected a ratio: {}", Quoted(trimmed)),
                         "write 0.85 or 85 %");
}

Result<int64_t> ParseInteger(std::string_view text) {
  const std::string_view trimmed = Trim(text);
  ASSIGN_OR_RETURN(const LeadingNumber number, SplitNumber(trimmed, "a whole number"));
  if (!number.rest.empty()) {
    const bool has_comma = number.rest.front() == ',';
    return InvalidArgument(fmt::format("expected a whole number: {}", Quoted(trimmed)),
                           has_comma ? "write thousands as 16384 or 16_384" : "");
  }
  int64_t value = 0;
  const char* end = number.digits.data() + number.digits.size();
  const auto [stopped, error] = std::from_chars(number.digits.data(), end, value);
  if (error == std::errc() && stopped == end) {
    return value;
  }
  // 4e6 or 1.5e3: a double holds it exactly below 2^53.
  constexpr double kExact = 0x1p53;
  if (std::abs(number.value) > kExact) {
    return Fail({.code = ErrorCode::kOutOfRange,
                 .message = fmt::format("number out of range: {}", Quoted(trimmed)),
                 .hint = "whole numbers up to 2^63 - 1 can be stored"});
  }
  if (number.value != std::floor(number.value)) {
    return InvalidArgument(fmt::format("expected a whole number: {}", Quoted(trimmed)));
  }
  return static_cast<int64_t>(number.value);
}

Result<UsDollars> ParseUsDollars(std::string_view text) {
  std::string_view trimmed = Trim(text);
  bool has_unit = false;
  for (const std::string_view sign : {"US$", "USD", "$"}) {
    if (!has_unit && trimmed.starts_with(sign)) {
      trimmed = Trim(trimmed.substr(sign.size()));
      has_unit = true;
    }
  }
  constexpr std::string_view kExample = "an amount of money, such as 2.50 USD";
  ASSIGN_OR_RETURN(const LeadingNumber number, SplitNumber(trimmed, kExample));
  if (number.rest.empty() && !has_unit) {
    return InvalidArgument(fmt::format("amount of money needs a unit: {}", Quoted(trimmed)),
                           fmt::format("write {} USD", Quoted(trimmed)));
  }
  if (!number.rest.empty() && (has_unit || number.rest != "USD")) {
    return InvalidArgument(fmt::format("expected {}: {}", kExample, Quoted(Trim(text))));
  }
  return UsDollars{number.value};
}

std::string Format(Seconds value, int digits) {
  const double seconds = std::abs(value.base());
  std::vector<Unit> scales = {{"ns", 1, 1e9}, {"us", 1, 1e6}, {"ms", 1, 1e3}, {"s", 1, 1}};
  // People count to 120 seconds, 120 minutes and 48 hours before they change the unit.
  if (seconds >= 48 * 3600.0) {
    scales = {{"d", 86400, 1}};
  } else if (seconds >= 2 * 3600.0) {
    scales = {{"h", 3600, 1}};
  } else if (seconds >= 120.0) {
    scales = {{"min", 60, 1}};
  }
  return FormatScaled(value.base(), digits, scales);
}
std::string Format(Bytes value, int digits) {
  return FormatScaled(value.base(), digits, PrefixedUnits("B"));
}
std::string Format(Flops value, int digits) {
  return FormatScaled(value.base(), digits, PrefixedUnits("FLOP"));
}
std::string Format(Joules value, int digits) {
  const std::array<Unit, 3> scales = {{{"J", 1, 1}, {"kJ", 1e3, 1}, {"kWh", 3.6e6, 1}}};
  return FormatScaled(value.base(), digits, scales);
}
std::string Format(Watts value, int digits) {
  const std::array<Unit, 3> scales = {{{"W", 1, 1}, {"kW", 1e3, 1}, {"MW", 1e6, 1}}};
  return FormatScaled(value.base(), digits, scales);
}
std::string Format(Hertz value, int digits) {
  const std::array<Unit, 4> scales = {
      {{"Hz", 1, 1}, {"kHz", 1e3, 1}, {"MHz", 1e6, 1}, {"GHz", 1e9, 1}}};
  return FormatScaled(value.base(), digits, scales);
}
std::string Format(BytesPerSecond value, int digits) {
  return FormatScaled(value.base(), digits, PrefixedUnits("B/s"));
}
std::string Format(FlopsPerSecond value, int digits) {
  return FormatScaled(value.base(), digits, PrefixedUnits("FLOP/s"));
}
std::string Format(FlopsPerByte value, int digits) {
  const std::array<Unit, 1> scales = {{{"FLOP/B", 1, 1}}};
  return FormatScaled(value.base(), digits, scales);
}
std::string Format(UsDollars value, int digits) {
  return fmt::format("US$ {}", Rounded(value.amount, std::clamp(digits, 1, 17)));
}

}  // namespace ridgeline
