#include "calibration/measurement.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/held_out.h"
#include "base/sha256.h"
#include "calibration/gz_text.h"

namespace ridgeline::calibration {
namespace {

using Json = nlohmann::json;

// JSON text that long is no point, and one nested that deep would not fit the stack.
constexpr size_t kLongestLine = size_t{1} << 14U;
constexpr double kLongestSeconds = 1e6;

/// A mistake and its place in the line, from 1.
struct Mistake {
  std::string message;
  size_t column = 1;
  std::string hint = {};
};
template <class T>
using Parsed = tl::expected<T, Mistake>;

/// Where the value of `name` begins; where the line does when the key is not there.
size_t ColumnOf(std::string_view line, std::string_view name) {
  const size_t key = line.find(fmt::format("\"{}\"", name));
  const size_t colon = key == std::string_view::npos ? key : line.find(':', key + name.size() + 2);
  const size_t value =
      colon == std::string_view::npos ? colon : line.find_first_not_of(" \t", colon + 1);
  return value == std::string_view::npos ? 1 : value + 1;
}

Parsed<Json> ParseJson(std::string_view line) {
  if (line.size() > kLongestLine) {
    return tl::unexpected(
        Mistake{.message = fmt::format("a line of {} bytes is no measured point (at most {})",
                                       line.size(), kLongestLine)});
  }
  try {
    return Json::parse(line);
  } catch (const Json::parse_error& error) {
    return tl::unexpected(Mistake{.message = "not JSON",
                                  .column = std::clamp<size_t>(error.byte, 1, line.size() + 1),
                                  .hint = "NaN and Infinity are no JSON; a point without a time "
                                          "has \"skipped\" with the reason"});
  } catch (const Json::exception&) {
    return tl::unexpected(Mistake{.message = "a number that is too large for JSON"});
  }
}

/// 0 when the key is not there.
Parsed<double> NonNegative(const Json& object, const char* name, std::string_view line) {
  const auto found = object.find(name);
  if (found == object.end()) {
    return 0.0;
  }
  if (!found->is_number() || !(found->get<double>() >= 0)) {
    return tl::unexpected(
        Mistake{.message = fmt::format("{} must be a number from 0: {}", name, found->dump()),
                .column = ColumnOf(line, name)});
  }
  return found->get<double>();
}

std::string TextOr(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool FlagOr(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

/// The op with the condition that stands beside it; a line of `cost` carries it inside.
Parsed<OperationLine> ParseOperation(const Json& object, std::string_view line) {
  Json question = object["op"];
  if (object.contains("condition") && object["condition"].is_object()) {
    for (const char* const name : {"clock", "launch", "cache", "layout"}) {
      if (object["condition"].contains(name)) {
        question[name] = object["condition"][name];
      }
    }
  }
  Result<OperationLine> parsed = ParseOperationLine(question.dump());
  if (!parsed) {
    return tl::unexpected(Mistake{.message = parsed.error().message,
                                  .column = ColumnOf(line, "op"),
                                  .hint = parsed.error().hint});
  }
  if (std::holds_alternative<OtherOperation>(parsed->operation)) {
    parsed->operation =
        OtherOperation{.name = TextOr(object["op"], "op"), .text = object["op"].dump()};
  }
  return *std::move(parsed);
}

Parsed<Measurement> ParsePoint(std::string_view line) {
  const Parsed<Json> read = ParseJson(line);
  if (!read) {
    return tl::unexpected(read.error());
  }
  const Json& object = *read;
  if (!object.is_object() || !object.contains("op") || !object["op"].is_object()) {
    return tl::unexpected(
        Mistake{.message = "not a measured point",
                .hint = R"(a line is {"op":{"op":"gemm",...},"gpu":"h100-sxm","time_s":1.2e-4})"});
  }
  Parsed<OperationLine> parsed = ParseOperation(object, line);
  if (!parsed) {
    return tl::unexpected(parsed.error());
  }
  std::map<std::string_view, double> numbers;
  for (const char* const name : {"time_s", "spread", "samples", "sm_clock_hz", "power_w"}) {
    const Parsed<double> number = NonNegative(object, name, line);
    if (!number) {
      return tl::unexpected(number.error());
    }
    numbers[name] = *number;
  }
  Measurement point{.operation = std::move(parsed->operation),
                    .condition = parsed->condition,
                    .gpu = TextOr(object, "gpu"),
                    .time = Seconds::FromBase(numbers["time_s"]),
                    .spread = numbers["spread"],
                    .samples = static_cast<int64_t>(std::min(numbers["samples"], 1e15)),
                    .throttled = FlagOr(object, "throttled"),
                    .busy = FlagOr(object, "busy"),
                    .with = TextOr(object, "with"),
                    .library = TextOr(object, "library"),
                    .device = TextOr(object, "device"),
                    .driver = TextOr(object, "driver"),
                    .source = TextOr(object, "source"),
                    .skipped = TextOr(object, "skipped")};
  if (object.contains("sm_clock_hz")) {
    point.sm_clock = Hertz::FromBase(numbers["sm_clock_hz"]);
  }
  if (object.contains("power_w")) {
    point.power = Watts::FromBase(numbers["power_w"]);
  }
  if (point.gpu.empty()) {
    return tl::unexpected(
        Mistake{.message = "a measured point needs its gpu, the catalog's name of it",
                .column = ColumnOf(line, "gpu"),
                .hint = R"("gpu":"h100-sxm"; names: ridgeline list gpus)"});
  }
  if (point.skipped.empty() &&
      !(point.time > Seconds() && point.time <= Seconds::FromBase(kLongestSeconds))) {
    return tl::unexpected(
        Mistake{.message = "a measured point needs time_s, above 0 and at most a million",
                .column = ColumnOf(line, "time_s"),
                .hint = "a point without a time has \"skipped\" with the reason"});
  }
  return point;
}

Error ErrorOf(Mistake mistake) {
  return {.code = ErrorCode::kInvalidArgument,
          .message = std::move(mistake.message),
          .hint = std::move(mistake.hint)};
}

}  // namespace

std::string IdOf(const Measurement& point) {
  return Sha256(OperationText(point.operation) + ConditionText(point.condition)).substr(0, 16);
}

bool IsHeldOut(const Measurement& point) { return IsHeldOutDigest(IdOf(point)); }

Result<Measurement> ParseMeasurement(std::string_view line) {
  return ParsePoint(line).map_error(ErrorOf);
}

std::string MeasurementLine(const Measurement& point) {
  Json object{{"op", Json::parse(OperationText(point.operation))},
              {"condition", Json::parse(ConditionText(point.condition))},
              {"gpu", point.gpu},
              {"source", point.source}};
  if (!point.skipped.empty()) {
    object["skipped"] = point.skipped;
  } else {
    object["time_s"] = point.time.base();
    if (point.spread > 0) {
      object["spread"] = point.spread;
    }
    if (point.samples > 0) {
      object["samples"] = point.samples;
    }
    if (point.throttled) {
      object["throttled"] = true;
    }
    if (point.busy) {
      object["busy"] = true;
    }
  }
  if (point.sm_clock) {
    object["sm_clock_hz"] = point.sm_clock->base();
  }
  if (point.power) {
    object["power_w"] = point.power->base();
  }
  for (const auto& [name, text] : {std::pair<const char*, const std::string&>("with", point.with),
                                   {"library", point.library},
                                   {"device", point.device},
                                   {"driver", point.driver}}) {
    if (!text.empty()) {
      object[name] = text;
    }
  }
  return object.dump();
}

Result<std::vector<Measurement>> ParseMeasurements(const std::string& name, std::string_view text) {
  std::vector<Measurement> points;
  size_t begin = 0;
  for (int number = 1; begin < text.size(); ++number) {
    const size_t end = text.find('\n', begin);
    const bool has_end = end != std::string_view::npos;
    const std::string_view line = text.substr(begin, has_end ? end - begin : end);
    begin = has_end ? end + 1 : text.size();
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) {
      continue;
    }
    Parsed<Measurement> point = ParsePoint(line);
    if (point) {
      points.push_back(*std::move(point));
      continue;
    }
    const bool is_cut_off = !has_end && !points.empty() && line.front() == '{';
    if (!is_cut_off) {
      // The line alone is kept for showing: the text may be long.
      const auto column = static_cast<int>(point.error().column);
      Error error = ErrorOf(std::move(point).error());
      error.where = SourceLocation{.source = std::make_shared<SourceText>(SourceText{
                                       .name = name,
                                       .text = std::string(static_cast<size_t>(number - 1), '\n') +
                                               std::string(line.substr(0, kLongestLine))}),
                                   .line = number,
                                   .column = column};
      return Fail(std::move(error));
    }
  }
  return points;
}

Result<std::vector<Measurement>> ReadMeasurements(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadText(path));
  return ParseMeasurements(path.string(), text);
}

}  // namespace ridgeline::calibration
