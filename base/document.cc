#include "base/document.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <exception>
#include <fstream>
#include <iostream>
#include <istream>
#include <map>
#include <optional>
#include <sstream>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include "base/nearest_name.h"
#include "base/utf8.h"
#include "base/yaml_scalar.h"

namespace ridgeline {
namespace {

// Keys are short names; a longer one is a slip in quoting, and could not be written back as a
// simple key (1,024 bytes once escaped).
constexpr size_t kMaxKeyBytes = 255;
// Aliases repeat text: what they expand to is bounded apart from what was read.
constexpr size_t kMaxExpandedBytes = 16 * kMaxDocumentBytes;

using Source = std::shared_ptr<const SourceText>;

SourceLocation At(const Source& source, int line, int column, int length = 1) {
  return {.source = source, .line = line, .column = column, .length = length};
}

tl::unexpected<Error> FailAt(SourceLocation where, std::string message, std::string hint = {}) {
  return Fail({.code = ErrorCode::kInvalidArgument,
               .message = std::move(message),
               .where = std::move(where),
               .hint = std::move(hint)});
}

SourceLocation PlaceOfByte(const Source& source, std::string_view text, size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const auto line = static_cast<int>(std::count(before.begin(), before.end(), '\n')) + 1;
  const size_t line_start =
      before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  return At(source, line, static_cast<int>(offset - line_start) + 1);
}

/// OK when `text` is UTF-8 without control characters (YAML allows tab and line ends only).
Status CheckText(const std::string& name, std::string_view text) {
  // The line is not shown below such an error: a terminal could not show it.
  const auto unreadable = std::make_shared<const SourceText>(SourceText{name, {}});
  for (size_t at = 0; at < text.size();) {
    const auto byte = static_cast<unsigned char>(text[at]);
    const size_t length = Utf8SequenceLength(text, at);
    if (length == 0) {
      const bool is_utf16 = text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff");
      return FailAt(
          PlaceOfByte(unreadable, text, at),
          fmt::format("not UTF-8 text: byte 0x{:02x} at offset {}", byte, at),
          is_utf16 ? "this looks like UTF-16; save the file as UTF-8" : "save the file as UTF-8");
    }
    const bool is_control = byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r';
    if (is_control || byte == 0x7f) {
      return FailAt(PlaceOfByte(unreadable, text, at),
                    fmt::format("not a text file: byte 0x{:02x} at offset {}", byte, at),
                    "a document is YAML or JSON text");
    }
    at += length;
  }
  return {};
}

/// Thrown through yaml-cpp, which has no other way to stop, and caught in ParseDocument.
struct Refused {
  Error error;
};

/// Builds the tree from yaml-cpp's events. Events come while the parser descends, so that refusing
/// here also bounds the parser's recursion.
class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(Source source) : source_(std::move(source)) {}

  Node TakeRoot() { return std::move(root_); }
  bool has_root() const { return has_root_; }

