// Switches and links as a person listed them.
#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/nearest_name.h"
#include "hardware/fabric_builders.h"
#include "hardware/name_range.h"

namespace ridgeline::hardware {
namespace {

class CustomWiring {
 public:
  explicit CustomWiring(FabricGraphBuilder& builder)
      : builder_(builder), fabric_(builder.cluster().fabric) {}

  Status Wire() {
    for (const WiringName& pattern : fabric_.switches) {
      RETURN_IF_ERROR(AddSwitches(pattern));
    }
    for (const WiredLink& link : fabric_.links) {
      RETURN_IF_ERROR(AddLinks(link));
    }
    for (auto& [ends, bundle] : bundles_) {
      builder_.Join(std::move(bundle));
    }
    return {};
  }

 private:
  tl::unexpected<Error> At(Error error, const WrittenAt& written) const {
    return Fail(FabricError(fabric_, std::move(error.message), std::move(error.hint), written));
  }

  Status AddSwitches(const WiringName& pattern) {
    Result<std::vector<std::string>> names = ExpandNames(pattern.text);
    if (!names) {
      return At(std::move(names).error(), pattern.written);
    }
    for (const std::string& name : *names) {
      if (name.find('-') != std::string::npos || IsPortPattern(name)) {
        return Fail(FabricError(fabric_, "not a name for a switch: " + name,
                                name.find('-') != std::string::npos
                                    ? "a dash joins the two ends of a link: write leaf_0 or leaf0"
                                    : "nodes and their ports are called so: write leaf0",
                                pattern.written));
      }
      const auto [found, is_new] = switches_.emplace(name, builder_.num_vertices());
      if (!is_new) {
        Error error = FabricError(fabric_, "a switch that is listed twice: " + name,
                                  "give each its own name", pattern.written);
        error.notes.push_back(
            {.message = "first here", .where = builder_.written(found->second).where});
        return Fail(std::move(error));
      }
      names_.push_back(name);
      builder_.AddSwitch(VertexKind::kLeaf, name, pattern.written);
    }
    return {};
  }

  /// Vertices of one side, and how many ports stand behind each (of a group that acts as one).
  Result<std::vector<int32_t>> VerticesOf(const WiringName& side) const {
    std::vector<int32_t> vertices;
    if (IsPortPattern(side.text)) {
      const int64_t nics = builder_.cluster().node.nics.count;
      Result<std::vector<PortName>> ports = ExpandPorts(side.text, builder_.cluster().nodes, nics);
      if (!ports) {
        return At(std::move(ports).error(), side.written);
      }
      const auto groups = static_cast<int64_t>(builder_.interior().nics.size());
      for (const PortName& port : *ports) {
        vertices.push_back(builder_.nic(port.node, port.nic * groups / nics));
      }
      return vertices;
    }
    Result<std::vector<std::string>> names = ExpandNames(side.text);
    if (!names) {
      return At(std::move(names).error(), side.written);
    }
    for (const std::string& name : *names) {
      const auto found = switches_.find(name);
      if (found == switches_.end()) {
        return Fail(FabricError(fabric_, "a link to a switch that is not listed: " + name,
                                SuggestName(name, names_), side.written));
      }
      vertices.push_back(found->second);
    }
    return vertices;
  }

  Status AddLinks(const WiredLink& link) {
    ASSIGN_OR_RETURN(const std::vector<int32_t> from, VerticesOf(link.from));
    ASSIGN_OR_RETURN(const std::vector<int32_t> to, VerticesOf(link.to));
    for (const int32_t a : from) {
      for (const int32_t b : to) {
        RETURN_IF_ERROR(AddLink(link, a, b));
      }
    }
    return {};
  }

  Status AddLink(const WiredLink& link, int32_t a, int32_t b) {
    if (a == b) {
      return Fail(FabricError(fabric_, "a link from a switch to itself: " + builder_.NameOf(a),
                              "join two different switches", link.to.written));
    }
    if (!builder_.is_switch(a) && !builder_.is_switch(b)) {
      return Fail(FabricError(fabric_,
                              fmt::format("a link between two ports: {} and {}", builder_.NameOf(a),
                                          builder_.NameOf(b)),
                              "join each with a switch", link.to.written));
    }
    if (!builder_.is_switch(b)) {
      std::swap(a, b);
    }
    const bool is_port = !builder_.is_switch(a);
    PortCapacity cable = is_port ? PortOf(builder_.cluster()) : CableOf(fabric_);
    if (link.bandwidth && is_port && cable.peak < *link.bandwidth) {
      // The card sets the pace.
    } else if (link.bandwidth) {
      const PortCapacity usual = CableOf(fabric_);
      cable = {.peak = *link.bandwidth,
               .sustained = usual.sustained * (*link.bandwidth / usual.peak)};
    }
    const auto cables = static_cast<double>(link.count);
    CableBundle bundle{
        .a = a,
        .b = b,
        .peak = cable.peak * cables,
        .sustained = cable.sustained * cables,
        .latency = link.latency.value_or(is_port ? fabric_.latency / 2 : fabric_.hop_latency),
        .cables = link.count,
        .written = link.from.written};
    // Cables of two lines between the same two parts are one link.
    const auto ends = std::minmax(a, b);
    const auto found = place_.find(ends);
    if (found == place_.end()) {
      place_.emplace(ends, bundles_.size());
      bundles_.emplace_back(ends, std::move(bundle));
    } else {
      CableBundle& first = bundles_[found->second].second;
      first.peak += bundle.peak;
      first.sustained += bundle.sustained;
      first.cables += bundle.cables;
    }
    return {};
  }

  FabricGraphBuilder& builder_;
  const Fabric& fabric_;
  std::map<std::string, int32_t> switches_;
  std::vector<std::string> names_;
  std::map<std::pair<int32_t, int32_t>, size_t> place_;
  std::vector<std::pair<std::pair<int32_t, int32_t>, CableBundle>> bundles_;
};

}  // namespace

Status WireCustom(FabricGraphBuilder& builder) { return CustomWiring(builder).Wire(); }

}  // namespace ridgeline::hardware
