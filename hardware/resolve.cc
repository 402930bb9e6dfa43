// References become structs: the half of Catalog that decodes.
#include <algorithm>
#include <array>
#include <iterator>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "base/document.h"
#include "hardware/catalog.h"
#include "hardware/fabric_graph.h"
#include "hardware/inline_override.h"

namespace ridgeline::hardware {
namespace {

using Document = ::ridgeline::Node;

constexpr std::array<std::string_view, 1> kNodeReferences = {"gpu"};
constexpr std::array<std::string_view, 2> kClusterReferences = {"nodes", "fabric"};

// Adds to an error where the thing that it is about was asked for.
Error At(Error error, const SourceLocation& where) {
  if (!where.source) {
    return error;
  }
  if (!error.where) {
    error.where = where;
  } else if (error.where->source != where.source) {
    error.notes.push_back({.message = "named here", .where = where});
  }
  return error;
}

// A sustained rate belongs to a peak. Where the peak is overridden and the rate is not, the rate
// keeps its share of the peak: asking "what if the ports were twice as fast" must not answer "no
// difference".
template <class Q>
std::optional<Sustained<Q>> WithPeak(const std::optional<Sustained<Q>>& sustained, Q from, Q to) {
  if (!sustained || !(Q{} < from) || !(Q{} < to)) {
    return sustained;
  }
  const double ratio = to / from;
  Sustained<Q> scaled = *sustained;
  scaled.rate = std::min(to, sustained->rate * ratio);
  scaled.low = std::min(to, sustained->low * ratio);
  scaled.high = std::min(to, sustained->high * ratio);
  scaled.source = fmt::format("x {:.3g}, as the peak was changed: {}", ratio, sustained->source);
  return scaled;
}

bool IsOnlyPeakGiven(const Document& over, std::string_view peak, std::string_view sustained) {
  return ValueAt(over, peak) != nullptr && ValueAt(over, sustained) == nullptr;
}

// One pass for both steps of an override: before decoding, drop the sustained rates whose peak is
// given anew (they might lie above it); after decoding, put them back scaled.
template <class T>
struct Rescale {
  static void Drop(Document&, const Document&) {}
  static void PutBack(T&, const T&, const Document&) {}
};

template <>
struct Rescale<Fabric> {
  static void Drop(Document& merged, const Document& over) {
    if (IsOnlyPeakGiven(over, "bandwidth", "sustained")) {
      EraseAt(merged, "sustained");
    }
  }
  static void PutBack(Fabric& fabric, const Fabric& base, const Document& over) {
    if (IsOnlyPeakGiven(over, "bandwidth", "sustained")) {
      fabric.sustained = WithPeak(base.sustained, base.bandwidth, fabric.bandwidth);
    }
  }
};

template <>
struct Rescale<Gpu> {
  static bool IsPeakGiven(const Document& over, const std::string& dtype) {
    return IsOnlyPeakGiven(over, "peak." + dtype, "sustained." + dtype);
  }
  static bool IsAttentionScaled(const Document& over) {
    return IsOnlyPeakGiven(over, "peak.bf16", "sustained_attention");
  }
  static void Drop(Document& merged, const Document& over) {
    for (const auto& [peak, sustained] : {std::pair("memory.bandwidth", "memory.sustained"),
                                          std::pair("nvlink.bandwidth", "nvlink.sustained"),
                                          std::pair("host_link", "host_link_sustained"),
                                          std::pair("peak.bf16", "sustained_attention")}) {
      if (IsOnlyPeakGiven(over, peak, sustained)) {
        EraseAt(merged, sustained);
      }
    }
    for (const std::string_view dtype : DTypeNames()) {
      if (IsPeakGiven(over, std::string(dtype))) {
        EraseAt(merged, fmt::format("sustained.{}", dtype));
      }
    }
  }
  static void PutBack(Gpu& gpu, const Gpu& base, const Document& over) {
    if (IsOnlyPeakGiven(over, "memory.bandwidth", "memory.sustained")) {
      gpu.memory.sustained =
          WithPeak(base.memory.sustained, base.memory.bandwidth, gpu.memory.bandwidth);
    }
    if (IsOnlyPeakGiven(over, "nvlink.bandwidth", "nvlink.sustained")) {
      gpu.nvlink.sustained =
          WithPeak(base.nvlink.sustained, base.nvlink.bandwidth, gpu.nvlink.bandwidth);
    }
    if (IsOnlyPeakGiven(over, "host_link", "host_link_sustained")) {
      gpu.host_link_sustained = WithPeak(base.host_link_sustained, base.host_link, gpu.host_link);
    }
    for (const auto& [dtype, sustained] : base.sustained) {
      const auto before = base.peak.find(dtype);
      const auto after = gpu.peak.find(dtype);
      if (IsPeakGiven(over, dtype) && before != base.peak.end() && after != gpu.peak.end()) {
        gpu.sustained[dtype] = *WithPeak(std::optional(sustained), before->second, after->second);
      }
    }
    const auto before = base.peak.find("bf16");
    const auto after = gpu.peak.find("bf16");
    if (IsAttentionScaled(over) && before != base.peak.end() && after != gpu.peak.end()) {
      gpu.sustained_attention = WithPeak(base.sustained_attention, before->second, after->second);
    }
  }
};

// Keys of T that name other catalog entries.
template <class T>
constexpr std::span<const std::string_view> ReferenceKeys() {
  if constexpr (std::is_same_v<T, Node>) {
    return kNodeReferences;
  } else if constexpr (std::is_same_v<T, ClusterDescription>) {
    return kClusterReferences;
  } else {
    return {};
  }
}

template <class T>
Result<T> DecodeInline(const Document& over, const std::string& path) {
  Document own = LayOver(MakeMap(), over, ReferenceKeys<T>());
  own.where = over.where;
  ASSIGN_OR_RETURN(T value, Decode<T>(own, path));
  if (value.name.empty()) {
    value.name = "custom";
  }
  return value;
}

// The configuration key of a reference; a tree that code built has none.
template <class T>
std::string PathOf(const Reference<T>& reference, std::string_view usual) {
  return reference.path.empty() ? std::string(usual) : reference.path;
}

// A named thing, an inline one, or inline keys over a named base.
template <class T>
Result<T> Resolve(const Catalog& catalog, std::string_view kind, const Reference<T>& reference,
                  const std::string& path) {
  if (reference.name.empty()) {
    if (!reference.inline_map) {
      return Fail(At({.code = ErrorCode::kInvalidArgument,
                      .message = fmt::format("nothing is named: {}", path),
                      .hint = fmt::format("name one of configs/{}", kind),
                      .path = path},
                     reference.where));
    }
    return DecodeInline<T>(*reference.inline_map, path);
  }
  Result<std::filesystem::path> file = catalog.FindOrPath(kind, reference.name);
  if (!file) {
    Error error = std::move(file).error();
    error.path = path;
    return Fail(At(std::move(error), reference.where));
  }
  Result<Document> document = ReadDocument(*file);
  if (!document) {
    return Fail(At(std::move(document).error(), reference.where));
  }
  Result<T> base = Decode<T>(*document);
  if (!base) {
    return Fail(At(std::move(base).error(), reference.where));
  }
  if (base->name.empty()) {
    base->name = file->stem().string();
  }
  if (!reference.inline_map || reference.inline_map->entries.empty()) {
    return base;
  }
  const Document& over = *reference.inline_map;
  Document merged = LayOver(*std::move(document), over, ReferenceKeys<T>());
  merged.where = over.where;
  Rescale<T>::Drop(merged, over);
  ASSIGN_OR_RETURN(T value, Decode<T>(merged, path));
  Rescale<T>::PutBack(value, *base, over);
  if (over.Find("name") == nullptr) {
    value.name = base->name + std::string(kChangedSuffix);
  }
  return value;
}

// Rails first, then the less oversubscribed, then the first by name.
bool IsBetterDefault(const Fabric& a, const Fabric& b) {
  const bool a_rails = a.kind == FabricKind::kRailOptimized;
  const bool b_rails = b.kind == FabricKind::kRailOptimized;
  if (a_rails != b_rails) {
    return a_rails;
  }
  return a.oversubscription * a.pod_oversubscription < b.oversubscription * b.pod_oversubscription;
}

Result<Fabric> DefaultFabric(const Catalog& catalog, const Node& node,
                             const SourceLocation& where) {
  std::optional<Fabric> best;
  for (const std::string& name : catalog.Names("fabrics")) {
    // A file that does not decode is not the default; who names it is told why.
    Reference<Fabric> reference;
    reference.name = name;
    const Result<Fabric> fabric = catalog.ResolveFabric(reference);
    if (fabric && fabric->bandwidth == node.nics.bandwidth &&
        (!best || IsBetterDefault(*fabric, *best))) {
      best = *fabric;
    }
  }
  if (!best) {
    return Fail(
        At({.code = ErrorCode::kInvalidArgument,
            .message = fmt::format("no fabric is known whose ports are as fast as those of {}: {}",
                                   node.name, Format(node.nics.bandwidth)),
            .hint = "name one: fabric: NAME, or give it inline",
            .path = "cluster.fabric"},
           where));
  }
  return *std::move(best);
}

}  // namespace

Result<Gpu> Catalog::ResolveGpu(const Reference<Gpu>& reference) const {
  return Resolve(*this, "gpus", reference, PathOf(reference, "gpu"));
}

Result<Node> Catalog::ResolveNode(const Reference<Node>& reference) const {
  return Resolve(*this, "nodes", reference, PathOf(reference, "cluster.nodes"));
}

Result<Fabric> Catalog::ResolveFabric(const Reference<Fabric>& reference) const {
  const std::string path = PathOf(reference, "cluster.fabric");
  ASSIGN_OR_RETURN(Fabric fabric, Resolve(*this, "fabrics", reference, path));
  fabric.written = {.where = reference.where, .path = path};
  return fabric;
}

Result<std::shared_ptr<const CollectiveLibrary>> Catalog::ResolveCollectives(
    std::string_view name) const {
  constexpr int kMostBases = 8;
  // The file, its base, the base's base ...: each is laid over the next.
  std::vector<Document> layers;
  std::string first;
  for (std::string next(name); !next.empty();) {
    ASSIGN_OR_RETURN(const std::filesystem::path file, FindOrPath("collectives", next));
    ASSIGN_OR_RETURN(Document document, ReadDocument(file));
    if (layers.empty()) {
      first = file.stem().string();
    }
    if (layers.size() == kMostBases) {
      return InvalidArgument(fmt::format("bases without end: {}", name),
                             "a library's base must not lead back to it");
    }
    const Document* const base = document.Find("base");
    next = base != nullptr && base->is_scalar() ? base->scalar : std::string();
    EraseAt(document, "base");
    layers.push_back(std::move(document));
  }
  if (layers.empty()) {
    return InvalidArgument("no collective library is named", "name one of configs/collectives");
  }
  Document whole = std::move(layers.back());
  for (auto layer = std::next(layers.rbegin()); layer != layers.rend(); ++layer) {
    whole = MergeNodes(std::move(whole), *layer);
  }
  ASSIGN_OR_RETURN(CollectiveLibrary library, Decode<CollectiveLibrary>(whole));
  if (library.name.empty()) {
    library.name = first;
  }
  return std::make_shared<const CollectiveLibrary>(std::move(library));
}

Result<Cluster> Catalog::ResolveCluster(const Reference<ClusterDescription>& reference) const {
  Result<ClusterDescription> found =
      Resolve(*this, "clusters", reference, PathOf(reference, "cluster"));
  if (!found) {
    Error error = std::move(found).error();
    if (error.code == ErrorCode::kNotFound && Find("nodes", reference.name)) {
      error.hint =
          fmt::format("that is a node: write cluster: {{nodes: {}, count: 1}}", reference.name);
    }
    return Fail(std::move(error));
  }
  const ClusterDescription& description = *found;
  Cluster cluster;
  cluster.nodes = description.count;
  ASSIGN_OR_RETURN(cluster.node, ResolveNode(description.nodes));
  ASSIGN_OR_RETURN(cluster.gpu, ResolveGpu(cluster.node.gpu));
  const SourceLocation& where =
      description.nodes.where.source ? description.nodes.where : reference.where;
  if (cluster.nodes == 1) {
    cluster.fabric.name = "none";
    cluster.fabric.kind = FabricKind::kNone;
    if (description.fabric.is_set()) {  // a misspelt name is wrong even where it is not used
      RETURN_IF_ERROR(ResolveFabric(description.fabric));
    }
  } else {
    if (cluster.node.nics.count < 1) {
      return Fail(At({.code = ErrorCode::kInvalidArgument,
                      .message = fmt::format("{} nodes without network ports: {}", cluster.nodes,
                                             cluster.node.name),
                      .hint = "give the node nics: {count: 8, bandwidth: 400 Gb/s}",
                      .path = "cluster.nodes.nics"},
                     where));
    }
    if (description.fabric.is_set()) {
      ASSIGN_OR_RETURN(cluster.fabric, ResolveFabric(description.fabric));
    } else {
      ASSIGN_OR_RETURN(cluster.fabric, DefaultFabric(*this, cluster.node, where));
      cluster.fabric.written = {.where = where, .path = "cluster"};
    }
    // Whoever changes a fabric's ports by hand means the cards in them too.
    if (description.fabric.inline_map &&
        description.fabric.inline_map->Find("bandwidth") != nullptr) {
      cluster.node.nics.bandwidth = cluster.fabric.bandwidth;
      cluster.node.sources["nics.bandwidth"] = "as the fabric's ports, which were given inline";
    }
  }
  // What a person wired or broke by hand is looked at now, whatever the network's fidelity.
  if (cluster.fabric.kind == FabricKind::kCustom || !cluster.fabric.faults.empty()) {
    RETURN_IF_ERROR(FabricGraph::Of(cluster));
  }
  cluster.name = cluster.nodes == 1 ? cluster.node.name
                                    : fmt::format("{} x {}, {}", cluster.nodes, cluster.node.name,
                                                  cluster.fabric.name);
  ASSIGN_OR_RETURN(cluster.collectives, ResolveCollectives(cluster.network.library));
  cluster.takes_measured_only = takes_measured_only_;
  if (costs_ != nullptr) {
    ASSIGN_OR_RETURN(cluster.measured, costs_->For(cluster));
  }
  return cluster;
}

}  // namespace ridgeline::hardware
