#include "hardware/description.h"

#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/units_text.h"

namespace ridgeline::hardware {
namespace {

/// Collects the rows of one thing, looking up each source.
class Rows {
 public:
  explicit Rows(const Sources& sources) : sources_(sources) {}

  void Text(std::string key, std::string value) {
    std::string source = SourceOf(sources_, key);
    rows_.push_back(
        {.key = std::move(key), .value = std::move(value), .source = std::move(source)});
  }
  template <class Q>
  void Quantity(std::string key, Q value) {
    if (Q{} < value) {
      Text(std::move(key), Format(value, 4));
    }
  }
  template <class Q>
  void Rate(std::string key, const Sustained<Q>& rate) {
    rows_.push_back({.key = std::move(key),
                     .value = fmt::format("{} ({} to {})", Format(rate.rate), Format(rate.low),
                                          Format(rate.high)),
                     .source = rate.source});
  }
  template <class Q>
  void Rate(std::string key, const std::optional<Sustained<Q>>& rate) {
    if (rate) {
      Rate(std::move(key), *rate);
    }
  }
  void Disks(const std::string& key, const std::optional<Storage>& storage) {
    if (storage) {
      Quantity(key + ".read", storage->read);
      Quantity(key + ".write", storage->write);
    }
  }
  std::vector<DescribedFigure> Take() { return std::move(rows_); }

 private:
  const Sources& sources_;
  std::vector<DescribedFigure> rows_;
};

template <class U>
std::string ReferenceText(const Reference<U>& reference) {
  if (!reference.inline_map) {
    return reference.name;
  }
  return reference.name.empty() ? "given inline" : reference.name + ", changed inline";
}

}  // namespace

std::string SourceOf(const Sources& sources, std::string_view key) {
  while (true) {
    if (const auto source = sources.find(std::string(key)); source != sources.end()) {
      return source->second;
    }
    const size_t dot = key.rfind('.');
    if (dot == std::string_view::npos) {
      return {};
    }
    key = key.substr(0, dot);
  }
}

std::vector<DescribedFigure> Describe(const Gpu& gpu) {
  Rows rows(gpu.sources);
  rows.Text("streaming_multiprocessors", fmt::format("{}", gpu.streaming_multiprocessors));
  rows.Quantity("clock", gpu.clock);
  for (const auto& [dtype, peak] : gpu.peak) {
    rows.Quantity("peak." + dtype, peak);
  }
  for (const auto& [dtype, sustained] : gpu.sustained) {
    rows.Rate("sustained." + dtype, sustained);
  }
  rows.Rate("sustained_attention", gpu.sustained_attention);
  rows.Quantity("memory.capacity", gpu.memory.capacity);
  rows.Quantity("memory.bandwidth", gpu.memory.bandwidth);
  rows.Rate("memory.sustained", gpu.memory.sustained);
  rows.Quantity("l2_cache", gpu.l2_cache);
  rows.Quantity("shared_memory", gpu.shared_memory);
  if (gpu.nvlink.links > 0) {
    rows.Text("nvlink.links", fmt::format("{}", gpu.nvlink.links));
    rows.Quantity("nvlink.bandwidth", gpu.nvlink.bandwidth);
    rows.Rate("nvlink.sustained", gpu.nvlink.sustained);
  }
  rows.Quantity("host_link", gpu.host_link);
  rows.Rate("host_link_sustained", gpu.host_link_sustained);
  rows.Quantity("kernel_floor", gpu.kernel_floor);
  rows.Quantity("power", gpu.power);
  return rows.Take();
}

std::vector<DescribedFigure> Describe(const Node& node) {
  Rows rows(node.sources);
  rows.Text("gpus", fmt::format("{} x {}", node.gpus, ReferenceText(node.gpu)));
  rows.Text("intra", Codec<IntraNodeLink>::Write(node.intra));
  rows.Text("in_switch_reduction", node.in_switch_reduction ? "true" : "false");
  if (node.nics.count > 0) {
    rows.Text("nics.count", fmt::format("{}", node.nics.count));
    rows.Quantity("nics.bandwidth", node.nics.bandwidth);
  }
  rows.Quantity("host_memory", node.host_memory);
  rows.Quantity("host_memory_bandwidth", node.host_memory_bandwidth);
  rows.Disks("nvme", node.nvme);
  rows.Disks("shared_storage", node.shared_storage);
  rows.Quantity("power", node.power);
  return rows.Take();
}

std::vector<DescribedFigure> Describe(const Fabric& fabric) {
  Rows rows(fabric.sources);
  rows.Text("kind", Codec<FabricKind>::Write(fabric.kind));
  rows.Quantity("bandwidth", fabric.bandwidth);
  rows.Rate("sustained", fabric.sustained);
  rows.Text("oversubscription", fmt::format("{:g}", fabric.oversubscription));
  rows.Text("nodes_per_leaf", fmt::format("{}", fabric.nodes_per_leaf));
  const auto given = [&rows](std::string key, const std::optional<int64_t>& value) {
    if (value) {
      rows.Text(std::move(key), fmt::format("{}", *value));
    }
  };
  if (fabric.pod_oversubscription > 1) {
    rows.Text("pod_oversubscription", fmt::format("{:g}", fabric.pod_oversubscription));
  }
  given("rails", fabric.rails);
  given("nodes_per_pod", fabric.nodes_per_pod);
  given("tiers", fabric.tiers);
  given("switch_ports", fabric.switch_ports);
  given("spines", fabric.spines);
  given("cores", fabric.cores);
  if (!fabric.dimensions.empty()) {
    rows.Text("dimensions", fmt::format("{}", fmt::join(fabric.dimensions, " x ")));
  }
  rows.Quantity("hop_latency", fabric.hop_latency);
  if (fabric.routing != FabricRouting::kAdaptive) {
    rows.Text("routing", Codec<FabricRouting>::Write(fabric.routing));
  }
  if (fabric.queue_pairs > 1) {
    rows.Text("queue_pairs", fmt::format("{}", fabric.queue_pairs));
  }
  if (!fabric.switches.empty()) {
    rows.Text("switches", fmt::format("{} names", fabric.switches.size()));
    rows.Text("links", fmt::format("{} lines", fabric.links.size()));
  }
  rows.Quantity("latency", fabric.latency);
  return rows.Take();
}

std::vector<DescribedFigure> Describe(const ClusterDescription& cluster) {
  Rows rows(cluster.sources);
  rows.Text("count", fmt::format("{} x {}", cluster.count, ReferenceText(cluster.nodes)));
  if (cluster.fabric.is_set()) {
    rows.Text("fabric", ReferenceText(cluster.fabric));
  }
  return rows.Take();
}

}  // namespace ridgeline::hardware
