#include "sim/trace/chakra_format.h"

#include <bit>
#include <cstring>
#include <optional>
#include <ostream>
#include <type_traits>

#include <fmt/format.h>

namespace ridgeline::trace {
namespace {

enum class Wire : uint32_t { kVarint = 0, kFixed64 = 1, kLength = 2, kFixed32 = 5 };

// Field numbers of AttributeProto by alternative of ChakraValue.
constexpr uint32_t kValueFields[] = {7, 9, 11, 13, 3, 5, 27, 29};

void PutVarint(std::string& out, uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(0x80 | (value & 0x7f)));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}
void PutTag(std::string& out, uint32_t field, Wire wire) {
  PutVarint(out, (uint64_t{field} << 3) | static_cast<uint32_t>(wire));
}
void PutNumber(std::string& out, uint32_t field, uint64_t value) {
  PutTag(out, field, Wire::kVarint);
  PutVarint(out, value);
}
/// A number that is left out when it is proto3's default.
void PutSet(std::string& out, uint32_t field, uint64_t value) {
  if (value != 0) {
    PutNumber(out, field, value);
  }
}
void PutText(std::string& out, uint32_t field, std::string_view text) {
  PutTag(out, field, Wire::kLength);
  PutVarint(out, text.size());
  out.append(text);
}
template <class T>
void PutFixed(std::string& out, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) {
    out.push_back(static_cast<char>((value >> (8 * i)) & 0xff));
  }
}
void PutPacked(std::string& out, uint32_t field, const std::vector<uint64_t>& values) {
  if (values.empty()) {
    return;
  }
  std::string packed;
  for (const uint64_t value : values) {
    PutVarint(packed, value);
  }
  PutText(out, field, packed);
}

std::string Encode(const ChakraAttribute& attribute) {
  std::string out;
  PutText(out, 1, attribute.name);
  const uint32_t field = kValueFields[attribute.value.index()];
  std::visit(
      [&](const auto& value) {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<T, std::string>) {
          PutText(out, field, value);
        } else if constexpr (std::is_same_v<T, double>) {
          PutTag(out, field, Wire::kFixed64);
          PutFixed(out, std::bit_cast<uint64_t>(value));
        } else if constexpr (std::is_same_v<T, float>) {
          PutTag(out, field, Wire::kFixed32);
          PutFixed(out, std::bit_cast<uint32_t>(value));
        } else {
          // Negative numbers are sign-extended to ten bytes, as protobuf does.
          PutNumber(out, field, static_cast<uint64_t>(value));
        }
      },
      attribute.value);
  return out;
}

std::string Encode(const ChakraNode& node) {
  std::string out;
  PutSet(out, 1, node.id);
  PutText(out, 2, node.name);
  PutSet(out, 3, static_cast<uint64_t>(node.type));
  PutPacked(out, 4, node.control_dependencies);
  PutPacked(out, 5, node.data_dependencies);
  PutSet(out, 6, node.start_micros);
  PutSet(out, 7, node.duration_micros);
  for (const ChakraAttribute& attribute : node.attributes) {
    PutText(out, 10, Encode(attribute));
  }
  return out;
}

void WriteMessage(std::ostream& out, const std::string& message) {
  std::string length;
  PutVarint(length, message.size());
  out.write(length.data(), static_cast<std::streamsize>(length.size()));
  out.write(message.data(), static_cast<std::streamsize>(message.size()));
}

/// Reads one message's fields; after a mistake nothing is left and `failed()`.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  bool done() const { return at_ >= bytes_.size(); }
  bool failed() const { return failed_; }
  size_t at() const { return at_; }

  uint64_t Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (done()) {
        break;
      }
      const auto byte = static_cast<uint8_t>(bytes_[at_++]);
      value |= uint64_t{byte & 0x7fU} << shift;
      if ((byte & 0x80) == 0) {
        return value;
      }
    }
    return Fail();
  }
  std::string_view Length() {
    const uint64_t size = Varint();
    if (failed_ || size > bytes_.size() - at_) {
      Fail();
      return {};
    }
    const std::string_view text = bytes_.substr(at_, size);
    at_ += size;
    return text;
  }
  uint64_t Fixed(size_t size) {
    if (size > bytes_.size() - at_) {
      return Fail();
    }
    uint64_t value = 0;
    for (size_t i = 0; i < size; ++i) {
      value |= uint64_t{static_cast<uint8_t>(bytes_[at_ + i])} << (8 * i);
    }
    at_ += size;
    return value;
  }

  /// One field's tag.
  struct Field {
    uint32_t number = 0;
    Wire wire = Wire::kVarint;
  };
  Field Next() {
    const uint64_t tag = Varint();
    const auto wire = static_cast<Wire>(tag & 7);
    if (wire != Wire::kVarint && wire != Wire::kFixed64 && wire != Wire::kLength &&
        wire != Wire::kFixed32) {
      Fail();
    }
    return {static_cast<uint32_t>(tag >> 3), wire};
  }
  void Skip(Wire wire) {
    switch (wire) {
      case Wire::kVarint:
        Varint();
        break;
      case Wire::kFixed64:
        Fixed(8);
        break;
      case Wire::kLength:
        Length();
        break;
      case Wire::kFixed32:
        Fixed(4);
        break;
    }
  }

 private:
  uint64_t Fail() {
    failed_ = true;
    at_ = bytes_.size();
    return 0;
  }

  std::string_view bytes_;
  size_t at_ = 0;
  bool failed_ = false;
};

/// A field of the wire type that it must have; else it is skipped, as protobuf does.
bool Is(const Reader::Field& field, uint32_t number, Wire wire) {
  return field.number == number && field.wire == wire;
}

