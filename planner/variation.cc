#include "planner/variation.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <regex>

#include <fmt/format.h>

#include "base/units_text.h"

namespace ridgeline::planner {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) {
    return {};
  }
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

/// Parts between the commas that stand outside quotes, brackets and braces; nullopt when one of
/// those is not closed.
std::optional<std::vector<std::string_view>> SplitValues(std::string_view list) {
  std::vector<std::string_view> parts;
  std::string closers;  // what must close, innermost last
  size_t begin = 0;
  for (size_t i = 0; i < list.size(); ++i) {
    const char c = list[i];
    const char open = closers.empty() ? '\0' : closers.back();
    const bool is_in_quotes = open == '"' || open == '\'';
    if (open != '\0' && c == open) {
      closers.pop_back();
    } else if (is_in_quotes) {
      continue;
    } else if (c == '[' || c == '{') {
      closers += c == '[' ? ']' : '}';
    } else if (c == '"' || c == '\'') {
      closers += c;
    } else if (c == ',' && closers.empty()) {
      parts.push_back(Trim(list.substr(begin, i - begin)));
      begin = i + 1;
    }
  }
  parts.push_back(Trim(list.substr(begin)));
  if (!closers.empty()) {
    return std::nullopt;
  }
  return parts;
}

/// A number with an optional unit: "200", "200 Gb/s", "85 %". What does not begin with a number, or
/// goes on with a letter of a name ("8b-instruct"), has no number.
struct Measure {
  std::string number;
  std::string unit;
};

std::optional<Measure> ReadMeasure(std::string_view text) {
  static const std::regex pattern(
      R"(([0-9][0-9_]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)\s*([A-Za-z%][A-Za-z0-9/%]*)?)");
  std::cmatch match;
  if (!std::regex_match(text.data(), text.data() + text.size(), match, pattern)) {
    return std::nullopt;
  }
  return Measure{.number = match[1], .unit = match[2]};
}

struct Range {
  std::string first;
  std::string last;
  char step_kind = '+';  // or '*'
  std::string step = "1";
  std::string unit;
};

std::optional<Range> ReadRange(std::string_view text) {
  static const std::regex pattern(
      R"(([0-9][0-9_]*(?:\.[0-9]+)?)-([0-9][0-9_]*(?:\.[0-9]+)?)(?:([*+])([0-9][0-9_]*(?:\.[0-9]+)?))?\s*([A-Za-z%][A-Za-z0-9/%]*)?)");
  std::cmatch match;
  if (!std::regex_match(text.data(), text.data() + text.size(), match, pattern)) {
    return std::nullopt;
  }
  Range range{.first = match[1], .last = match[2], .step_kind = '+', .step = "1", .unit = match[5]};
  if (match[3].matched) {
    range.step_kind = match[3].str().front();
    range.step = match[4];
  }
  return range;
}

/// "6", "2.5": the shortest text that reads back.
std::string NumberText(double value) {
  return value == std::floor(value) && std::abs(value) < 1e15 ? fmt::format("{:.0f}", value)
                                                              : fmt::format("{}", value);
}

Result<std::vector<std::string>> Expand(const Range& range, std::string_view written) {
  ASSIGN_OR_RETURN(const double first, ParseNumber(range.first));
  ASSIGN_OR_RETURN(const double last, ParseNumber(range.last));
  ASSIGN_OR_RETURN(const double step, ParseNumber(range.step));
  const auto refuse = [&](std::string_view why, std::string_view hint) {
    return InvalidArgument(fmt::format("{}: {}", why, written), std::string(hint));
  };
  if (last < first) {
    return refuse("a range that runs backwards", "write the smaller number first, as in 1-64*2");
  }
  const bool multiplies = range.step_kind == '*';
  if (multiplies ? step <= 1 || first <= 0 : step <= 0) {
    return refuse("a range that stands still",
                  "step by more than 0 (200-800+200) or multiply by more than 1 (1-64*2)");
  }
  std::vector<std::string> values;
  // A hair of room: 0.1 + 3 x 0.1 must still reach 0.4.
  const double end = last * (1 + 4 * std::numeric_limits<double>::epsilon());
  double value = first;
  for (int64_t i = 0; value <= end; ++i) {
    if (values.size() == kMaxVariationValues) {
      return refuse(fmt::format("more than {} values", kMaxVariationValues),
                    "take a larger step, or multiply: 1-64*2");
    }
    values.push_back(NumberText(value));
    value = multiplies ? value * step : first + static_cast<double>(i + 1) * step;
  }
  return values;
}

}  // namespace

Result<Variation> ParseVariation(std::string_view text, const std::string& origin) {
  const auto refuse = [&origin](const std::string& message, std::string hint) {
    return InvalidArgument(fmt::format("{}: {}", origin, message), std::move(hint));
  };
  const std::string kExample = "for example --vary training.micro_batch=1,2,4";
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos || Trim(text.substr(0, equals)).empty()) {
    return refuse(fmt::format("expected PATH=LIST: {}", text), kExample);
  }
  Variation variation{
      .path = std::string(Trim(text.substr(0, equals))), .values = {}, .origin = origin};
  const std::string_view list = text.substr(equals + 1);
  const auto parts = SplitValues(list);
  if (!parts) {
    return refuse(fmt::format("a quote or bracket is not closed: {}", list),
                  "a value may be a YAML list or map: [4, 8] or {tp: 2}");
  }
  // A unit on the last value holds for the numbers before it.
  std::string shared_unit;
  if (const auto range = ReadRange(parts->back())) {
    shared_unit = range->unit;
  } else if (const auto measure = ReadMeasure(parts->back())) {
    shared_unit = measure->unit;
  }
  const auto with_unit = [&](const std::string& number, const std::string& own_unit) {
    const std::string& unit = own_unit.empty() ? shared_unit : own_unit;
    return unit.empty() ? number : number + " " + unit;
  };
  for (const std::string_view part : *parts) {
    if (part.empty()) {
      return refuse(fmt::format("an empty value in the list: {}", text), kExample);
    }
    if (const auto range = ReadRange(part)) {
      Result<std::vector<std::string>> numbers = Expand(*range, part);
      if (!numbers) {
        return refuse(numbers.error().message, numbers.error().hint);
      }
      for (const std::string& number : *numbers) {
        variation.values.push_back(with_unit(number, range->unit));
      }
    } else if (const auto measure = ReadMeasure(part); measure && measure->unit.empty()) {
      variation.values.push_back(with_unit(std::string(part), ""));
    } else {
      variation.values.emplace_back(part);
    }
    if (variation.values.size() > kMaxVariationValues) {
      return refuse(fmt::format("more than {} values: {}", kMaxVariationValues, variation.path),
                    "split them over several runs");
    }
  }
  return variation;
}

}  // namespace ridgeline::planner
