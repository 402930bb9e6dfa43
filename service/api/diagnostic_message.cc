#include "service/api/diagnostic_message.h"

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <ridgeline/v1/types.pb.h>

#include "base/check.h"
#include "base/document.h"
#include "base/utf8.h"

namespace ridgeline::api {
namespace {

constexpr size_t kLongestLine = 4096;
// No document has more lines than bytes; a peer that claims so gets no excerpt.
constexpr int kMostLines = static_cast<int>(kMaxDocumentBytes);

/// Strings of a message must be UTF-8; what is not (a part of a broken document) is spelled out.
std::string WireText(std::string_view text) {
  if (IsUtf8(text)) {
    return std::string(text);
  }
  std::string spelled;
  for (size_t i = 0; i < text.size();) {
    if (const size_t length = Utf8SequenceLength(text, i); length > 0) {
      spelled += text.substr(i, length);
      i += length;
    } else {
      spelled += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[i]));
      ++i;
    }
  }
  return spelled;
}

std::string_view LineAt(std::string_view text, int line) {
  for (int i = 1; i < line; ++i) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) {
      return {};
    }
    text.remove_prefix(end + 1);
  }
  return text.substr(0, text.find('\n'));
}

void ToMessage(const SourceLocation& where, v1::SourceLocation& message) {
  if (where.source != nullptr) {
    message.set_document(WireText(where.source->name));
    const std::string_view line =
        where.line > 0 ? LineAt(where.source->text, where.line) : std::string_view();
    if (line.size() <= kLongestLine && IsUtf8(line)) {
      message.set_line_text(std::string(line));
    }
  }
  message.set_line(where.line);
  message.set_column(where.column);
  message.set_length(where.length);
}

SourceLocation FromMessage(const v1::SourceLocation& message) {
  std::string text;
  if (!message.line_text().empty() && message.line() > 0 && message.line() <= kMostLines) {
    text.assign(static_cast<size_t>(message.line()) - 1, '\n');
    text += message.line_text();
  }
  return {.source = std::make_shared<const SourceText>(
              SourceText{.name = message.document(), .text = std::move(text)}),
          .line = message.line(),
          .column = message.column(),
          .length = message.length()};
}

v1::Diagnostic::Severity SeverityMessage(Severity severity) {
  switch (severity) {
    case Severity::kError:
      return v1::Diagnostic::SEVERITY_ERROR;
    case Severity::kWarning:
      return v1::Diagnostic::SEVERITY_WARNING;
    case Severity::kNote:
      return v1::Diagnostic::SEVERITY_NOTE;
  }
  return v1::Diagnostic::SEVERITY_UNSPECIFIED;
}

void AddFlat(const Error& error, std::vector<Error>& flat) {
  flat.push_back(error);
  flat.back().others.clear();
  for (const Error& other : error.others) {
    AddFlat(other, flat);
  }
}

}  // namespace

void ToMessage(const Error& error, Severity severity, v1::Diagnostic& message) {
  message.set_severity(SeverityMessage(severity));
  message.set_message(WireText(error.message));
  message.set_path(WireText(error.path));
  message.set_hint(WireText(error.hint));
  message.set_code(static_cast<int>(error.code));
  if (error.where && error.where->source != nullptr) {
    ToMessage(*error.where, *message.mutable_where());
    message.set_document(message.where().document());
    message.set_line(error.where->line);
    message.set_column(error.where->column);
  }
  for (const ErrorNote& note : error.notes) {
    v1::Diagnostic::Note& added = *message.add_notes();
    added.set_message(WireText(note.message));
    if (note.where && note.where->source != nullptr) {
      ToMessage(*note.where, *added.mutable_where());
    }
  }
  for (const Error& other : error.others) {
    ToMessage(other, severity, *message.add_others());
  }
}

Error FromMessage(const v1::Diagnostic& message) {
  Error error{.code = ErrorCodeOf(message.code()),
              .message = message.message(),
              .hint = message.hint(),
              .path = message.path()};
  if (message.has_where()) {
    error.where = FromMessage(message.where());
  }
  for (const v1::Diagnostic::Note& note : message.notes()) {
    error.notes.push_back(
        {.message = note.message(),
         .where = note.has_where() ? std::optional(FromMessage(note.where())) : std::nullopt});
  }
  for (const v1::Diagnostic& other : message.others()) {
    error.others.push_back(FromMessage(other));
  }
  return error;
}

ErrorCode ErrorCodeOf(int code) {
  switch (code) {
    case 1:
    case 3:
    case 4:
    case 5:
    case 8:
    case 9:
    case 11:
    case 12:
    case 13:
    case 14:
      return static_cast<ErrorCode>(code);
    default:
      return ErrorCode::kUnavailable;
  }
}

std::string FirstLine(const Error& error) {
  if (!error.where || error.where->source == nullptr) {
    return WireText(error.message);
  }
  const SourceLocation& where = *error.where;
  const std::string name = WireText(where.source->name);
  return where.line > 0
             ? fmt::format("{}:{}:{}: {}", name, where.line, where.column, WireText(error.message))
             : fmt::format("{}: {}", name, WireText(error.message));
}

std::vector<Error> Flatten(const Error& error) {
  std::vector<Error> flat;
  AddFlat(error, flat);
  return flat;
}

Error Gather(std::vector<Error> errors) {
  CHECK(!errors.empty());
  Error first = std::move(errors.front());
  for (size_t i = 1; i < errors.size(); ++i) {
    first.others.push_back(std::move(errors[i]));
  }
  return first;
}

}  // namespace ridgeline::api