  /// The innermost list or map that is still open, for "ends inside a map".
  const Node* open() const { return frames_.empty() ? nullptr : &frames_.back().node; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) {
      const bool is_marked = mark.pos >= 0 && std::string_view(source_->text)
                                                  .substr(std::min(static_cast<size_t>(mark.pos),
                                                                   source_->text.size()))
                                                  .starts_with("---");
      Refuse(mark,
             is_marked ? "more than one document in a file" : "text after the end of the document",
             is_marked ? "split the file at its '---' lines" : "");
    }
  }
  void OnDocumentEnd() override {}
  void OnAnchor(const YAML::Mark&, const std::string&) override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    CheckTotal(mark, {.values = 1});
    Node node;
    node.where = Place(mark, 1);
    Add(std::move(node), anchor, {.values = 1});
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    // yaml-cpp says "?" of a plain scalar and "!" of a quoted one.
    CheckTag(mark, tag, {"str", "int", "float", "bool", "null"});
    if (!IsUtf8(value)) {  // yaml-cpp 0.7 turns the escapes \N and \_ into single bytes
      Refuse(mark, "an escape that gives no UTF-8 text", "write \\u0085 or \\u00a0");
    }
    const Size size = {.values = 1, .bytes = value.size()};
    CheckTotal(mark, size);
    Node node;
    node.kind = Node::Kind::kScalar;
    // What could not be written back plain (several lines, a lone dash) is text, never a number.
    node.is_quoted = tag == "!" || tag == "tag:yaml.org,2002:str" || !IsPlainYaml(value);
    node.scalar = value;
    node.where = Place(mark, TokenLength(mark, value));
    Add(std::move(node), anchor, size);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) {
      Refuse(mark, "an alias inside the value that it names", "");
    }
    const auto& [node, size] = found->second;
    if (static_cast<int>(frames_.size()) + size.depth > kMaxDocumentDepth) {
      RefuseDepth(mark);
    }
    CheckTotal(mark, size);
    Add(Node(node), YAML::NullAnchor, size);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    CheckTag(mark, tag, {"seq"});
    Open(mark, anchor, Node::Kind::kList);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    CheckTag(mark, tag, {"map"});
    Open(mark, anchor, Node::Kind::kMap);
  }
  void OnMapEnd() override { Close(); }

 private:
  /// What a subtree holds: aliases add it again.
  struct Size {
    size_t values = 0;
    size_t bytes = 0;
    int depth = 0;
  };
  struct Frame {
    Node node;
    YAML::anchor_t anchor = YAML::NullAnchor;
    Size size;
    std::optional<Node::Entry> entry;  // a key that waits for its value
  };

  SourceLocation Place(const YAML::Mark& mark, int length) const {
    return mark.line < 0 ? At(source_, 1, 1) : At(source_, mark.line + 1, mark.column + 1, length);
  }

  [[noreturn]] void Refuse(const YAML::Mark& mark, std::string message, std::string hint) const {
    throw Refused{{.code = ErrorCode::kInvalidArgument,
                   .message = std::move(message),
                   .where = Place(mark, 1),
                   .hint = std::move(hint)}};
  }
  [[noreturn]] void RefuseDepth(const YAML::Mark& mark) const {
    Refuse(mark, fmt::format("nested deeper than {} levels", kMaxDocumentDepth), "");
  }

  void CheckTag(const YAML::Mark& mark, std::string_view tag,
                std::initializer_list<std::string_view> allowed) const {
    constexpr std::string_view kCore = "tag:yaml.org,2002:";
    if (tag.empty() || tag == "?" || tag == "!") {
      return;
    }
    if (!tag.starts_with(kCore) ||
        std::find(allowed.begin(), allowed.end(), tag.substr(kCore.size())) == allowed.end()) {
      Refuse(mark, fmt::format("tags are not used here: {}", tag), "write the value alone");
    }
  }

  void CheckTotal(const YAML::Mark& mark, const Size& size) {
    total_.values += size.values;
    total_.bytes += size.bytes;
    if (total_.values > kMaxDocumentValues) {
      Refuse(mark, fmt::format("more than {} values in a document", kMaxDocumentValues), "");
    }
    if (total_.bytes > kMaxExpandedBytes) {
      Refuse(mark, fmt::format("aliases expand to more than {} MiB", kMaxExpandedBytes >> 20), "");
    }
  }

  /// Bytes of the scalar's token on its first line, for the underline.
  int TokenLength(const YAML::Mark& mark, const std::string& value) const {
    const std::string_view text = source_->text;
    if (mark.pos < 0 || static_cast<size_t>(mark.pos) >= text.size()) {
      return 1;
    }
    std::string_view line = text.substr(static_cast<size_t>(mark.pos));
    line = line.substr(0, line.find_first_of("\r\n"));
    size_t length = 1;
    if (line.starts_with('"') || line.starts_with('\'')) {
      const char quote = line[0];
      while (length < line.size() && line[length] != quote) {
        length += quote == '"' && line[length] == '\\' ? 2 : 1;
      }
      ++length;
    } else if (!value.empty() && line.starts_with(value)) {
      length = value.size();
    }
    return static_cast<int>(std::min(length, std::max<size_t>(line.size(), 1)));
  }

  void Open(const YAML::Mark& mark, YAML::anchor_t anchor, Node::Kind kind) {
    if (static_cast<int>(frames_.size()) >= kMaxDocumentDepth) {
      RefuseDepth(mark);
    }
    if (!frames_.empty() && frames_.back().node.is_map() && !frames_.back().entry) {
      Refuse(mark, "a key must be a word, not a list or a map", "");
    }
    CheckTotal(mark, {.values = 1});
    Frame frame;
    frame.node.kind = kind;
    frame.node.where = Place(mark, 1);
    frame.anchor = anchor;
    frame.size = {.values = 1};
    frames_.push_back(std::move(frame));
  }

  void Close() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    ++frame.size.depth;
    Add(std::move(frame.node), frame.anchor, frame.size);
  }

  void Add(Node node, YAML::anchor_t anchor, const Size& size) {
    if (anchor != YAML::NullAnchor) {
      anchors_.insert_or_assign(anchor, std::pair(node, size));
    }
    if (frames_.empty()) {
      root_ = std::move(node);
      has_root_ = true;
      return;
    }
    Frame& frame = frames_.back();
    frame.size.values += size.values;
    frame.size.bytes += size.bytes;
    frame.size.depth = std::max(frame.size.depth, size.depth);
    if (frame.node.is_list()) {
      frame.node.items.push_back(std::move(node));
    } else if (frame.entry) {
      frame.entry->value = std::move(node);
      frame.node.entries.push_back(*std::move(frame.entry));
      frame.entry.reset();
    } else {
      frame.entry = KeyOf(std::move(node));
    }
  }

  Node::Entry KeyOf(Node node) const {
    const auto refuse = [&node](std::string message, std::string hint) {
      throw Refused{{.code = ErrorCode::kInvalidArgument,
                     .message = std::move(message),
                     .where = node.where,
                     .hint = std::move(hint)}};
    };
    if (!node.is_scalar()) {
      refuse(node.is_null() ? "a key is missing before ':'" : "a key must be a word", "");
    }
    if (node.scalar.size() > kMaxKeyBytes) {
      refuse(fmt::format("key longer than {} bytes", kMaxKeyBytes), "is a quote or a ':' missing?");
    }
    if (node.scalar == "<<" && !node.is_quoted) {
      refuse("merge keys are not used here: <<", "repeat the keys, or name a base with 'base:'");
    }
    Node::Entry entry;
    entry.key = std::move(node.scalar);
    entry.key_where = std::move(node.where);
    return entry;
  }

  Source source_;
  std::vector<Frame> frames_;
  std::map<YAML::anchor_t, std::pair<Node, Size>> anchors_;
  Size total_;
  Node root_;
  bool has_root_ = false;
  int documents_ = 0;
};

