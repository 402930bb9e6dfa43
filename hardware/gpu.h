/// What one GPU is: the vendor's figures, and the rates that are sustained in practice, each with
/// its source.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/config_reader.h"
#include "base/dtype.h"
#include "base/units.h"

namespace ridgeline::hardware {

/// A rate that real kernels sustain, below the vendor's peak. The only kind of factor below peak in
/// the program: every cost model that reads one lists it in RatesFor (cost_model.h), with its
/// source, beside the answer.
template <class Q>
struct Sustained {
  Q rate;              // the expectation
  Q low;               // the worst of the cited measurements that large kernels show
  Q high;              // the best
  std::string source;  // "Azure/AI-benchmarking-guide ND_A100_v4: 8192^3 254 TFLOP/s"
  friend bool operator==(const Sustained&, const Sustained&) = default;
};

/// Sources by figure: key (e.g. "memory.bandwidth") -> where it was read.
using Sources = std::map<std::string, std::string>;

struct GpuMemory {
  Bytes capacity;            // usable by a job, as the driver reports it
  BytesPerSecond bandwidth;  // vendor's peak
  std::optional<Sustained<BytesPerSecond>> sustained;
  friend bool operator==(const GpuMemory&, const GpuMemory&) = default;
};

struct GpuLink {
  int links = 0;             // NVLink links; 0: none
  BytesPerSecond bandwidth;  // per GPU and direction, all links together, vendor's peak
  std::optional<Sustained<BytesPerSecond>> sustained;
  friend bool operator==(const GpuLink&, const GpuLink&) = default;
};

struct Gpu {
  std::string name;   // "h100-sxm", as in configs/gpus
  std::string title;  // "NVIDIA H100 SXM5 80 GB"
  std::vector<std::string> aliases;
  std::string architecture;  // "ampere", "ada", "hopper", "blackwell"
  int streaming_multiprocessors = 0;
  Hertz clock;                                 // at which the peaks hold
  std::map<std::string, FlopsPerSecond> peak;  // by data type: dense, no sparsity
  std::map<std::string, Sustained<FlopsPerSecond>>
      sustained;  // by data type, of large GEMMs back to back
  std::optional<Sustained<FlopsPerSecond>>
      sustained_attention;  // fused attention forward in 16 bit, causal FLOPs counted as done
  GpuMemory memory;
  Bytes l2_cache;
  Bytes shared_memory;  // per streaming multiprocessor
  GpuLink nvlink;
  BytesPerSecond host_link;  // PCIe or C2C, each way, vendor's peak
  std::optional<Sustained<BytesPerSecond>> host_link_sustained;
  Seconds kernel_floor;  // least time from one kernel's start to the next on a busy stream
  Watts power;           // board limit
  Sources sources;       // every figure above
  friend bool operator==(const Gpu&, const Gpu&) = default;
};

template <class Q>
const Schema<Sustained<Q>>& SchemaOf(Tag<Sustained<Q>>);
const Schema<Gpu>& SchemaOf(Tag<Gpu>);
const Schema<GpuMemory>& SchemaOf(Tag<GpuMemory>);
const Schema<GpuLink>& SchemaOf(Tag<GpuLink>);

/// What is added to the name of an entry whose figures were changed inline.
inline constexpr std::string_view kChangedSuffix = " (changed)";
/// The name without it: "h100-sxm" of "h100-sxm (changed)".
constexpr std::string_view UnchangedName(std::string_view name) {
  return name.ends_with(kChangedSuffix) ? name.substr(0, name.size() - kChangedSuffix.size())
                                        : name;
}

/// Peak of a data type; nullopt when the GPU cannot compute in it. fp8 on Ampere, for one.
std::optional<FlopsPerSecond> PeakOf(const Gpu& gpu, DType dtype);

}  // namespace ridgeline::hardware
