#include "calibration/measurement.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/sha256.h"
#include "calibration/gz_text.h"

namespace ridgeline::calibration {
namespace {

using Json = nlohmann::json;

double NumberOr(const Json& object, const char* name, double otherwise) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number() ? found->get<double>() : otherwise;
}

std::string TextOr(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool FlagOr(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

}  // namespace

std::string IdOf(const Measurement& point) {
  return Sha256(OperationText(point.operation) + ConditionText(point.condition)).substr(0, 16);
}

bool IsHeldOut(const Measurement& point) {
  const char last = IdOf(point).back();
  const int digit = last <= '9' ? last - '0' : last - 'a' + 10;
  return digit % 2 == 1;
}

Result<Measurement> ParseMeasurement(std::string_view line) {
  const Json object = Json::parse(line, nullptr, false);
  if (!object.is_object() || !object.contains("op") || !object["op"].is_object()) {
    return InvalidArgument(R"(not a measured point: it needs {"op":{...},"gpu":...,"time_s":...})");
  }
  // A point's condition stands beside its op; a line of `cost` carries it inside.
  Json question = object["op"];
  if (object.contains("condition") && object["condition"].is_object()) {
    for (const char* const name : {"clock", "launch", "cache", "layout"}) {
      if (object["condition"].contains(name)) {
        question[name] = object["condition"][name];
      }
    }
  }
  ASSIGN_OR_RETURN(OperationLine parsed, ParseOperationLine(question.dump()));
  if (std::holds_alternative<OtherOperation>(parsed.operation)) {
    parsed.operation =
        OtherOperation{.name = TextOr(object["op"], "op"), .text = object["op"].dump()};
  }
  Measurement point{.operation = std::move(parsed.operation),
                    .condition = std::move(parsed.condition),
                    .gpu = TextOr(object, "gpu"),
                    .time = Seconds::FromBase(NumberOr(object, "time_s", 0)),
                    .spread = NumberOr(object, "spread", 0),
                    .samples = static_cast<int64_t>(NumberOr(object, "samples", 0)),
                    .throttled = FlagOr(object, "throttled"),
                    .busy = FlagOr(object, "busy"),
                    .with = TextOr(object, "with"),
                    .library = TextOr(object, "library"),
                    .device = TextOr(object, "device"),
                    .driver = TextOr(object, "driver"),
                    .source = TextOr(object, "source"),
                    .skipped = TextOr(object, "skipped")};
  if (object.contains("sm_clock_hz")) {
    point.sm_clock = Hertz::FromBase(NumberOr(object, "sm_clock_hz", 0));
  }
  if (object.contains("power_w")) {
    point.power = Watts::FromBase(NumberOr(object, "power_w", 0));
  }
  if (point.gpu.empty()) {
    return InvalidArgument("a measured point needs its gpu");
  }
  if (point.skipped.empty() && !(Seconds() < point.time)) {
    return InvalidArgument("a measured point needs time_s above 0, or skipped with the reason");
  }
  return point;
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
    if (point.spread > 0) object["spread"] = point.spread;
    if (point.samples > 0) object["samples"] = point.samples;
    if (point.throttled) object["throttled"] = true;
    if (point.busy) object["busy"] = true;
  }
  if (point.sm_clock) object["sm_clock_hz"] = point.sm_clock->base();
  if (point.power) object["power_w"] = point.power->base();
  for (const auto& [name, text] : {std::pair<const char*, const std::string&>("with", point.with),
                                   {"library", point.library},
                                   {"device", point.device},
                                   {"driver", point.driver}}) {
    if (!text.empty()) object[name] = text;
  }
  return object.dump();
}

Result<std::vector<Measurement>> ReadMeasurements(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadText(path));
  std::vector<Measurement> points;
  size_t begin = 0;
  for (int64_t number = 1; begin < text.size(); ++number) {
    const size_t end = text.find('\n', begin);
    const std::string_view line =
        std::string_view(text).substr(begin, end == std::string::npos ? end : end - begin);
    begin = end == std::string::npos ? text.size() : end + 1;
    if (line.empty()) {
      continue;
    }
    Result<Measurement> point = ParseMeasurement(line);
    if (point) {
      points.push_back(*std::move(point));
    } else if (end != std::string::npos) {
      Error error = std::move(point).error();
      error.message = fmt::format("{}:{}: {}", path.string(), number, error.message);
      return Fail(std::move(error));
    }
  }
  return points;
}

}  // namespace ridgeline::calibration
