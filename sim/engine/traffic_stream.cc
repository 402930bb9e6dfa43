#include "sim/engine/traffic_stream.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

#include <fmt/format.h>

namespace ridgeline::engine {
namespace {

constexpr uint64_t kTrafficMark = 0x31'43'46'52'54'4c'44'52;  // "RDLTRFC1": the version is in it
constexpr uint64_t kAnswerMark = 0x31'53'4d'54'54'4c'44'52;   // "RDLTTMS1"
constexpr uint64_t kRefusalMark = 0x31'4f'4e'54'54'4c'44'52;  // "RDLTTNO1"
constexpr uint64_t kEndMark = 0x2e'44'4e'45'54'4c'44'52;      // "RDLTEND."
constexpr size_t kMostReason = 4096;

template <class T>
void Append(std::string& bytes, const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// Takes values off the front; after the first lack, zeros.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  template <class T>
  T Take() {
    T value = {};
    if (rest_.size() < sizeof value) {
      is_short_ = true;
      rest_ = {};
      return value;
    }
    std::memcpy(&value, rest_.data(), sizeof value);
    rest_.remove_prefix(sizeof value);
    return value;
  }
  std::string_view TakeText(size_t length) {
    is_short_ = is_short_ || rest_.size() < length;
    const std::string_view text = rest_.substr(0, length);
    rest_.remove_prefix(text.size());
    return text;
  }
  bool is_short() const { return is_short_; }
  size_t num_left() const { return rest_.size(); }

 private:
  std::string_view rest_;
  bool is_short_ = false;
};

tl::unexpected<Error> CutShort() { return InvalidArgument("the bytes end too early"); }

/// One flow as it stands in the stream, before its crossings and predecessors.
struct FlowRecord {
  FlowSpec spec;
  int32_t num_crossings = 0;
  int32_t num_predecessors = 0;
};

Status CheckFlow(const FlowRecord& record, FlowIndex index) {
  const FlowSpec& spec = record.spec;
  const bool is_sound = spec.bytes >= 0 && std::isfinite(spec.bytes) && spec.cap > 0 &&
                        spec.start >= 0 && spec.delay >= 0 && spec.multiplicity > 0 &&
                        record.num_crossings >= 0 && record.num_predecessors >= 0;
  if (!is_sound) {
    return InvalidArgument(fmt::format("a flow with values out of range: {}", index));
  }
  return {};
}

}  // namespace

std::string WriteTraffic(const Traffic& traffic) {
  std::string bytes;
  Append(bytes, kTrafficMark);
  Append(bytes, traffic.num_links());
  Append(bytes, traffic.num_flows());
  for (const double capacity : traffic.capacities()) {
    Append(bytes, capacity);
  }
  for (FlowIndex i = 0; i < traffic.num_flows(); ++i) {
    FlowRecord record;
    record.spec = traffic.flow(i);
    record.num_crossings = static_cast<int32_t>(traffic.path(i).size());
    record.num_predecessors = static_cast<int32_t>(traffic.predecessors(i).size());
    Append(bytes, record);
    for (const Traffic::Crossing& crossing : traffic.path(i)) {
      Append(bytes, crossing);
    }
    for (const FlowIndex before : traffic.predecessors(i)) {
      Append(bytes, before);
    }
  }
  Append(bytes, kEndMark);
  return bytes;
}

Result<Traffic> ReadTraffic(std::string_view bytes) {
  Reader reader(bytes);
  if (reader.Take<uint64_t>() != kTrafficMark) {
    return InvalidArgument("not traffic of this version");
  }
  const auto num_links = reader.Take<int64_t>();
  const auto num_flows = reader.Take<int64_t>();
  // Each takes at least so many bytes: counts beyond them are refused before anything is reserved.
  const auto num_left = static_cast<int64_t>(reader.num_left());
  if (num_links < 0 || num_flows < 0 ||
      num_links > num_left / static_cast<int64_t>(sizeof(double)) ||
      num_flows > num_left / static_cast<int64_t>(sizeof(FlowRecord)) ||
      num_flows > std::numeric_limits<FlowIndex>::max() ||
      num_links > std::numeric_limits<LinkIndex>::max()) {
    return InvalidArgument(
        fmt::format("{} links and {} flows do not fit the bytes", num_links, num_flows));
  }
  std::vector<double> capacities(static_cast<size_t>(num_links));
  for (double& capacity : capacities) {
    capacity = reader.Take<double>();
  }
  Traffic traffic(std::move(capacities));
  std::vector<Traffic::Crossing> path;
  std::vector<FlowIndex> predecessors;
  for (FlowIndex i = 0; i < num_flows && !reader.is_short(); ++i) {
    const auto record = reader.Take<FlowRecord>();
    RETURN_IF_ERROR(CheckFlow(record, i));
    path.clear();
    predecessors.clear();
    for (int32_t c = 0; c < record.num_crossings && !reader.is_short(); ++c) {
      path.push_back(reader.Take<Traffic::Crossing>());
      if (path.back().link < 0 || path.back().link >= num_links || path.back().count <= 0) {
        return InvalidArgument(fmt::format("a flow over a link that is not there: {}", i));
      }
    }
    for (int32_t p = 0; p < record.num_predecessors && !reader.is_short(); ++p) {
      predecessors.push_back(reader.Take<FlowIndex>());
      if (predecessors.back() < 0 || predecessors.back() >= i) {
        return InvalidArgument(fmt::format("a flow that waits for one behind it: {}", i));
      }
    }
    traffic.AddFlow(record.spec, path, predecessors);
  }
  if (reader.Take<uint64_t>() != kEndMark || reader.is_short() || reader.num_left() > 0) {
    return CutShort();
  }
  return traffic;
}

std::string WriteAnswer(const TrafficAnswer& answer) {
  std::string bytes;
  Append(bytes, kAnswerMark);
  Append(bytes, static_cast<int64_t>(answer.times.begin.size()));
  Append(bytes, answer.solve_seconds);
  for (const std::vector<Picoseconds>* times : {&answer.times.begin, &answer.times.end}) {
    for (const Picoseconds time : *times) {
      Append(bytes, time);
    }
  }
  Append(bytes, kEndMark);
  return bytes;
}

std::string WriteRefusal(std::string_view reason) {
  std::string bytes;
  const std::string_view kept = reason.substr(0, kMostReason);
  Append(bytes, kRefusalMark);
  Append(bytes, static_cast<int64_t>(kept.size()));
  bytes += kept;
  Append(bytes, kEndMark);
  return bytes;
}

size_t MostAnswerBytes(int64_t num_flows) {
  return std::max(4 * sizeof(uint64_t) + 2 * sizeof(Picoseconds) * static_cast<size_t>(num_flows),
                  3 * sizeof(uint64_t) + kMostReason);
}

Result<TrafficAnswer> ReadAnswer(std::string_view bytes, const Traffic& traffic) {
  if (bytes.empty()) {
    return InvalidArgument("there is no answer");
  }
  Reader reader(bytes);
  const auto mark = reader.Take<uint64_t>();
  if (mark != kAnswerMark && mark != kRefusalMark) {
    return InvalidArgument("not an answer of this version");
  }
  const auto count = reader.Take<int64_t>();
  if (mark == kRefusalMark) {
    if (count < 0 || count > static_cast<int64_t>(kMostReason)) {
      return CutShort();
    }
    std::string reason(reader.TakeText(static_cast<size_t>(count)));
    if (reader.Take<uint64_t>() != kEndMark || reader.is_short()) {
      return CutShort();
    }
    return Unimplemented(std::move(reason));
  }
  if (count != traffic.num_flows()) {
    return InvalidArgument(
        fmt::format("an answer about {} flows, not {}", count, traffic.num_flows()));
  }
  TrafficAnswer answer;
  answer.solve_seconds = reader.Take<double>();
  const auto num_bytes = 2 * static_cast<size_t>(count) * sizeof(Picoseconds) + sizeof(kEndMark);
  if (reader.is_short() || reader.num_left() != num_bytes) {
    return CutShort();
  }
  for (std::vector<Picoseconds>* times : {&answer.times.begin, &answer.times.end}) {
    times->resize(static_cast<size_t>(count));
    for (Picoseconds& time : *times) {
      time = reader.Take<Picoseconds>();
    }
  }
  if (reader.Take<uint64_t>() != kEndMark) {
    return CutShort();
  }
  for (FlowIndex i = 0; i < count; ++i) {
    const Picoseconds begin = answer.times.begin[static_cast<size_t>(i)];
    const Picoseconds end = answer.times.end[static_cast<size_t>(i)];
    const FlowSpec& flow = traffic.flow(i);
    if (begin < AddSaturating(flow.start, flow.delay) || end < begin) {
      return InvalidArgument(
          fmt::format("an impossible answer: flow {} from {} to {} ps", i, begin, end));
    }
    answer.times.makespan = std::max(answer.times.makespan, end);
  }
  return answer;
}

}  // namespace ridgeline::engine
