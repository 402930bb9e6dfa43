#include "calibration/measure/point_file.h"

#include <cstdlib>
#include <fstream>
#include <utility>

#include <nlohmann/json.hpp>

namespace ridgeline::measure {
namespace {

using Json = nlohmann::json;  // objects are sorted by name, so dump() is canonical

void Flatten(const Json& object, const std::string& prefix, Fields& fields) {
  for (const auto& [name, value] : object.items()) {
    if (value.is_object()) {
      Flatten(value, prefix + name + ".", fields);
    } else if (value.is_string()) {
      fields.values()[prefix + name] = value.get<std::string>();
    } else {
      fields.values()[prefix + name] = value.dump();
    }
  }
}

std::string KeyOf(const Json& point) {
  return point.value("op", Json::object()).dump() +
         point.value("condition", Json::object()).dump() + point.value("with", std::string());
}

}  // namespace

std::string Fields::Text(const std::string& name, const std::string& otherwise) const {
  const auto found = values_.find(name);
  return found == values_.end() ? otherwise : found->second;
}

int64_t Fields::Int(const std::string& name, int64_t otherwise) const {
  const auto found = values_.find(name);
  return found == values_.end() ? otherwise
                                : static_cast<int64_t>(std::strtod(found->second.c_str(), nullptr));
}

bool Fields::Flag(const std::string& name, bool otherwise) const {
  const auto found = values_.find(name);
  return found == values_.end() ? otherwise : found->second == "true";
}

Fields Fields::Of(const std::string& prefix) const {
  Fields inner;
  for (const auto& [name, value] : values_) {
    if (name.starts_with(prefix + ".")) {
      inner.values_[name.substr(prefix.size() + 1)] = value;
    }
  }
  return inner;
}

Result<std::vector<Point>> ReadPoints(const std::string& path) {
  std::ifstream in(path);
  if (!in) {
    return NotFound("cannot read points: " + path);
  }
  std::vector<Point> points;
  std::string line;
  for (int64_t number = 1; std::getline(in, line); ++number) {
    if (line.empty()) {
      continue;
    }
    const Json json = Json::parse(line, nullptr, false);
    if (!json.is_object() || !json.contains("op") || !json["op"].is_object() ||
        !json["op"].contains("op")) {
      return InvalidArgument("not a point: " + path + ":" + std::to_string(number),
                             R"(write {"op":{"op":"gemm",...},"condition":{...}} on each line)");
    }
    Point point;
    point.key = KeyOf(json);
    point.line = line;
    Flatten(json["op"], "", point.op);
    Flatten(json.value("condition", Json::object()), "", point.condition);
    point.with = json.value("with", "");
    points.push_back(std::move(point));
  }
  return points;
}

ResultFile::~ResultFile() {
  if (file_ != nullptr) {
    std::fclose(file_);
  }
}

Status ResultFile::Open(const std::string& path, RunFacts facts) {
  facts_ = std::move(facts);
  bool ends_in_mid_line = false;
  {
    std::ifstream in(path);
    std::string line;
    while (std::getline(in, line)) {
      const Json json = Json::parse(line, nullptr, false);
      if (json.is_object()) {
        done_.insert(KeyOf(json));
      }
      ends_in_mid_line = in.eof();
    }
  }
  file_ = std::fopen(path.c_str(), "a");
  if (file_ == nullptr) {
    return InvalidArgument("cannot write results: " + path);
  }
  if (ends_in_mid_line) {
    std::fputc('\n', file_);
  }
  return {};
}

Status ResultFile::Write(const Point& point, const Outcome& outcome) {
  Json json = Json::parse(point.line, nullptr, false);
  json["gpu"] = facts_.gpu;
  if (!json.contains("condition")) {
    json["condition"] = Json::object();
  }
  if (!outcome.skipped.empty()) {
    json["skipped"] = outcome.skipped;
  } else {
    json["time_s"] = outcome.time_s;
    json["spread"] = outcome.spread;
    json["samples"] = outcome.samples;
    json["stopped_by"] = outcome.stopped_by;
    json["throttled"] = outcome.throttled;
    if (outcome.throttle_reasons != 0) json["throttle_reasons"] = outcome.throttle_reasons;
    if (outcome.sm_clock_hz >= 0) json["sm_clock_hz"] = outcome.sm_clock_hz;
    if (outcome.power_w >= 0) json["power_w"] = outcome.power_w;
    if (outcome.temperature_c >= 0) json["temperature_c"] = outcome.temperature_c;
  }
  if (outcome.busy) json["busy"] = true;
  for (const auto& [name, value] : outcome.figures) json[name] = value;
  for (const auto& [name, value] : outcome.remarks) json[name] = value;
  if (!outcome.library.empty()) json["library"] = outcome.library;
  json["device"] = facts_.device;
  json["driver"] = facts_.driver;
  json["source"] = facts_.source;
  const std::string text = json.dump() + "\n";
  if (std::fwrite(text.data(), 1, text.size(), file_) != text.size() || std::fflush(file_) != 0) {
    return Fail({.code = ErrorCode::kInternal, .message = "cannot write a result: disk full?"});
  }
  done_.insert(point.key);
  return {};
}

}  // namespace ridgeline::measure
