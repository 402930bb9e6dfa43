/// The units of every dimension, and what a dimension is called: the data behind base/units_text.h,
/// which alone includes it.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.h"

namespace ridgeline {

/// A unit as numerator / denominator base units. Two numbers, because 20 / 1e6 is the double
/// nearest to 20 us and 20 * 1e-6 is not.
struct Unit {
  std::string name;
  double numerator = 1.0;
  double denominator = 1.0;
};

/// What a dimension is called and how it is spelled. `likely` are the two spellings that a bare
/// number most likely meant.
struct Dimension {
  std::string_view name;     // "bandwidth"
  std::string_view example;  // "a bandwidth, such as 400 Gb/s"
  std::string_view base_unit;
  std::vector<Unit> units;
  std::array<std::string_view, 2> likely;
};

/// Q: any quantity named in base/units.h. Built once, at first use.
template <class Q>
const Dimension& DimensionOf();
template <>
const Dimension& DimensionOf<Seconds>();
template <>
const Dimension& DimensionOf<Bytes>();
template <>
const Dimension& DimensionOf<BytesPerSecond>();
template <>
const Dimension& DimensionOf<Flops>();
template <>
const Dimension& DimensionOf<FlopsPerSecond>();
template <>
const Dimension& DimensionOf<FlopsPerByte>();
template <>
const Dimension& DimensionOf<Watts>();
template <>
const Dimension& DimensionOf<Joules>();
template <>
const Dimension& DimensionOf<Hertz>();

/// `unit` with every prefix of 1000, from none to E.
std::vector<Unit> PrefixedUnits(std::string_view unit);

}  // namespace ridgeline
