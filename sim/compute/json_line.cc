#include "sim/compute/json_line.h"

#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/utf8.h"

namespace ridgeline::compute {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

class Scanner {
 public:
  Scanner(std::string_view line, const LinePlace& place) : line_(line), place_(place) {}

  Status Read(std::vector<JsonField>& fields) {
    if (!IsUtf8(line_)) {
      return Wrong("a byte that is no UTF-8");
    }
    RETURN_IF_ERROR(Expect('{', "an operation begins with {"));
    SkipBlanks();
    if (Peek() == '}') {
      ++at_;
    } else {
      RETURN_IF_ERROR(ReadFields(fields));
    }
    SkipBlanks();
    if (at_ < line_.size()) {
      return Wrong("text after the operation", "write one operation a line");
    }
    return {};
  }

 private:
  char Peek() const { return at_ < line_.size() ? line_[at_] : '\0'; }

  void SkipBlanks() {
    while (at_ < line_.size() && IsBlank(line_[at_])) {
      ++at_;
    }
  }

  tl::unexpected<Error> Wrong(std::string message, std::string hint = {}) const {
    if (at_ >= line_.size()) {
      message = "the line ends too early: " + message;
    }
    return Fail({.code = ErrorCode::kInvalidArgument,
                 .message = std::move(message),
                 .where = place_.At(at_),
                 .hint = std::move(hint)});
  }

  Status Expect(char wanted, std::string_view message) {
    SkipBlanks();
    if (Peek() != wanted) {
      return Wrong(std::string(message));
    }
    ++at_;
    return {};
  }

  Status ReadFields(std::vector<JsonField>& fields) {
    while (true) {
      SkipBlanks();
      JsonField field;
      field.key_offset = at_;
      ASSIGN_OR_RETURN(field.key, ReadString("a key in quotes is expected"));
      for (const JsonField& other : fields) {
        if (other.key == field.key) {
          at_ = field.key_offset;
          return Wrong(fmt::format("duplicate key: {}", field.key), "keep one of them");
        }
      }
      RETURN_IF_ERROR(Expect(':', "a colon is expected after the key"));
      SkipBlanks();
      RETURN_IF_ERROR(ReadValue(field));
      fields.push_back(field);
      SkipBlanks();
      if (Peek() == '}') {
        ++at_;
        return {};
      }
      RETURN_IF_ERROR(Expect(',', "a comma or } is expected"));
    }
  }

  Result<std::string_view> ReadString(std::string message) {
    if (Peek() != '"') {
      return Wrong(std::move(message));
    }
    const size_t begin = ++at_;
    while (at_ < line_.size() && line_[at_] != '"') {
      if (static_cast<unsigned char>(line_[at_]) < 0x20) {
        return Wrong("a control character in a string");
      }
      at_ += line_[at_] == '\\' && at_ + 1 < line_.size() ? 2 : 1;
    }
    if (at_ >= line_.size()) {
      return Wrong("a quote is expected");
    }
    return line_.substr(begin, at_++ - begin);
  }

  Status ReadValue(JsonField& field) {
    field.value_offset = at_;
    const char first = Peek();
    if (first == '"') {
      field.kind = JsonField::Kind::kString;
      ASSIGN_OR_RETURN(field.value, ReadString("a string is expected"));
      return {};
    }
    if (IsDigit(first) || first == '-') {
      field.kind = JsonField::Kind::kNumber;
      return ReadNumber(field);
    }
    for (const auto& [word, kind] :
         {std::pair{std::string_view("true"), JsonField::Kind::kTrue},
          std::pair{std::string_view("false"), JsonField::Kind::kFalse}}) {
      if (line_.substr(at_).starts_with(word)) {
        field.kind = kind;
        field.value = line_.substr(at_, word.size());
        at_ += word.size();
        return {};
      }
    }
    return Wrong(fmt::format("{} must be a number, a string, true or false", field.key));
  }

  /// JSON's grammar: -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?
  Status ReadNumber(JsonField& field) {
    const size_t begin = at_;
    at_ += Peek() == '-' ? 1 : 0;
    const bool is_zero = Peek() == '0';
    const size_t digits = SkipDigits();
    bool is_number = digits > 0 && (!is_zero || digits == 1);
    if (is_number && Peek() == '.') {
      ++at_;
      is_number = SkipDigits() > 0;
    }
    if (is_number && (Peek() == 'e' || Peek() == 'E')) {
      ++at_;
      at_ += Peek() == '+' || Peek() == '-' ? 1 : 0;
      is_number = SkipDigits() > 0;
    }
    if (!is_number) {
      at_ = begin;
      return Wrong(fmt::format("{} is no number of JSON", field.key));
    }
    field.value = line_.substr(begin, at_ - begin);
    return {};
  }

  size_t SkipDigits() {
    const size_t begin = at_;
    while (IsDigit(Peek())) {
      ++at_;
    }
    return at_ - begin;
  }

  std::string_view line_;
  const LinePlace& place_;
  size_t at_ = 0;
};

}  // namespace

Status ReadJsonLine(std::string_view line, const LinePlace& place, std::vector<JsonField>& fields) {
  fields.clear();
  return Scanner(line, place).Read(fields);
}

}  // namespace ridgeline::compute
