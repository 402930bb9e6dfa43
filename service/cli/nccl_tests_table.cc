#include "service/cli/nccl_tests_table.h"

#include <fmt/format.h>

#include "base/dtype.h"
#include "sim/network/bus_factor.h"

namespace ridgeline::cli {
namespace {

std::string_view TypeName(DType dtype) {
  switch (dtype) {
    case DType::kFp64:
      return "double";
    case DType::kFp32:
    case DType::kTf32:
      return "float";
    case DType::kFp16:
      return "half";
    case DType::kBf16:
      return "bfloat16";
    default:
      return DTypeName(dtype);
  }
}

/// Three digits or so, as nccl-tests writes times.
std::string TimeText(double microseconds) {
  if (microseconds >= 10000.0) {
    return fmt::format("{:7.0f}", microseconds);
  }
  return microseconds >= 100.0 ? fmt::format("{:7.1f}", microseconds)
                               : fmt::format("{:7.2f}", microseconds);
}

}  // namespace

std::string NcclTestsHeader() {
  return fmt::format("#{:>11}  {:>12}  {:>8}  {:>6}  {:>6}  {:>7}  {:>6}  {:>6}  {:>6}\n", "size",
                     "count", "type", "redop", "root", "time", "algbw", "busbw", "#wrong") +
         fmt::format("#{:>11}  {:>12}  {:>8}  {:>6}  {:>6}  {:>7}  {:>6}  {:>6}  {:>6}\n", "(B)",
                     "(elements)", "", "", "", "(us)", "(GB/s)", "(GB/s)", "");
}

std::string NcclTestsRow(const Collective& collective, Seconds time) {
  const CollectiveKind kind = collective.kind;
  const auto ranks = static_cast<double>(collective.group.ranks);
  const bool is_of_a_peer = kind == CollectiveKind::kAllGather ||
                            kind == CollectiveKind::kReduceScatter ||
                            kind == CollectiveKind::kAllToAll;
  const bool adds = kind == CollectiveKind::kAllReduce || kind == CollectiveKind::kReduceScatter;
  const double elements = collective.bytes / BytesPerElement(collective.dtype);
  const double seconds = time.base();
  const double rate = seconds > 0 ? collective.bytes.base() / seconds / 1e9 : 0.0;
  return fmt::format("{:12.0f}  {:12.0f}  {:>8}  {:>6}  {:>6}  {:>7}  {:6.2f}  {:6.2f}  {:>6}\n",
                     collective.bytes.base(), is_of_a_peer ? elements / ranks : elements,
                     TypeName(collective.dtype), adds ? "sum" : "none",
                     kind == CollectiveKind::kBroadcast ? "0" : "-1", TimeText(seconds * 1e6), rate,
                     rate * network::BusFactor(kind, ranks), "N/A");
}

}  // namespace ridgeline::cli
