#include "base/diagnostic.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <string_view>
#include <tuple>
#include <vector>

#include <fmt/format.h>

namespace ridgeline {
namespace {

constexpr size_t kWidestExcerpt = 100;  // bytes of a line shown; minified JSON is one long line
constexpr size_t kPathColumn = 59;      // where [path] begins when the hint leaves room

struct Palette {
  std::string_view bold, error, warning, note, caret, reset;
};
constexpr Palette kPlain = {};
constexpr Palette kColor = {.bold = "\x1b[1m",
                            .error = "\x1b[1;31m",
                            .warning = "\x1b[1;35m",
                            .note = "\x1b[1;36m",
                            .caret = "\x1b[1;32m",
                            .reset = "\x1b[0m"};

/// A user's text must not steer the terminal: control bytes are spelled out.
std::string Printable(std::string_view text) {
  std::string printable;
  printable.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      printable += c == '\n' ? "\\n" : c == '\t' ? "\\t" : fmt::format("\\x{:02x}", byte);
    } else {
      printable += c;
    }
  }
  return printable;
}

std::string PlaceText(const SourceLocation& where) {
  if (where.source == nullptr) {
    return {};
  }
  const std::string name = Printable(where.source->name);
  return where.line > 0 ? fmt::format("{}:{}:{}", name, where.line, where.column) : name;
}

/// The text of line `line` (from 1), without its end.
std::string_view LineOf(std::string_view text, int line) {
  for (int i = 1; i < line; ++i) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) {
      return {};
    }
    text.remove_prefix(end + 1);
  }
  text = text.substr(0, text.find('\n'));
  if (text.ends_with('\r')) {
    text.remove_suffix(1);
  }
  return text;
}

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

/// The line and the underline below it. Columns count bytes; the underline counts characters and
/// copies tabs, so that it stands right below.
std::string Excerpt(const SourceLocation& where, const Palette& palette) {
  if (where.source == nullptr || where.line <= 0 || where.column <= 0) {
    return {};
  }
  std::string_view line = LineOf(where.source->text, where.line);
  if (line.empty()) {
    return {};
  }
  size_t begin = std::min(static_cast<size_t>(where.column) - 1, line.size());
  std::string_view before, after;
  if (line.size() > kWidestExcerpt) {
    size_t first = begin > kWidestExcerpt / 2 ? begin - kWidestExcerpt / 2 : 0;
    while (first > 0 && IsContinuation(line[first])) {
      --first;
    }
    size_t last = std::min(line.size(), first + kWidestExcerpt);
    while (last < line.size() && IsContinuation(line[last])) {
      ++last;
    }
    before = first > 0 ? "..." : "";
    after = last < line.size() ? "..." : "";
    line = line.substr(first, last - first);
    begin -= first;
  }
  const auto asked = static_cast<size_t>(std::max(where.length, 1));
  const size_t end = std::min(line.size(), begin + asked);

  std::string shown, under(before.size(), ' ');
  for (size_t i = 0; i < line.size(); ++i) {
    const auto byte = static_cast<unsigned char>(line[i]);
    shown += line[i] != '\t' && (byte < 0x20 || byte == 0x7f) ? '?' : line[i];
    if (i < begin && !IsContinuation(line[i])) {
      under += line[i] == '\t' ? '\t' : ' ';
    }
  }
  std::string marks = "^";
  for (size_t i = begin + 1; i < end; ++i) {
    if (!IsContinuation(line[i])) {
      marks += '~';
    }
  }
  return fmt::format("{:5} | {}{}{}\n      | {}{}{}{}\n", where.line, before, shown, after, under,
                     palette.caret, marks, palette.reset);
}

void RenderOne(Severity severity, const Error& error, const Palette& palette, std::string& out) {
  std::string_view word = "error";
  std::string_view tint = palette.error;
  if (severity == Severity::kWarning) {
    word = "warning";
    tint = palette.warning;
  } else if (severity == Severity::kNote) {
    word = "note";
    tint = palette.note;
  }
  if (error.where && error.where->source != nullptr) {
    out += fmt::format("{}{}:{} ", palette.bold, PlaceText(*error.where), palette.reset);
  }
  out += fmt::format("{}{}:{} {}\n", tint, word, palette.reset, Printable(error.message));
  if (error.where) {
    out += Excerpt(*error.where, palette);
  }
  for (const ErrorNote& note : error.notes) {
    const bool has_place = note.where && note.where->source != nullptr;
    out += fmt::format("  {}note:{} {}{}\n", palette.note, palette.reset,
                       has_place ? PlaceText(*note.where) + ": " : "", Printable(note.message));
  }
  if (!error.hint.empty()) {
    const std::string hint = "  hint: " + Printable(error.hint);
    const size_t gap = hint.size() < kPathColumn ? kPathColumn - hint.size() : 1;
    out += fmt::format("  {}hint:{}{}", palette.note, palette.reset, hint.substr(7));
    if (!error.path.empty()) {
      out += fmt::format("{}[{}]", std::string(gap, ' '), Printable(error.path));
    }
    out += '\n';
  } else if (!error.path.empty()) {
    out += fmt::format("  at [{}]\n", Printable(error.path));
  }
}

}  // namespace

std::string RenderDiagnostic(Severity severity, const Error& error, bool color) {
  std::string out;
  const Palette& palette = color ? kColor : kPlain;
  RenderOne(severity, error, palette, out);
  for (const Error& other : error.others) {
    out += RenderDiagnostic(severity, other, color);
  }
  return out;
}

std::string RenderError(const Error& error, bool color) {
  return RenderDiagnostic(Severity::kError, error, color);
}

void Diagnostics::Add(Error error) {
  if (errors_.size() < limit_) {
    errors_.push_back(std::move(error));
  } else {
    ++dropped_;
  }
}

Status Diagnostics::Take() {
  if (errors_.empty()) {
    return {};
  }
  // By place within a file; files in the order in which they first failed; what has no place last.
  std::vector<const SourceText*> sources;
  for (const Error& error : errors_) {
    if (error.where && error.where->source != nullptr) {
      sources.push_back(error.where->source.get());
    }
  }
  const auto rank = [&sources](const Error& error) {
    const SourceText* source = error.where ? error.where->source.get() : nullptr;
    return source == nullptr ? static_cast<std::ptrdiff_t>(sources.size())
                             : std::find(sources.begin(), sources.end(), source) - sources.begin();
  };
  // Indices are sorted, and break ties: errors of one place keep the order of finding.
  std::vector<size_t> order(errors_.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [this, &rank](size_t i, size_t j) {
    const auto place = [this, &rank](size_t index) {
      const Error& error = errors_[index];
      return std::tuple(rank(error), error.where ? error.where->line : 0,
                        error.where ? error.where->column : 0, index);
    };
    return place(i) < place(j);
  });
  Error first = std::move(errors_[order.front()]);
  for (size_t i = 1; i < order.size(); ++i) {
    first.others.push_back(std::move(errors_[order[i]]));
  }
  if (dropped_ > 0) {
    first.others.push_back(
        {.code = first.code,
         .message = fmt::format("{} more error{} not shown", dropped_, dropped_ == 1 ? "" : "s")});
  }
  errors_.clear();
  dropped_ = 0;
  return Fail(std::move(first));
}

}  // namespace ridgeline
