/// The catalog that the project ships, for tests.
#pragma once

#include <string>

#include "hardware/catalog.h"

namespace ridgeline::hardware {

inline Catalog ShippedCatalog() {
  return Catalog({std::string(RIDGELINE_SOURCE_DIR) + "/configs"});
}

template <class T>
Reference<T> Named(std::string name) {
  Reference<T> reference;
  reference.name = std::move(name);
  return reference;
}

/// The value of `key` in a one-document text, as a scenario would hold it.
template <class T>
Reference<T> Written(const std::string& text, const std::string& key) {
  const Result<::ridgeline::Node> document = ParseDocument("scenario.yaml", text);
  Diagnostics diagnostics;
  return Codec<Reference<T>>::Decode(*document->Find(key), {key, &diagnostics}).value();
}

inline Gpu ShippedGpu(const std::string& name) {
  return ShippedCatalog().ResolveGpu(Named<Gpu>(name)).value();
}

}  // namespace ridgeline::hardware
