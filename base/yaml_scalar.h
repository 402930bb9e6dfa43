/// How a single value is spelled in YAML: what may stand without quotes, and the quoting of the
/// rest.
#pragma once

#include <string>
#include <string_view>

namespace ridgeline {

/// True when `text`, written without quotes in block context, reads back as this very scalar.
bool IsPlainYaml(std::string_view text);
/// True for text that at the start of a line or a file is a mark: of a document's ends or of the
/// byte order.
bool IsYamlMarker(std::string_view text);
/// In double quotes, with escapes where needed.
std::string QuoteYaml(std::string_view text);
/// A key as it stands before its colon, in any column.
std::string WriteYamlKey(std::string_view key);

}  // namespace ridgeline
