#include "hardware/fabric_faults.h"

#include <algorithm>
#include <map>
#include <string>

#include <fmt/format.h>

#include "base/nearest_name.h"
#include "base/units_text.h"

namespace ridgeline::hardware {
namespace {

class FaultApplier {
 public:
  explicit FaultApplier(FabricGraphBuilder& builder) : builder_(builder) {
    for (int32_t v = builder.first_switch(); v < builder.num_vertices(); ++v) {
      names_.emplace(builder.NameOf(v), v);
    }
  }

  Status Apply(const FabricFault& fault) {
    if (fault.link.text.empty()) {
      ASSIGN_OR_RETURN(const int32_t vertex,
                       Find(fault.switch_name.text, fault.switch_name.written));
      if (!builder_.is_switch(vertex)) {
        return Fail(FabricError(fabric(), "not a switch: " + fault.switch_name.text,
                                "name a switch, or the port's link as link: node0.nic0-leaf0",
                                fault.switch_name.written));
      }
      std::erase_if(builder_.bundles(), [&](const CableBundle& bundle) {
        return bundle.a == vertex || bundle.b == vertex;
      });
      return {};
    }
    return ApplyToLink(fault);
  }

 private:
  const Fabric& fabric() const { return builder_.cluster().fabric; }

  Result<int32_t> Find(const std::string& name, const WrittenAt& written) const {
    if (const auto found = names_.find(name); found != names_.end()) {
      return found->second;
    }
    // Ports by arithmetic: a table of all of them would outweigh the fabric.
    int64_t node = -1;
    int64_t nic = -1;
    if (int end = 0; std::sscanf(name.c_str(), "node%ld.nic%ld%n", &node, &nic, &end) == 2 &&
                     static_cast<size_t>(end) == name.size() && node >= 0 && nic >= 0 &&
                     node < builder_.cluster().nodes &&
                     nic < static_cast<int64_t>(builder_.interior().nics.size())) {
      return builder_.nic(node, nic);
    }
    std::vector<std::string> known;
    for (const auto& [switch_name, vertex] : names_) {
      known.push_back(switch_name);
    }
    return Fail(FabricError(
        fabric(), "no such part of the fabric: " + name,
        name.starts_with("node")
            ? fmt::format("ports are called node0.nic0 to node{}.nic{}",
                          builder_.cluster().nodes - 1, builder_.interior().nics.size() - 1)
            : SuggestName(name, known),
        written));
  }

  Status ApplyToLink(const FabricFault& fault) {
    const std::string& text = fault.link.text;
    const size_t dash = text.find('-');
    if (dash == std::string::npos) {
      return Fail(FabricError(fabric(), "a link without its two ends: " + text,
                              "write both: leaf3-spine1", fault.link.written));
    }
    ASSIGN_OR_RETURN(int32_t a, Find(text.substr(0, dash), fault.link.written));
    ASSIGN_OR_RETURN(int32_t b, Find(text.substr(dash + 1), fault.link.written));
    const auto joins = [&](const CableBundle& bundle) {
      return (bundle.a == a && bundle.b == b) || (bundle.a == b && bundle.b == a);
    };
    BytesPerSecond built;
    for (const CableBundle& bundle : builder_.bundles()) {
      if (joins(bundle)) {
        built += bundle.peak;
      }
    }
    if (built == BytesPerSecond{}) {
      return Fail(FabricError(fabric(), "no link joins these two: " + text,
                              fmt::format("describe fabric {} -o dot shows what is joined",
                                          fabric().name.empty() ? "NAME" : fabric().name),
                              fault.link.written));
    }
    if (fault.state == PartState::kDown) {
      std::erase_if(builder_.bundles(), joins);
      return {};
    }
    if (built < *fault.bandwidth) {
      return Fail(FabricError(fabric(),
                              fmt::format("more left of {} than its {}: {}", text, Format(built),
                                          Format(*fault.bandwidth)),
                              "bandwidth is what is left of all its cables together, each way",
                              fault.link.written));
    }
    for (CableBundle& bundle : builder_.bundles()) {
      if (joins(bundle)) {
        bundle.peak = bundle.peak * (*fault.bandwidth / built);
        bundle.sustained = bundle.sustained * (*fault.bandwidth / built);
      }
    }
    return {};
  }

  FabricGraphBuilder& builder_;
  std::map<std::string, int32_t> names_;
};

}  // namespace

Status ApplyFaults(FabricGraphBuilder& builder) {
  const std::vector<FabricFault>& faults = builder.cluster().fabric.faults;
  if (faults.empty()) {
    return {};
  }
  FaultApplier applier(builder);
  for (const FabricFault& fault : faults) {
    RETURN_IF_ERROR(applier.Apply(fault));
  }
  return {};
}

}  // namespace ridgeline::hardware
