/// Fabrics, clusters and nodes as `describe` builds and draws them.
#pragma once

#include <string>

#include "base/result.h"
#include "service/cli/catalog_kinds.h"
#include "service/cli/commands.h"

namespace ridgeline::cli {

/// A picture in the format that was asked for. Errors: a kind that has no wiring; a fabric that
/// cannot be built; svg in a program that was built without Graphviz (UNIMPLEMENTED).
Result<std::string> DrawNetwork(const Session& session, const KindInfo& kind,
                                const std::string& name);

/// What building it gives, in one line: "with 64 nodes: 16 leaves, 8 spines; ...". Empty where
/// there are no switches. Errors as above.
Result<std::string> DescribeNetwork(const Session& session, const KindInfo& kind,
                                    const std::string& name);

/// Lays a picture in Graphviz' language out. UNIMPLEMENTED without Graphviz.
Result<std::string> SvgOf(const std::string& dot);

}  // namespace ridgeline::cli
