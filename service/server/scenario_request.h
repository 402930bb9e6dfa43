/// From the documents of a request to a merged document.
#pragma once

#include <cstdint>
#include <vector>

#include "base/document.h"
#include "base/result.h"
#include "service/report/simulation_result.h"

namespace ridgeline::v1 {
class Scenario;
}

namespace ridgeline::server {

/// Documents merged left to right, overrides and seed laid over. Errors: kResourceExhausted for a
/// document larger than base/document.h allows, for more than 100 documents or 1,000 overrides, and
/// those of the text.
Result<Node> ReadScenario(const v1::Scenario& request);
/// The seed of a merged document; 1 as well when it cannot be read, which resolving then says.
uint64_t SeedOf(const Node& document);
/// Names and hashes of the documents, in the order given.
std::vector<report::Input> InputsOf(const v1::Scenario& request);

}  // namespace ridgeline::server
