#include "sim/scenario_blocks.h"

#include <algorithm>
#include <charconv>
#include <system_error>

#include <fmt/format.h>

#include "base/check.h"
#include "workloads/model_catalog.h"

namespace ridgeline::sim {
namespace {

using workloads::Framework;
using workloads::Model;

/// The first value of `key` anywhere in a model's config; nullptr when there is none.
const Node* FindAnywhere(const Node& config, std::string_view key) {
  if (const Node* value = config.Find(key)) {
    return value;
  }
  for (const Node::Entry& entry : config.entries) {
    if (const Node* value = FindAnywhere(entry.value, key)) {
      return value;
    }
  }
  return nullptr;
}

}  // namespace

const Node* NodeAt(const Node& root, std::string_view path) {
  const Node* node = &root;
  while (!path.empty()) {
    const size_t dot = path.find('.');
    const std::string_view step = path.substr(0, dot);
    const size_t bracket = step.find('[');
    const Node* child = node->Find(step.substr(0, bracket));
    if (child == nullptr) {
      break;
    }
    node = child;
    if (bracket != std::string_view::npos) {  // "traffic[1]"
      size_t item = 0;
      const char* const end = step.data() + step.size();
      if (std::from_chars(step.data() + bracket + 1, end, item).ec != std::errc() ||
          item >= node->items.size()) {
        break;
      }
      node = &node->items[item];
    }
    path = dot == std::string_view::npos ? std::string_view{} : path.substr(dot + 1);
  }
  return node;
}

void Locate(Error& error, const Node& document) {
  if (!error.where && !error.path.empty()) {
    const Node* node = NodeAt(document, error.path);
    if (node->where.source != nullptr) {
      error.where = node->where;
    }
  }
  for (Error& other : error.others) {
    Locate(other, document);
  }
}

Error ErrorAt(const Node& document, std::string path, std::string message, std::string hint,
              ErrorCode code) {
  Error error{.code = code,
              .message = std::move(message),
              .hint = std::move(hint),
              .path = std::move(path)};
  Locate(error, document);
  return error;
}

void AddAll(Diagnostics& diagnostics, Error error) {
  std::vector<Error> others = std::move(error.others);
  error.others.clear();
  diagnostics.Add(std::move(error));
  for (Error& other : others) {
    AddAll(diagnostics, std::move(other));
  }
}

void LocateNotes(Error& error, const Node& config) {
  for (ErrorNote& note : error.notes) {
    const Node* value =
        FindAnywhere(config, std::string_view(note.message).substr(0, note.message.find(' ')));
    if (!note.where && value != nullptr && value->where.source != nullptr) {
      note.where = value->where;
    }
  }
  std::erase_if(error.notes, [](const ErrorNote& note) { return !note.where; });
  for (Error& other : error.others) {
    LocateNotes(other, config);
  }
}

Result<ResolvedModel> ResolveModel(const Reference<Model>& reference,
                                   const hardware::Catalog& catalog) {
  std::string name = reference.name;
  Node config = MakeMap();
  if (!name.empty()) {
    if (!catalog.Find("models", name)) {
      for (const std::filesystem::path& root : catalog.roots()) {
        const auto aliases = workloads::ReadAliases(root / "models" / "aliases.yaml");
        if (aliases && aliases->contains(name)) {
          name = aliases->at(name);
          break;
        }
      }
    }
    ASSIGN_OR_RETURN(const std::filesystem::path path, catalog.FindOrPath("models", name));
    ASSIGN_OR_RETURN(config, ReadDocument(path));
    name = path.stem().string();
  }
  if (reference.inline_map) {
    config = MergeNodes(std::move(config), *reference.inline_map);
    name = name.empty() ? "inline model" : name + " (changed)";
  }
  ASSIGN_OR_RETURN(Model model, workloads::ReadModelNode(config, name));
  return ResolvedModel{std::move(model), std::move(config)};
}

void CutLayers(Model& model, std::optional<int64_t> layers, const Node& document, std::string path,
               Diagnostics& diagnostics) {
  if (!layers) {
    return;
  }
  if (*layers > model.num_layers()) {
    diagnostics.Add(ErrorAt(
        document, std::move(path),
        fmt::format("more layers than the model has: {} of {}", *layers, model.num_layers()),
        fmt::format("use at most {}", model.num_layers())));
  } else {
    model.layers.resize(static_cast<size_t>(*layers));
  }
}

Result<Framework> ResolveFramework(const Reference<Framework>& reference,
                                   std::string_view default_name,
                                   const hardware::Catalog& catalog) {
  Node config = MakeMap();
  const std::string name = reference.is_set() ? reference.name : std::string(default_name);
  if (!name.empty()) {
    ASSIGN_OR_RETURN(const std::filesystem::path path, catalog.FindOrPath("frameworks", name));
    ASSIGN_OR_RETURN(config, ReadDocument(path));
  }
  if (reference.inline_map) {
    config = MergeNodes(std::move(config), *reference.inline_map);
  }
  return Decode<Framework>(config);
}

void ResolvedDocument::Set(std::string_view path, std::string value) {
  const size_t dot = path.rfind('.');
  const std::string_view parent_path = dot == std::string_view::npos ? "" : path.substr(0, dot);
  const std::string_view key = dot == std::string_view::npos ? path : path.substr(dot + 1);
  const Node* parent = NodeAt(root_, parent_path);
  const Node* present = parent->Find(key);
  if (present != nullptr) {
    return;  // as the user wrote it
  }
  const Status status = SetPath(root_, path, value, "default");
  CHECK(status.has_value(), "{} = {}", path, value);
  defaults_.push_back({std::string(path), std::move(value)});
}
}  // namespace ridgeline::sim
