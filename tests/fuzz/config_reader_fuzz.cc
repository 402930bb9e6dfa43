// Any document either decodes into a struct that has every kind of member, or gives errors that
// render; no path makes FindKey or SetPath fail in another way.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/config_reader.h"
#include "base/diagnostic.h"

namespace ridgeline {
namespace {

struct Leaf {
  Seconds latency;
  BytesPerSecond bandwidth;
};
const Schema<Leaf>& SchemaOf(Tag<Leaf>) {
  static const Schema<Leaf> schema =
      Schema<Leaf>("a leaf")
          .Required("latency", &Leaf::latency, "of a hop", {.at_least = Seconds{}})
          .Optional("bandwidth", &Leaf::bandwidth, "of a hop", {.above = BytesPerSecond{}});
  return schema;
}

struct Tree {
  bool flag = false;
  int8_t small = 0;
  uint64_t large = 0;
  double number = 0;
  Ratio ratio;
  UsDollars price;
  std::string text;
  DType dtype = DType::kBf16;
  std::optional<Leaf> maybe;
  std::vector<Leaf> list;
  std::map<std::string, Leaf> named;
  Reference<Leaf> reference;
};
const Schema<Tree>& SchemaOf(Tag<Tree>) {
  static const Schema<Tree> schema = Schema<Tree>("a tree")
                                         .Optional("flag", &Tree::flag, "f")
                                         .Optional("small", &Tree::small, "s", {.at_least = 1})
                                         .Optional("large", &Tree::large, "l")
                                         .Optional("number", &Tree::number, "n")
                                         .Optional("ratio", &Tree::ratio, "r")
                                         .Optional("price", &Tree::price, "p")
                                         .Optional("text", &Tree::text, "t")
                                         .Optional("dtype", &Tree::dtype, "d")
                                         .Optional("maybe", &Tree::maybe, "m")
                                         .Optional("list", &Tree::list, "l")
                                         .Optional("named", &Tree::named, "n")
                                         .Optional("reference", &Tree::reference, "r");
  return schema;
}

void Check(const std::string& text) {
  // The first line is a path and a value for SetPath, the rest the document.
  const size_t end = text.find('\n');
  const std::string_view line = std::string_view(text).substr(0, end);
  const std::string_view path = line.substr(0, line.find('='));
  std::string nearest;
  (void)FindKey(SchemaOf(Tag<Tree>{}).info(), path, &nearest);
  auto document = ParseDocument("fuzz.yaml", end == std::string::npos ? "" : text.substr(end + 1));
  if (!document) {
    return;
  }
  if (line.find('=') != std::string_view::npos) {
    const Status set = SetPath(*document, path, line.substr(line.find('=') + 1), "--set[1]");
    if (!set && RenderError(set.error()).empty()) {
      std::abort();
    }
  }
  const auto tree = Decode<Tree>(*document);
  if (!tree && RenderError(tree.error()).empty()) {
    std::abort();
  }
  if (tree && tree->reference.inline_map) {
    (void)Decode<Leaf>(*tree->reference.inline_map, tree->reference.path);
  }
}

}  // namespace
}  // namespace ridgeline

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ridgeline::Check(std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}
