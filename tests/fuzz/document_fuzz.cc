// Any bytes either parse or are refused with a place and a message; what parses is written back to
// an equal tree, and its errors render.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/diagnostic.h"
#include "base/document.h"

namespace {

bool IsSame(const ridgeline::Node& a, const ridgeline::Node& b) {
  if (a.kind != b.kind || a.scalar != b.scalar || a.is_quoted != b.is_quoted ||
      a.items.size() != b.items.size() || a.entries.size() != b.entries.size()) {
    return false;
  }
  for (size_t i = 0; i < a.items.size(); ++i) {
    if (!IsSame(a.items[i], b.items[i])) {
      return false;
    }
  }
  for (size_t i = 0; i < a.entries.size(); ++i) {
    if (a.entries[i].key != b.entries[i].key || !IsSame(a.entries[i].value, b.entries[i].value)) {
      return false;
    }
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto document = ridgeline::ParseDocument("fuzz.yaml", text);
  if (!document) {
    if (ridgeline::RenderError(document.error()).empty() || document.error().message.empty()) {
      std::abort();
    }
    return 0;
  }
  const auto again = ridgeline::ParseDocument("again.yaml", ridgeline::WriteYaml(*document));
  if (!again || !IsSame(*document, *again)) {
    std::abort();
  }
  return 0;
}
