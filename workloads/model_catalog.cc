#include "workloads/model_catalog.h"

#include <system_error>
#include <utility>

#include "base/config_reader.h"
#include "workloads/hf_config.h"

namespace ridgeline::workloads {

Result<Model> ReadModelFile(const std::filesystem::path& path, std::string name) {
  ASSIGN_OR_RETURN(const Node document, ReadDocument(path));
  return ReadModelNode(document, std::move(name));
}

Result<Model> ReadModelNode(const Node& node, std::string name) {
  return ReadHfConfig(node, std::move(name));
}

Result<std::map<std::string, std::string>> ReadAliases(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    return std::map<std::string, std::string>{};
  }
  ASSIGN_OR_RETURN(const Node document, ReadDocument(path));
  Diagnostics diagnostics;
  const auto aliases =
      Codec<std::map<std::string, std::string>>::Decode(document, DecodeContext{"", &diagnostics});
  RETURN_IF_ERROR(diagnostics.Take());
  return aliases.value_or(std::map<std::string, std::string>{});
}

}  // namespace ridgeline::workloads
