/// Chakra execution traces (mlcommons/chakra): the messages and their bytes. One file a rank, a
/// graph of nodes (kernels, collectives, sends, receives) with what each waits for; what ASTRA-sim
/// reads and what PyTorch's observers become.
///
/// A file is protobuf messages one after the other, each behind its length as a varint
/// (mlcommons/chakra src/third_party/utils/protolib.py): one GlobalMetadata, then Nodes. Field
/// numbers and types are those of schema/protobuf/et_def.proto at
/// f5124d76bb7c3ba2ad67cb8386ad0f450a88e88e:
///
///     GlobalMetadata  version 1 string
///     Node            id 1 uint64, name 2 string, type 3 enum, ctrl_deps 4 repeated uint64
///     (packed),
///                     data_deps 5 likewise, start_time_micros 6 uint64, duration_micros 7 uint64,
///                     attr 10 AttributeProto; inputs 8, outputs 9 and storage 11 are skipped
///     AttributeProto  name 1 string; of its values double 3, float 5, int32 7, int64 9, uint32 11,
///                     uint64 13, bool 27, string 29; lists and the rest are skipped
///
/// The wire format is written by hand: it is three dozen lines, and no generated code is needed.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace ridgeline::trace {

enum class ChakraNodeType : uint32_t {
  kInvalid = 0,
  kMetadata = 1,
  kMemoryLoad = 2,
  kMemoryStore = 3,
  kCompute = 4,
  kSend = 5,
  kReceive = 6,
  kCollective = 7
};

/// comm_type of a collective.
enum class ChakraCollective : int64_t {
  kAllReduce = 0,
  kReduce = 1,
  kAllGather = 2,
  kGather = 3,
  kScatter = 4,
  kBroadcast = 5,
  kAllToAll = 6,
  kReduceScatter = 7,
  kReduceScatterBlock = 8,
  kBarrier = 9
};

/// The alternative chosen is the field that is written.
using ChakraValue =
    std::variant<int32_t, int64_t, uint32_t, uint64_t, double, float, bool, std::string>;
struct ChakraAttribute {
  std::string name;
  ChakraValue value;
  friend bool operator==(const ChakraAttribute&, const ChakraAttribute&) = default;
};

struct ChakraNode {
  uint64_t id = 0;
  std::string name = {};
  ChakraNodeType type = ChakraNodeType::kInvalid;
  std::vector<uint64_t> control_dependencies = {};
  std::vector<uint64_t> data_dependencies = {};
  uint64_t start_micros = 0;
  uint64_t duration_micros = 0;
  std::vector<ChakraAttribute> attributes = {};
  friend bool operator==(const ChakraNode&, const ChakraNode&) = default;

  /// The value of an attribute as an integer; `otherwise` when there is none or it is no number.
  int64_t Integer(std::string_view attribute, int64_t otherwise) const;
  bool Has(std::string_view attribute) const;
};

/// A message at a time, in order; memory is constant in the number of nodes.
class ChakraWriter {
 public:
  /// Writes the metadata.
  explicit ChakraWriter(std::ostream& out);
  void Write(const ChakraNode& node);

 private:
  std::ostream* out_;
};

struct ChakraTrace {
  std::string version;
  std::vector<ChakraNode> nodes;
};
/// Reads a file's bytes; `name` is for messages. Errors: kInvalidArgument with the offset where a
/// message is cut short or is none.
Result<ChakraTrace> ReadChakra(std::string_view bytes, std::string_view name);

}  // namespace ridgeline::trace