/// What is left open at the end of JSON-like text: yaml-cpp speaks of keys there, and a reader
/// needs to know which bracket was never closed. Looked at only once the text is known to be wrong.
std::optional<Error> UnclosedBracket(const Source& source) {
  const std::string_view text = source->text;
  const size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos || (text[start] != '{' && text[start] != '[')) {
    return std::nullopt;
  }
  std::vector<size_t> open;
  size_t string_start = std::string_view::npos;
  for (size_t i = start; i < text.size(); ++i) {
    const char c = text[i];
    if (string_start != std::string_view::npos) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        string_start = std::string_view::npos;
      }
    } else if (c == '"') {
      string_start = i;
    } else if (c == '{' || c == '[') {
      open.push_back(i);
    } else if (c == '}' || c == ']') {
      if (open.empty() || text[open.back()] != (c == '}' ? '{' : '[')) {
        return std::nullopt;
      }
      open.pop_back();
    }
  }
  Error error = {.code = ErrorCode::kInvalidArgument,
                 .message = {},
                 .where = PlaceOfByte(source, text, text.size())};
  if (string_start != std::string_view::npos) {
    error.message = "the text ends inside a quoted value";
    error.hint = "a closing quote is missing; is the file cut off?";
    error.notes.push_back(
        {.message = "it begins here", .where = PlaceOfByte(source, text, string_start)});
    return error;
  }
  if (open.empty()) {
    return std::nullopt;
  }
  const bool is_map = text[open.back()] == '{';
  error.message = is_map ? "the text ends inside a map" : "the text ends inside a list";
  error.hint = fmt::format("a '{}' is missing; is the file cut off?", is_map ? '}' : ']');
  error.notes.push_back(
      {.message = "it begins here", .where = PlaceOfByte(source, text, open.back())});
  return error;
}

