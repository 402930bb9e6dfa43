#include "sim/compute/line_fields.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/nearest_name.h"

namespace ridgeline::compute {
namespace {

/// Of a number as JSON writes it; nothing when it is not whole or beyond 2^63.
std::optional<int64_t> WholeNumber(std::string_view text) {
  int64_t whole = 0;
  const char* const end = text.data() + text.size();
  if (const auto read = std::from_chars(text.data(), end, whole);
      read.ec == std::errc() && read.ptr == end) {
    return whole;
  }
  double value = 0;
  const auto read = std::from_chars(text.data(), end, value);
  constexpr double kExact = 9223372036854774784.0;  // the largest double below 2^63
  if (read.ec != std::errc() || read.ptr != end || std::trunc(value) != value ||
      std::abs(value) > kExact) {
    return std::nullopt;
  }
  return static_cast<int64_t>(value);
}

std::string Shown(const JsonField& field) {
  constexpr size_t kLongest = 60;
  std::string text(field.value.substr(0, kLongest));
  if (field.value.size() > kLongest) {
    text += "...";
  }
  return field.kind == JsonField::Kind::kString ? "\"" + text + "\"" : text;
}

std::vector<std::string> Words(std::span<const std::string_view> names) {
  return {names.begin(), names.end()};
}

}  // namespace

const JsonField* LineFields::Find(std::string_view key) {
  known_.push_back(key);
  for (size_t i = 0; i < fields_.size(); ++i) {
    if (fields_[i].key == key) {
      is_used_[i] = true;
      return &fields_[i];
    }
  }
  return nullptr;
}

bool LineFields::Has(std::string_view key) const {
  return std::ranges::any_of(fields_, [key](const JsonField& field) { return field.key == key; });
}

void LineFields::Fail(size_t offset, size_t length, std::string message, std::string hint,
                      ErrorCode code) {
  errors_.push_back({.code = code,
                     .message = std::move(message),
                     .where = place_.At(offset, length),
                     .hint = std::move(hint)});
}

void LineFields::FailMissing(std::string_view key, std::string_view example) {
  Fail(0, 1, fmt::format("missing key: {}", key), fmt::format("add \"{}\": {}", key, example),
       ErrorCode::kInvalidArgument);
}

int64_t LineFields::ReadCount(const JsonField& field, int64_t least, int64_t most) {
  const std::optional<int64_t> whole =
      field.kind == JsonField::Kind::kNumber ? WholeNumber(field.value) : std::nullopt;
  if (!whole) {
    Fail(field.value_offset, field.value.size(),
         fmt::format("{} must be a whole number: {}", field.key, Shown(field)), {},
         ErrorCode::kInvalidArgument);
    return 1;
  }
  if (*whole < least || *whole > most) {
    Fail(field.value_offset, field.value.size(),
         fmt::format("{} must be from {} to {}: {}", field.key, least, most, Shown(field)), {},
         ErrorCode::kOutOfRange);
    return 1;
  }
  return *whole;
}

int64_t LineFields::Count(std::string_view key, int64_t most) {
  const JsonField* const field = Find(key);
  if (field == nullptr) {
    FailMissing(key, "8");
    return 1;
  }
  return ReadCount(*field, 1, most);
}

int64_t LineFields::CountOr(std::string_view key, int64_t otherwise, int64_t most) {
  const JsonField* const field = Find(key);
  return field == nullptr ? otherwise : ReadCount(*field, otherwise == 0 ? 0 : 1, most);
}

double LineFields::NumberOr(std::string_view key, double otherwise) {
  const JsonField* const field = Find(key);
  if (field == nullptr) {
    return otherwise;
  }
  double value = -1;
  const char* const end = field->value.data() + field->value.size();
  if (field->kind != JsonField::Kind::kNumber ||
      std::from_chars(field->value.data(), end, value).ptr != end || !(value >= 0)) {
    Fail(field->value_offset, field->value.size(),
         fmt::format("{} must be a number from 0: {}", key, Shown(*field)), {},
         ErrorCode::kInvalidArgument);
    return otherwise;
  }
  return value;
}

bool LineFields::FlagOr(std::string_view key, bool otherwise) {
  const JsonField* const field = Find(key);
  if (field == nullptr) {
    return otherwise;
  }
  if (field->kind != JsonField::Kind::kTrue && field->kind != JsonField::Kind::kFalse) {
    Fail(field->value_offset, field->value.size(),
         fmt::format("{} must be true or false: {}", key, Shown(*field)), {},
         ErrorCode::kInvalidArgument);
  }
  return field->kind == JsonField::Kind::kTrue;
}

size_t LineFields::ReadChoice(const JsonField& field, std::span<const std::string_view> names) {
  const auto found = std::ranges::find(names, field.value);
  if (field.kind == JsonField::Kind::kString && found != names.end()) {
    return static_cast<size_t>(found - names.begin());
  }
  // All of them, however many: there is no other place that lists what a line may say.
  const std::optional<std::string> nearest = NearestName(field.value, Words(names));
  Fail(field.value_offset, field.value.size(),
       fmt::format("unknown {}: {}", field.key, Shown(field)),
       nearest ? fmt::format("did you mean {}?", *nearest)
               : fmt::format("known: {}", fmt::join(names, ", ")),
       ErrorCode::kInvalidArgument);
  return 0;
}

size_t LineFields::Choice(std::string_view key, std::span<const std::string_view> names) {
  const JsonField* const field = Find(key);
  if (field == nullptr) {
    FailMissing(key, fmt::format("\"{}\"", names.front()));
    return 0;
  }
  return ReadChoice(*field, names);
}

std::optional<size_t> LineFields::OptionalChoice(std::string_view key,
                                                 std::span<const std::string_view> names) {
  const JsonField* const field = Find(key);
  return field == nullptr ? std::nullopt : std::optional(ReadChoice(*field, names));
}

DType LineFields::DTypeOr(std::string_view key, DType otherwise) {
  const std::optional<size_t> choice = OptionalChoice(key, DTypeNames());
  return choice ? ParseDType(DTypeNames()[*choice]).value_or(otherwise) : otherwise;
}

void LineFields::Refuse(std::string_view key, std::string message, std::string hint) {
  for (const JsonField& field : fields_) {
    if (field.key == key) {
      return Fail(field.value_offset, field.value.size(), std::move(message), std::move(hint),
                  ErrorCode::kInvalidArgument);
    }
  }
  Fail(0, 1, std::move(message), std::move(hint), ErrorCode::kInvalidArgument);
}

Status LineFields::Check() {
  if (errors_.empty()) {
    return {};
  }
  Error first = std::move(errors_.front());
  for (size_t i = 1; i < errors_.size(); ++i) {
    first.others.push_back(std::move(errors_[i]));
  }
  return tl::unexpected(std::move(first));
}

Status LineFields::Finish() {
  // Unknown keys first: a slip of the pen explains the key that is missing.
  std::vector<Error> unknown;
  for (size_t i = 0; i < fields_.size(); ++i) {
    if (!is_used_[i]) {
      unknown.push_back({.code = ErrorCode::kInvalidArgument,
                         .message = fmt::format("unknown key: {}", fields_[i].key),
                         .where = place_.At(fields_[i].key_offset, fields_[i].key.size() + 2),
                         .hint = SuggestName(fields_[i].key, Words(known_))});
    }
  }
  errors_.insert(errors_.begin(), std::make_move_iterator(unknown.begin()),
                 std::make_move_iterator(unknown.end()));
  return Check();
}

}  // namespace ridgeline::compute
