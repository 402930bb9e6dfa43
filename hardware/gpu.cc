#include "hardware/gpu.h"

#include <algorithm>

namespace ridgeline::hardware {
namespace {

template <class Q>
void CheckOrder(const Sustained<Q>& sustained, const ::ridgeline::Node& node,
                const DecodeContext& context) {
  if (sustained.rate < sustained.low || sustained.high < sustained.rate) {
    context.Fail(node, "a sustained rate must lie between its low and its high",
                 "write low <= rate <= high");
  }
}

template <class Q>
void CheckBelowPeak(const std::optional<Sustained<Q>>& sustained, Q peak, std::string_view key,
                    const ::ridgeline::Node& node, const DecodeContext& context) {
  if (sustained && peak < sustained->high) {
    context.Key(key).Fail(node,
                          fmt::format("sustained above the vendor's peak of {}: {}", Format(peak),
                                      Format(sustained->high)),
                          "nothing sustains more than its peak: check both figures");
  }
}

void CheckDTypeNames(std::string_view name, const ::ridgeline::Node& node,
                     const DecodeContext& context) {
  if (!ParseDType(name)) {
    context.Fail(node, fmt::format("unknown data type: {}", name),
                 fmt::format("known: {}", fmt::join(DTypeNames(), ", ")));
  }
}

}  // namespace

template <class Q>
const Schema<Sustained<Q>>& SchemaOf(Tag<Sustained<Q>>) {
  static const Schema<Sustained<Q>> schema =
      Schema<Sustained<Q>>("a rate that real kernels sustain, with its range and source")
          .Required("rate", &Sustained<Q>::rate, "the expectation", {.above = Q{}})
          .Required("low", &Sustained<Q>::low, "worst of the cited measurements of large kernels",
                    {.above = Q{}})
          .Required("high", &Sustained<Q>::high, "best of the cited measurements", {.above = Q{}})
          .Required("source", &Sustained<Q>::source, "where it was measured")
          .Rule(CheckOrder<Q>);
  return schema;
}
template const Schema<Sustained<BytesPerSecond>>& SchemaOf(Tag<Sustained<BytesPerSecond>>);
template const Schema<Sustained<FlopsPerSecond>>& SchemaOf(Tag<Sustained<FlopsPerSecond>>);

const Schema<GpuMemory>& SchemaOf(Tag<GpuMemory>) {
  static const Schema<GpuMemory> schema =
      Schema<GpuMemory>("device memory")
          .Required("capacity", &GpuMemory::capacity, "usable by a job, as the driver reports it",
                    {.above = Bytes{}})
          .Required("bandwidth", &GpuMemory::bandwidth, "vendor's peak",
                    {.above = BytesPerSecond{}})
          .Optional("sustained", &GpuMemory::sustained, "what large streams reach")
          .Rule([](const GpuMemory& memory, const ::ridgeline::Node& node,
                   const DecodeContext& context) {
            CheckBelowPeak(memory.sustained, memory.bandwidth, "sustained", node, context);
          });
  return schema;
}

const Schema<GpuLink>& SchemaOf(Tag<GpuLink>) {
  static const Schema<GpuLink> schema =
      Schema<GpuLink>("links to other GPUs")
          .Required("links", &GpuLink::links, "number of links", {.at_least = 0, .at_most = 1024})
          .Required("bandwidth", &GpuLink::bandwidth,
                    "per GPU and direction, all links together, vendor's peak",
                    {.at_least = BytesPerSecond{}})
          .Optional("sustained", &GpuLink::sustained, "what NCCL reaches over all links")
          .Rule(
              [](const GpuLink& link, const ::ridgeline::Node& node, const DecodeContext& context) {
                CheckBelowPeak(link.sustained, link.bandwidth, "sustained", node, context);
              });
  return schema;
}

const Schema<Gpu>& SchemaOf(Tag<Gpu>) {
  static const Schema<Gpu> schema =
      Schema<Gpu>("one GPU: the vendor's figures and the rates sustained in practice")
          .Optional("name", &Gpu::name, "as in configs/gpus; the file's name by default")
          .Optional("title", &Gpu::title, "for people")
          .Optional("aliases", &Gpu::aliases, "other names")
          .Required("architecture", &Gpu::architecture, "ampere, ada, hopper, blackwell ...")
          .Required("streaming_multiprocessors", &Gpu::streaming_multiprocessors, "enabled ones",
                    {.at_least = 1, .at_most = 100000})
          .Required("clock", &Gpu::clock, "at which the matrix peaks hold", {.above = Hertz{}})
          .Required("peak", &Gpu::peak, "by data type: dense, no sparsity, matrix units if any")
          .Optional("sustained", &Gpu::sustained, "by data type: of large GEMMs back to back")
          .Optional("sustained_attention", &Gpu::sustained_attention,
                    "fused attention in 16 bit; causal FLOPs counted as done")
          .Required("memory", &Gpu::memory, "device memory")
          .Optional("l2_cache", &Gpu::l2_cache, "all of it", {.at_least = Bytes{}})
          .Optional("shared_memory", &Gpu::shared_memory, "per streaming multiprocessor",
                    {.at_least = Bytes{}})
          .Optional("nvlink", &Gpu::nvlink, "links to other GPUs; none by default")
          .Required("host_link", &Gpu::host_link, "PCIe or C2C, each way, vendor's peak",
                    {.above = BytesPerSecond{}})
          .Optional("host_link_sustained", &Gpu::host_link_sustained, "what NCCL reaches over it")
          .Optional("kernel_floor", &Gpu::kernel_floor,
                    "least time from one kernel's start to the next on a busy stream",
                    {.at_least = Seconds{}})
          .Optional("power", &Gpu::power, "board limit", {.at_least = Watts{}})
          .Optional("sources", &Gpu::sources, "key -> where the figure was read")
          .Rule([](const Gpu& gpu, const ::ridgeline::Node& node, const DecodeContext& context) {
            for (const auto& [name, peak] : gpu.peak) {
              CheckDTypeNames(name, node, context.Key("peak"));
              if (!(FlopsPerSecond{} < peak)) {
                context.Key("peak").Key(name).Fail(node, "a peak must be above 0");
              }
            }
            for (const auto& [name, sustained] : gpu.sustained) {
              const auto peak = gpu.peak.find(name);
              if (peak == gpu.peak.end()) {
                context.Key("sustained")
                    .Key(name)
                    .Fail(node, fmt::format("sustained rate without a peak: {}", name),
                          "add the data type to peak");
              } else {
                CheckBelowPeak(std::optional(sustained), peak->second, "sustained." + name, node,
                               context);
              }
            }
            const auto half = gpu.peak.find("bf16");
            const auto fp16 = gpu.peak.find("fp16");
            const FlopsPerSecond peak16 =
                std::max(half == gpu.peak.end() ? FlopsPerSecond{} : half->second,
                         fp16 == gpu.peak.end() ? FlopsPerSecond{} : fp16->second);
            CheckBelowPeak(gpu.sustained_attention, peak16, "sustained_attention", node, context);
            CheckBelowPeak(gpu.host_link_sustained, gpu.host_link, "host_link_sustained", node,
                           context);
          });
  return schema;
}

std::optional<FlopsPerSecond> PeakOf(const Gpu& gpu, DType dtype) {
  const auto peak = gpu.peak.find(std::string(DTypeName(dtype)));
  return peak == gpu.peak.end() ? std::nullopt : std::optional(peak->second);
}

}  // namespace ridgeline::hardware