/// Repeated numbers, packed or one by one.
bool TakeNumbers(Reader& reader, const Reader::Field& field, uint32_t number,
                 std::vector<uint64_t>& values) {
  if (Is(field, number, Wire::kVarint)) {
    values.push_back(reader.Varint());
    return true;
  }
  if (!Is(field, number, Wire::kLength)) {
    return false;
  }
  Reader packed(reader.Length());
  while (!packed.done()) {
    values.push_back(packed.Varint());
  }
  return true;
}

std::optional<ChakraAttribute> DecodeAttribute(std::string_view bytes) {
  Reader reader(bytes);
  ChakraAttribute attribute;
  bool has_value = false;
  const auto take = [&](ChakraValue value) {
    attribute.value = std::move(value);
    has_value = true;
  };
  while (!reader.done()) {
    const Reader::Field field = reader.Next();
    if (Is(field, 1, Wire::kLength)) {
      attribute.name = reader.Length();
    } else if (Is(field, 7, Wire::kVarint)) {
      take(static_cast<int32_t>(reader.Varint()));
    } else if (Is(field, 9, Wire::kVarint)) {
      take(static_cast<int64_t>(reader.Varint()));
    } else if (Is(field, 11, Wire::kVarint)) {
      take(static_cast<uint32_t>(reader.Varint()));
    } else if (Is(field, 13, Wire::kVarint)) {
      take(reader.Varint());
    } else if (Is(field, 3, Wire::kFixed64)) {
      take(std::bit_cast<double>(reader.Fixed(8)));
    } else if (Is(field, 5, Wire::kFixed32)) {
      take(std::bit_cast<float>(static_cast<uint32_t>(reader.Fixed(4))));
    } else if (Is(field, 27, Wire::kVarint)) {
      take(reader.Varint() != 0);
    } else if (Is(field, 29, Wire::kLength)) {
      take(std::string(reader.Length()));
    } else {
      reader.Skip(field.wire);
    }
  }
  if (reader.failed() || !has_value) {
    return std::nullopt;
  }
  return attribute;
}

std::optional<ChakraNode> DecodeNode(std::string_view bytes) {
  Reader reader(bytes);
  ChakraNode node;
  while (!reader.done()) {
    const Reader::Field field = reader.Next();
    if (TakeNumbers(reader, field, 4, node.control_dependencies) ||
        TakeNumbers(reader, field, 5, node.data_dependencies)) {
      continue;
    }
    if (Is(field, 1, Wire::kVarint)) {
      node.id = reader.Varint();
    } else if (Is(field, 2, Wire::kLength)) {
      node.name = reader.Length();
    } else if (Is(field, 3, Wire::kVarint)) {
      node.type = static_cast<ChakraNodeType>(reader.Varint());
    } else if (Is(field, 6, Wire::kVarint)) {
      node.start_micros = reader.Varint();
    } else if (Is(field, 7, Wire::kVarint)) {
      node.duration_micros = reader.Varint();
    } else if (Is(field, 10, Wire::kLength)) {
      if (std::optional<ChakraAttribute> attribute = DecodeAttribute(reader.Length())) {
        node.attributes.push_back(*std::move(attribute));
      }
    } else {
      reader.Skip(field.wire);
    }
  }
  if (reader.failed()) {
    return std::nullopt;
  }
  return node;
}

}  // namespace

int64_t ChakraNode::Integer(std::string_view attribute, int64_t otherwise) const {
  for (const ChakraAttribute& known : attributes) {
    if (known.name == attribute) {
      return std::visit(
          [&](const auto& value) {
            if constexpr (std::is_arithmetic_v<std::decay_t<decltype(value)>>) {
              return static_cast<int64_t>(value);
            } else {
              return otherwise;
            }
          },
          known.value);
    }
  }
  return otherwise;
}

bool ChakraNode::Has(std::string_view attribute) const {
  for (const ChakraAttribute& known : attributes) {
    if (known.name == attribute) {
      return true;
    }
  }
  return false;
}

ChakraWriter::ChakraWriter(std::ostream& out) : out_(&out) {
  std::string metadata;
  PutText(metadata, 1, "0.0.4");
  WriteMessage(out, metadata);
}

void ChakraWriter::Write(const ChakraNode& node) { WriteMessage(*out_, Encode(node)); }

Result<ChakraTrace> ReadChakra(std::string_view bytes, std::string_view name) {
  Reader reader(bytes);
  ChakraTrace trace;
  bool is_first = true;
  while (!reader.done()) {
    const size_t at = reader.at();
    const std::string_view message = reader.Length();
    const auto refuse = [&] {
      return InvalidArgument(fmt::format("{}: no Chakra message at byte {}", name, at),
                             "expected length-delimited messages of et_def.proto: GlobalMetadata, "
                             "then Nodes");
    };
    if (reader.failed()) {
      return refuse();
    }
    if (is_first) {
      is_first = false;
      Reader metadata(message);
      while (!metadata.done()) {
        const Reader::Field field = metadata.Next();
        if (Is(field, 1, Wire::kLength)) {
          trace.version = metadata.Length();
        } else {
          metadata.Skip(field.wire);
        }
      }
      if (metadata.failed()) {
        return refuse();
      }
      continue;
    }
    std::optional<ChakraNode> node = DecodeNode(message);
    if (!node) {
      return refuse();
    }
    trace.nodes.push_back(*std::move(node));
  }
  if (is_first) {
    return InvalidArgument(fmt::format("{}: empty: a Chakra trace begins with its metadata", name));
  }
  return trace;
}

}  // namespace ridgeline::trace
