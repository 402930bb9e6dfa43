#include "service/server/catalog_calls.h"

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include <fmt/format.h>
#include <ridgeline/v1/services.pb.h>

#include "base/document.h"
#include "base/nearest_name.h"

namespace ridgeline::server {
namespace {

namespace fs = std::filesystem;

constexpr int kDefaultPage = 100;
constexpr int kLargestPage = 1000;

/// The folders of the catalog that hold documents, sorted.
std::vector<std::string> Kinds(const hardware::Catalog& catalog) {
  std::vector<std::string> kinds;
  for (const fs::path& root : catalog.roots()) {
    std::error_code error;
    for (fs::directory_iterator it(root, error), end; !error && it != end; it.increment(error)) {
      std::string kind = it->path().filename().string();
      if (it->is_directory(error) && !catalog.Names(kind).empty()) {
        kinds.push_back(std::move(kind));
      }
    }
  }
  std::sort(kinds.begin(), kinds.end());
  kinds.erase(std::unique(kinds.begin(), kinds.end()), kinds.end());
  return kinds;
}

Result<std::string> FindKind(const hardware::Catalog& catalog, const std::string& name) {
  const std::vector<std::string> kinds = Kinds(catalog);
  for (const std::string& kind : kinds) {
    if (kind == name || kind == name + "s") {
      return kind;
    }
  }
  return NotFound("unknown kind: " + name, SuggestName(name, kinds));
}

/// The entry's `title`, or the comment in its first line.
std::string TitleOf(const fs::path& path) {
  const Result<Node> document = ReadDocument(path);
  if (!document) {
    return {};
  }
  if (const Node* title = document->Find("title"); title != nullptr && title->is_scalar()) {
    return title->scalar;
  }
  if (document->where.source == nullptr) {
    return {};
  }
  const std::string& text = document->where.source->text;
  const std::string first = text.substr(0, text.find('\n'));
  return first.starts_with("# ") ? first.substr(2) : std::string();
}

}  // namespace

Status List(const v1::ListRequest& request, const CallContext& context,
            v1::ListResponse& response) {
  ASSIGN_OR_RETURN(const std::string kind, FindKind(context.catalog, request.kind()));
  if (request.page_size() < 0) {
    return InvalidArgument(fmt::format("page_size must not be negative: {}", request.page_size()));
  }
  const auto page = static_cast<size_t>(
      request.page_size() == 0 ? kDefaultPage : std::min(request.page_size(), kLargestPage));
  const std::vector<std::string> names = context.catalog.Names(kind);
  // The token is the last name of the page before: pages stay right when entries come and go.
  const auto begin = std::upper_bound(names.begin(), names.end(), request.page_token());
  for (auto name = begin; name != names.end(); ++name) {
    if (static_cast<size_t>(name - begin) == page) {
      response.set_next_page_token(*(name - 1));
      break;
    }
    RETURN_IF_ERROR(context.stop().Check());
    ASSIGN_OR_RETURN(const fs::path path, context.catalog.Find(kind, *name));
    v1::CatalogEntry& entry = *response.add_entries();
    entry.set_name(*name);
    entry.set_title(TitleOf(path));
  }
  return {};
}

Status Get(const v1::GetRequest& request, const CallContext& context, v1::GetResponse& response) {
  ASSIGN_OR_RETURN(const std::string kind, FindKind(context.catalog, request.kind()));
  ASSIGN_OR_RETURN(const fs::path path, context.catalog.Find(kind, request.name()));
  ASSIGN_OR_RETURN(const Node document, ReadDocument(path));
  response.set_kind(kind);
  response.set_name(path.stem().string());
  response.mutable_document()->set_name(path.filename().string());
  if (document.where.source != nullptr) {
    response.mutable_document()->set_content(document.where.source->text);
  }
  return {};
}

}  // namespace ridgeline::server
