#include "sim/engine/traffic.h"

namespace ridgeline::engine {

FlowIndex Traffic::AddFlow(const FlowSpec& flow, std::span<const Crossing> path,
                           std::span<const FlowIndex> predecessors) {
  CHECK(num_flows() < std::numeric_limits<FlowIndex>::max(), "{} flows", num_flows());
  CHECK(flow.bytes >= 0 && flow.cap > 0 && flow.start >= 0 && flow.delay >= 0 &&
            flow.multiplicity > 0,
        "flow of {} bytes, cap {}, start {}, delay {}, multiplicity {}", flow.bytes, flow.cap,
        flow.start, flow.delay, flow.multiplicity);
  for (const Crossing& crossing : path) {
    CHECK(crossing.link >= 0 && crossing.link < num_links() && crossing.count > 0,
          "link {} of {}, crossed {} times", crossing.link, num_links(), crossing.count);
  }
  const auto index = static_cast<FlowIndex>(num_flows());
  for (const FlowIndex before : predecessors) {
    CHECK(before >= 0 && before < index, "flow {} waits for {}", index, before);
  }
  flows_.push_back(flow);
  path_.insert(path_.end(), path.begin(), path.end());
  path_begin_.push_back(static_cast<int64_t>(path_.size()));
  predecessors_.insert(predecessors_.end(), predecessors.begin(), predecessors.end());
  predecessors_begin_.push_back(static_cast<int64_t>(predecessors_.size()));
  return index;
}

FlowIndex Traffic::AddFlow(const FlowSpec& flow, std::span<const LinkIndex> path,
                           std::span<const FlowIndex> predecessors) {
  std::vector<Crossing> crossings;
  crossings.reserve(path.size());
  for (const LinkIndex link : path) {
    crossings.push_back({.link = link, .count = 1});
  }
  return AddFlow(flow, crossings, predecessors);
}

}  // namespace ridgeline::engine
