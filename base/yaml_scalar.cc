#include "base/yaml_scalar.h"

#include <algorithm>
#include <cstddef>

#include <fmt/format.h>

namespace ridgeline {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t'; }
bool IsControl(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && c != '\t') || byte == 0x7f;
}

}  // namespace

bool IsPlainYaml(std::string_view text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL" ||
      IsBlank(text.front()) || IsBlank(text.back()) ||
      std::any_of(text.begin(), text.end(), IsControl)) {
    return false;
  }
  constexpr std::string_view kIndicators = ",[]{}#&*!|>'\"%@`";
  if (kIndicators.find(text.front()) != std::string_view::npos) {
    return false;
  }
  const bool is_lone = text.size() == 1 || IsBlank(text[1]);
  if ((text.front() == '-' || text.front() == '?' || text.front() == ':') && is_lone) {
    return false;
  }
  for (size_t i = 1; i < text.size(); ++i) {
    // A colon before a blank ends a key, a # after a blank begins a comment.
    if ((IsBlank(text[i]) && text[i - 1] == ':') || (text[i] == '#' && IsBlank(text[i - 1]))) {
      return false;
    }
  }
  return text.back() != ':';
}

bool IsYamlMarker(std::string_view text) {
  return text.starts_with("---") || text.starts_with("...") || text.starts_with("\xef\xbb\xbf");
}

std::string QuoteYaml(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (c == '\n') {
      quoted += "\\n";
    } else if (c == '\t') {
      quoted += "\\t";
    } else if (IsControl(c)) {
      quoted += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

std::string WriteYamlKey(std::string_view key) {
  return IsPlainYaml(key) && key != "<<" && !IsYamlMarker(key) ? std::string(key) : QuoteYaml(key);
}

}  // namespace ridgeline
