#include "hardware/catalog.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/document.h"
#include "base/nearest_name.h"

namespace ridgeline::hardware {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 3> kExtensions = {".yaml", ".yml", ".json"};
constexpr std::string_view kAliasFile = "aliases";

bool HasDocumentExtension(std::string_view name) {
  return std::ranges::any_of(kExtensions,
                             [name](std::string_view ending) { return name.ends_with(ending); });
}

// "gpus" -> "gpu": what one of a kind is called in messages.
std::string_view Singular(std::string_view kind) {
  return kind.ends_with('s') ? kind.substr(0, kind.size() - 1) : kind;
}

// Files of a kind in one root, sorted by name; a missing or unreadable folder has none.
std::vector<fs::path> FilesIn(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const fs::path& path = it->path();
    if (HasDocumentExtension(path.filename().string())) {
      files.push_back(path);
    }
  }
  std::ranges::sort(files);
  return files;
}

// An alias is a whole word of the file's text, so most files are dismissed without being parsed.
bool Mentions(const fs::path& file, std::string_view word) {
  std::ifstream stream(file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  return text.find(word) != std::string::npos;
}

// The aliases that a file lists; empty when it does not parse (whoever asks for it by name is
// told).
std::vector<std::string> AliasesOf(const fs::path& file) {
  std::vector<std::string> aliases;
  const Result<::ridgeline::Node> document = ReadDocument(file);
  const ::ridgeline::Node* list = document ? document->Find("aliases") : nullptr;
  if (list != nullptr && list->is_list()) {
    for (const ::ridgeline::Node& item : list->items) {
      aliases.push_back(item.scalar);
    }
  }
  return aliases;
}

// The name that `folder`/aliases.yaml gives an alias; for kinds whose files have no room for one.
std::optional<std::string> FromAliasFile(const fs::path& folder, std::string_view alias) {
  const Result<::ridgeline::Node> document = ReadDocument(folder / "aliases.yaml");
  const ::ridgeline::Node* name = document ? document->Find(alias) : nullptr;
  return name != nullptr && name->is_scalar() ? std::optional(name->scalar) : std::nullopt;
}

std::optional<fs::path> FileOfName(const fs::path& folder, std::string_view name) {
  for (const std::string_view extension : kExtensions) {
    fs::path file = folder / (std::string(name) + std::string(extension));
    std::error_code error;
    if (fs::is_regular_file(file, error)) {
      return file;
    }
  }
  return std::nullopt;
}

// A name is one component of a path: no way up or down the tree.
bool IsPlainName(std::string_view name) {
  return !name.empty() && name.front() != '.' && name != kAliasFile && name.size() < 200 &&
         name.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos;
}

}  // namespace

std::vector<std::string> Catalog::Names(std::string_view kind) const {
  std::set<std::string> names;
  for (const fs::path& root : roots_) {
    for (const fs::path& file : FilesIn(root / kind)) {
      if (file.stem() != kAliasFile) {
        names.insert(file.stem().string());
      }
    }
  }
  return {names.begin(), names.end()};
}

Result<fs::path> Catalog::Find(std::string_view kind, std::string_view name) const {
  if (IsPlainName(name)) {
    for (const fs::path& root : roots_) {
      if (std::optional<fs::path> file = FileOfName(root / kind, name)) {
        return *std::move(file);
      }
    }
    for (const fs::path& root : roots_) {
      const std::optional<std::string> target = FromAliasFile(root / kind, name);
      if (target && IsPlainName(*target)) {
        if (std::optional<fs::path> file = FileOfName(root / kind, *target)) {
          return *std::move(file);
        }
      }
      for (const fs::path& file : FilesIn(root / kind)) {
        // JSON files are other people's (a model's config.json) and list no aliases.
        if (file.extension() != ".json" && file.stem() != kAliasFile && Mentions(file, name) &&
            std::ranges::count(AliasesOf(file), name) > 0) {
          return file;
        }
      }
    }
  }
  const std::vector<std::string> known = Names(kind);
  return NotFound(fmt::format("unknown {}: {}", Singular(kind), name), SuggestName(name, known));
}

Result<fs::path> Catalog::FindOrPath(std::string_view kind, std::string_view name) const {
  if (name.find('/') == std::string_view::npos && !HasDocumentExtension(name)) {
    return Find(kind, name);
  }
  if (allowed_) {
    std::error_code error;
    const fs::path real = fs::weakly_canonical(fs::path(name), error);
    const bool is_allowed =
        !error && std::any_of(allowed_->begin(), allowed_->end(), [&](const fs::path& folder) {
          const fs::path root = fs::weakly_canonical(folder, error);
          const auto [end, unused] =
              std::mismatch(root.begin(), root.end(), real.begin(), real.end());
          return !error && end == root.end();
        });
    if (!is_allowed) {
      return InvalidArgument(fmt::format("documents may not name files of the server: {}", name),
                             "give the description inline, or use a name");
    }
  }
  return fs::path(name);
}

}  // namespace ridgeline::hardware
