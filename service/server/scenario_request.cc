#include "service/server/scenario_request.h"

#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <ridgeline/v1/types.pb.h>

#include "base/sha256.h"
#include "base/units_text.h"
#include "sim/scenario.h"

namespace ridgeline::server {

namespace {

// More than anyone writes, few enough to be read within a moment.
constexpr int kMostDocuments = 100;
constexpr int kMostOverrides = 1000;

Status CheckCount(int count, int most, std::string_view what) {
  return count <= most ? Status()
                       : Fail({.code = ErrorCode::kResourceExhausted,
                               .message = fmt::format("more than {} {}: {}", most, what, count)});
}

}  // namespace

Result<Node> ReadScenario(const v1::Scenario& request) {
  RETURN_IF_ERROR(CheckCount(request.documents_size(), kMostDocuments, "documents"));
  RETURN_IF_ERROR(CheckCount(request.overrides_size(), kMostOverrides, "overrides"));
  std::vector<sim::NamedText> texts;
  for (const v1::Document& document : request.documents()) {
    if (document.content().size() > kMaxDocumentBytes) {
      return Fail({.code = ErrorCode::kResourceExhausted,
                   .message = fmt::format("document larger than {} MiB: {}",
                                          kMaxDocumentBytes >> 20, document.name())});
    }
    texts.push_back({.name = document.name(), .text = document.content()});
  }
  ASSIGN_OR_RETURN(
      Node node, sim::ReadScenarioTexts(std::move(texts),
                                        {request.overrides().begin(), request.overrides().end()}));
  if (request.has_seed()) {
    RETURN_IF_ERROR(SetPath(node, "seed", std::to_string(request.seed()), "--seed"));
  }
  return node;
}

uint64_t SeedOf(const Node& document) {
  const Node* const written = document.Find("seed");
  return written != nullptr && written->is_scalar()
             ? static_cast<uint64_t>(ParseInteger(written->scalar).value_or(1))
             : 1;
}

std::vector<report::Input> InputsOf(const v1::Scenario& request) {
  std::vector<report::Input> inputs;
  for (const v1::Document& document : request.documents()) {
    inputs.push_back({.name = document.name(), .sha256 = Sha256(document.content())});
  }
  return inputs;
}

}  // namespace ridgeline::server
