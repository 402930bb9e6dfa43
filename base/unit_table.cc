#include "base/unit_table.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace ridgeline {
namespace {

struct Prefix {
  std::string_view name;
  double factor;
};
constexpr std::array<Prefix, 7> kDecimal = {
    {{"", 1.0}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {"T", 1e12}, {"P", 1e15}, {"E", 1e18}}};
constexpr std::array<Prefix, 5> kBinary = {
    {{"Ki", 0x1p10}, {"Mi", 0x1p20}, {"Gi", 0x1p30}, {"Ti", 0x1p40}, {"Pi", 0x1p50}}};

std::vector<Unit> TimeUnits() {
  return {{"ns", 1, 1e9}, {"us", 1, 1e6}, {"ms", 1, 1e3}, {"s", 1, 1},
          {"min", 60, 1}, {"h", 3600, 1}, {"d", 86400, 1}};
}

std::vector<Unit> SizeUnits() {
  std::vector<Unit> units;
  const auto add = [&units](const Prefix& prefix) {
    units.push_back({fmt::format("{}B", prefix.name), prefix.factor, 1});
    units.push_back({fmt::format("{}b", prefix.name), prefix.factor, 8});
  };
  std::for_each(kDecimal.begin(), kDecimal.end(), add);
  std::for_each(kBinary.begin(), kBinary.end(), add);
  return units;
}

std::vector<Unit> BandwidthUnits() {
  std::vector<Unit> units;
  for (const Unit& time : TimeUnits()) {
    for (const Unit& size : SizeUnits()) {
      units.push_back({fmt::format("{}/{}", size.name, time.name),
                       size.numerator * time.denominator, size.denominator * time.numerator});
    }
  }
  for (const Prefix& prefix : kDecimal) {
    if (prefix.factor <= 1e12) {
      units.push_back({fmt::format("{}bps", prefix.name), prefix.factor, 8});
    }
  }
  return units;
}

std::vector<Unit> FlopRateUnits() {
  std::vector<Unit> units = PrefixedUnits("FLOP/s");
  for (Unit& unit : PrefixedUnits("FLOPS")) {
    units.push_back(std::move(unit));
  }
  return units;
}

std::vector<Unit> EnergyUnits() {
  return {{"J", 1, 1}, {"kJ", 1e3, 1}, {"MJ", 1e6, 1}, {"Wh", 3600, 1}, {"kWh", 3.6e6, 1}};
}

}  // namespace

std::vector<Unit> PrefixedUnits(std::string_view unit) {
  std::vector<Unit> units;
  for (const Prefix& prefix : kDecimal) {
    units.push_back({fmt::format("{}{}", prefix.name, unit), prefix.factor, 1});
  }
  return units;
}

template <>
const Dimension& DimensionOf<Seconds>() {
  static const Dimension dimension = {
      "time", "a time, such as 20 us", "s", TimeUnits(), {"ms", "s"}};
  return dimension;
}
template <>
const Dimension& DimensionOf<Bytes>() {
  static const Dimension dimension = {
      "size", "a size, such as 80 GB", "B", SizeUnits(), {"GB", "GiB"}};
  return dimension;
}
template <>
const Dimension& DimensionOf<BytesPerSecond>() {
  static const Dimension dimension = {
      "bandwidth", "a bandwidth, such as 400 Gb/s", "B/s", BandwidthUnits(), {"Gb/s", "GB/s"}};
  return dimension;
}
template <>
const Dimension& DimensionOf<Flops>() {
  static const Dimension dimension = {"amount of work",
                                      "an amount of work, such as 3.5 TFLOP",
                                      "FLOP",
                                      PrefixedUnits("FLOP"),
                                      {"TFLOP", "GFLOP"}};
  return dimension;
}
template <>
const Dimension& DimensionOf<FlopsPerSecond>() {
  static const Dimension dimension = {"compute rate",
                                      "a compute rate, such as 989 TFLOP/s",
                                      "FLOP/s",
                                      FlopRateUnits(),
                                      {"TFLOP/s", "GFLOP/s"}};
  return dimension;
}
template <>
const Dimension& DimensionOf<FlopsPerByte>() {
  static const Dimension dimension = {"intensity",
                                      "an intensity, such as 295 FLOP/B",
                                      "FLOP/B",
                                      {{"FLOP/B", 1, 1}, {"kFLOP/B", 1e3, 1}},
                                      {"FLOP/B", "kFLOP/B"}};
  return dimension;
}
template <>
const Dimension& DimensionOf<Watts>() {
  static const Dimension dimension = {"power",
                                      "a power, such as 700 W",
                                      "W",
                                      {{"W", 1, 1}, {"kW", 1e3, 1}, {"MW", 1e6, 1}},
                                      {"W", "kW"}};
  return dimension;
}
template <>
const Dimension& DimensionOf<Joules>() {
  static const Dimension dimension = {
      "energy", "an energy, such as 3 kWh", "J", EnergyUnits(), {"J", "kWh"}};
  return dimension;
}
template <>
const Dimension& DimensionOf<Hertz>() {
  static const Dimension dimension = {"frequency",
                                      "a frequency or a rate, such as 1.98 GHz or 4 req/s",
                                      "Hz",
                                      {{"Hz", 1, 1},
                                       {"kHz", 1e3, 1},
                                       {"MHz", 1e6, 1},
                                       {"GHz", 1e9, 1},
                                       {"req/s", 1, 1},
                                       {"1/s", 1, 1}},
                                      {"MHz", "req/s"}};
  return dimension;
}

}  // namespace ridgeline
