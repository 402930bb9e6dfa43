/// Finds what has a name under configs/: gpus/, nodes/, fabrics/, clusters/, models/, frameworks/
/// ... One file each, `NAME.yaml` or `NAME.json`; a file may list `aliases`. Reads lazily and keeps
/// nothing between calls; several directories are searched in order.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "hardware/cluster.h"
#include "hardware/collective_library.h"

namespace ridgeline::hardware {

class Catalog {
 public:
  /// `roots`: directories like configs/, first match wins. Missing directories are allowed.
  explicit Catalog(std::vector<std::filesystem::path> roots) : roots_(std::move(roots)) {}
  /// A catalog for documents that others send: besides names, only files under `allowed` are read.
  static Catalog Sandboxed(std::vector<std::filesystem::path> roots,
                           std::vector<std::filesystem::path> allowed) {
    Catalog catalog(std::move(roots));
    catalog.allowed_ = std::move(allowed);
    return catalog;
  }

  /// Clusters resolved from now on know what `source` has measured for them. Shared: the copies of
  /// a catalog ask one source, which reads each profile once. Null: every cost is analytic.
  /// `takes_measured_only`: answers for these clusters may rest on nothing else.
  void set_cost_source(std::shared_ptr<const CostSource> source, bool takes_measured_only = false) {
    costs_ = std::move(source);
    takes_measured_only_ = takes_measured_only;
  }
  const std::shared_ptr<const CostSource>& cost_source() const { return costs_; }
  bool takes_measured_only() const { return takes_measured_only_; }

  /// Names of a kind ("gpus", "models" ...), sorted, without duplicates.
  std::vector<std::string> Names(std::string_view kind) const;
  /// The file of a name (or alias) of a kind. NotFound with did-you-mean.
  Result<std::filesystem::path> Find(std::string_view kind, std::string_view name) const;
  /// As Find, but a `name` with a '/' or ending in .yaml, .yml or .json is a path to the user's own
  /// file. In a sandbox, kInvalidArgument for files outside what is allowed (symbolic links
  /// followed).
  Result<std::filesystem::path> FindOrPath(std::string_view kind, std::string_view name) const;

  /// Catalog entries and inline descriptions become structs; errors carry the place of the
  /// reference.
  Result<Gpu> ResolveGpu(const Reference<Gpu>& reference) const;
  Result<Node> ResolveNode(const Reference<Node>& reference) const;
  Result<Fabric> ResolveFabric(const Reference<Fabric>& reference) const;
  Result<Cluster> ResolveCluster(const Reference<ClusterDescription>& reference) const;
  /// A library of configs/collectives, or a path; a file with `base: NAME` holds what differs.
  Result<std::shared_ptr<const CollectiveLibrary>> ResolveCollectives(std::string_view name) const;

  const std::vector<std::filesystem::path>& roots() const { return roots_; }

 private:
  std::vector<std::filesystem::path> roots_;
  std::optional<std::vector<std::filesystem::path>> allowed_;  // unset: every file
  std::shared_ptr<const CostSource> costs_;
  bool takes_measured_only_ = false;
};

}  // namespace ridgeline::hardware