/// True when the line of `where` is indented with a tab, which yaml-cpp reports in many ways.
bool IsTabIndented(const std::string& text, const SourceLocation& where) {
  std::istringstream lines(text);
  std::string line;
  for (int i = 0; i < where.line; ++i) {
    std::getline(lines, line);
  }
  return line.substr(0, line.find_first_not_of(" \t")).find('\t') != std::string::npos;
}

struct Rewording {
  std::string_view theirs;
  std::string_view ours;
  std::string_view hint;
};
/// yaml-cpp's sentences, by their beginning, in the words of someone who never saw its source.
constexpr std::array<Rewording, 18> kRewordings = {{
    {"end of map flow not found", "the map is not closed", "a ',' or a '}' is missing"},
    {"end of sequence flow not found", "the list is not closed", "a ',' or a ']' is missing"},
    {"end of map not found", "the map is not laid out as one",
     "keys of one map begin in the same column"},
    {"end of sequence not found", "the list is not laid out as one",
     "items of one list begin with '- ' in the same column"},
    {"illegal EOF in scalar", "the text ends inside a quoted value", "a closing quote is missing"},
    {"illegal document indicator in scalar", "a document ends inside a quoted value",
     "a closing quote is missing"},
    {"illegal tab when looking for indentation", "a tab used for indentation",
     "indent with spaces"},
    {"illegal map key", "a key is not allowed here", "is a ':' or the indentation wrong?"},
    {"illegal map value", "a ':' is not allowed here", "quote the value if it contains ': '"},
    {"illegal block entry", "a list item is not allowed here",
     "put '- ' on a line of its own, below the key"},
    {"illegal flow end", "a closing bracket without its opening", ""},
    {"the referenced anchor is not defined", "an alias of something that is not defined", ""},
    {"cannot assign multiple anchors", "two anchors for one value", ""},
    {"cannot assign multiple tags", "two tags for one value", ""},
    {"unknown escape character", "an unknown escape in a quoted value",
     "write \\\\ for a backslash, or use single quotes"},
    {"invalid unicode", "an escape that is no Unicode character", ""},
    {"unknown token", "a character that begins no value",
     "quote the value if it begins with @, ` or %"},
    {"bad character found while scanning hex number",
     "an escape with a digit that is not hexadecimal", ""},
}};

Error Reword(const YAML::Exception& exception, const Source& source, const Node* open) {
  Error error = {.code = ErrorCode::kInvalidArgument,
                 .message = "not valid YAML: " + exception.msg};
  for (const Rewording& rewording : kRewordings) {
    if (exception.msg.starts_with(rewording.theirs)) {
      error.message = rewording.ours;
      error.hint = rewording.hint;
    }
  }
  if (exception.mark.line >= 0) {
    error.where = At(source, exception.mark.line + 1, exception.mark.column + 1);
  } else {
    error.where = At(source, 0, 0);
  }
  if (error.where->line > 0 && IsTabIndented(source->text, *error.where)) {
    error.message = "a tab used for indentation";
    error.hint = "indent with spaces";
    return error;
  }
  if (open != nullptr && exception.msg.find("not found") != std::string::npos) {
    error.notes.push_back(
        {.message = open->is_map() ? "the map begins here" : "the list begins here",
         .where = open->where});
  }
  return error;
}

}  // namespace

Result<Node> ParseDocument(std::string name, std::string text) {
  const auto nameless_place = [&name] {
    return At(std::make_shared<const SourceText>(SourceText{name, {}}), 0, 0);
  };
  if (text.size() > kMaxDocumentBytes) {
    return FailAt(nameless_place(),
                  fmt::format("document larger than {} MiB", kMaxDocumentBytes >> 20));
  }
  RETURN_IF_ERROR(CheckText(name, text));
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(kByteOrderMark)) {
    text.erase(0, kByteOrderMark.size());
  }
  const Source source =
      std::make_shared<const SourceText>(SourceText{std::move(name), std::move(text)});
  TreeBuilder builder(source);
  try {
    std::istringstream stream(source->text);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Refused& refused) {
    return Fail(UnclosedBracket(source).value_or(refused.error));
  } catch (const YAML::Exception& exception) {
    return Fail(UnclosedBracket(source).value_or(Reword(exception, source, builder.open())));
  }
  if (!builder.has_root()) {
    return FailAt(At(source, 0, 0), "the document is empty");
  }
  return builder.TakeRoot();
}

}  // namespace ridgeline
