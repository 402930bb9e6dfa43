/// Every figure of a catalog entry as a row: what `describe` prints, and what a test walks to see
/// that each has a source.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "hardware/cluster.h"
#include "hardware/fabric.h"
#include "hardware/gpu.h"
#include "hardware/node.h"

namespace ridgeline::hardware {

struct DescribedFigure {
  std::string key;     // as in the document: "memory.bandwidth"
  std::string value;   // with its unit: "3.35 TB/s"; a sustained rate with its range
  std::string source;  // empty when none is given
};

/// Figures that are absent (no NVLink, no NVMe) have no row.
std::vector<DescribedFigure> Describe(const Gpu& gpu);
std::vector<DescribedFigure> Describe(const Node& node);
std::vector<DescribedFigure> Describe(const Fabric& fabric);
std::vector<DescribedFigure> Describe(const ClusterDescription& cluster);

/// The source of a key: its own, or that of the nearest key above it ("peak" covers "peak.bf16").
/// Empty when there is none.
std::string SourceOf(const Sources& sources, std::string_view key);

}  // namespace ridgeline::hardware
