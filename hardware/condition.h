/// Under which condition an operation runs. The same kernel's time differs by 0.7 to 1.45 times
/// between them, so an answer always says which it is for.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace ridgeline::hardware {

/// The last of Clock, Launch and CacheState are what a trace of somebody's program shows: the
/// kernel alone, at whatever clocks and with whatever the kernels before it left in L2.
enum class Clock { kBurst, kSustained, kProgram };  // bursts of some 10 ms; clocks of a long run
enum class Launch { kGraph, kEager, kKernel };      // in a replayed graph; with what the host adds
enum class CacheState { kCold, kWarm, kProgram };   // operands rotated beyond L2; left in it
enum class Layout { kTN, kNN, kNT };                // of matrices, as BLAS says it

/// As written in lines of `cost` and in measured points, in the order of the enumerators.
inline constexpr std::array<std::string_view, 3> kClockNames = {"burst", "sustained", "program"};
inline constexpr std::array<std::string_view, 3> kLaunchNames = {"graph", "eager", "kernel"};
inline constexpr std::array<std::string_view, 3> kCacheStateNames = {"cold", "warm", "program"};
inline constexpr std::array<std::string_view, 3> kLayoutNames = {"TN", "NN", "NT"};

constexpr std::string_view Name(Clock clock) { return kClockNames[static_cast<size_t>(clock)]; }
constexpr std::string_view Name(Launch launch) { return kLaunchNames[static_cast<size_t>(launch)]; }
constexpr std::string_view Name(CacheState cache) {
  return kCacheStateNames[static_cast<size_t>(cache)];
}
constexpr std::string_view Name(Layout layout) { return kLayoutNames[static_cast<size_t>(layout)]; }

/// The default is the steady condition, the one that composition needs.
struct Condition {
  Clock clock = Clock::kBurst;
  Launch launch = Launch::kGraph;
  CacheState cache = CacheState::kCold;
  Layout layout = Layout::kTN;
  friend bool operator==(const Condition&, const Condition&) = default;
};

/// The roofline's rates are those of large GEMMs back to back (hardware/gpu.h, Gpu::sustained).
inline constexpr Condition kRooflineCondition = {.clock = Clock::kSustained};

/// "burst clock, graph, cold cache, TN".
inline std::string Describe(const Condition& condition) {
  std::string text(Name(condition.clock));
  text += " clock, ";
  text += Name(condition.launch);
  text += ", ";
  text += Name(condition.cache);
  text += " cache, ";
  text += Name(condition.layout);
  return text;
}

}  // namespace ridgeline::hardware
