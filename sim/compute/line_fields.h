/// The fields of one `cost` line as typed values. Every mistake of a line is collected: a value of
/// the wrong type or range, an unknown name, a missing key; keys that nobody asked for are unknown.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/dtype.h"
#include "base/result.h"
#include "sim/compute/json_line.h"

namespace ridgeline::compute {

/// Largest count of anything that a line may give: far beyond any machine, and small enough that
/// products of four stay finite in a double.
inline constexpr int64_t kMostCount = int64_t{1} << 40;
/// Largest number of bytes: an exbibyte.
inline constexpr int64_t kMostBytes = int64_t{1} << 60;

class LineFields {
 public:
  LineFields(std::span<const JsonField> fields, const LinePlace& place)
      : fields_(fields), place_(place), is_used_(fields.size(), false) {}

  bool Has(std::string_view key) const;

  /// An integer from 1 to `most`; whole numbers may be written 1e9 or 16.0.
  int64_t Count(std::string_view key, int64_t most = kMostCount);
  /// A default of 0 may also be written.
  int64_t CountOr(std::string_view key, int64_t otherwise, int64_t most = kMostCount);
  /// A number from 0.
  double NumberOr(std::string_view key, double otherwise);
  bool FlagOr(std::string_view key, bool otherwise);
  DType DTypeOr(std::string_view key, DType otherwise);
  /// Index of the name that is written.
  size_t Choice(std::string_view key, std::span<const std::string_view> names);
  std::optional<size_t> OptionalChoice(std::string_view key,
                                       std::span<const std::string_view> names);

  /// A rule over several fields is broken; shown at `key`, or at the line when it is not there.
  void Refuse(std::string_view key, std::string message, std::string hint = {});

  /// The mistakes so far: the first, with the others inside it.
  Status Check();
  /// Call last: as Check, after the keys that nobody asked for.
  Status Finish();

 private:
  const JsonField* Find(std::string_view key);
  void Fail(size_t offset, size_t length, std::string message, std::string hint, ErrorCode code);
  void FailMissing(std::string_view key, std::string_view example);
  int64_t ReadCount(const JsonField& field, int64_t least, int64_t most);
  size_t ReadChoice(const JsonField& field, std::span<const std::string_view> names);

  std::span<const JsonField> fields_;
  const LinePlace& place_;
  std::vector<bool> is_used_;
  std::vector<std::string_view> known_;  // keys that were asked for, in order
  std::vector<Error> errors_;
};

}  // namespace ridgeline::compute
