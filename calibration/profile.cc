#include "calibration/profile.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <fstream>
#include <iterator>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "calibration/gz_text.h"

namespace ridgeline::calibration {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kMagic = "ridgeline-calibration 3 ";  // then the check sum
constexpr size_t kCheckSumDigits = 8;
constexpr size_t kMostTrees = 4096;
constexpr double kLogSteps = 4000;  // to an e-fold: half a step is 0.0125 %
constexpr size_t kMostNumbers = 64'000'000;

void PutVarint(int64_t value, std::string& out) {
  uint64_t bits = (static_cast<uint64_t>(value) << 1U) ^ static_cast<uint64_t>(value >> 63);
  while (bits >= 128) {
    out.push_back(static_cast<char>(bits | 128U));
    bits >>= 7U;
  }
  out.push_back(static_cast<char>(bits));
}

/// Reads what PutVarint wrote; past the end it keeps returning 0 and says so.
class VarintReader {
 public:
  explicit VarintReader(std::string_view bytes) : bytes_(bytes) {}
  int64_t Next() {
    // Most numbers are small: one byte.
    if (at_ < bytes_.size() && static_cast<unsigned char>(bytes_[at_]) < 128) {
      const uint64_t bits = static_cast<unsigned char>(bytes_[at_++]);
      return static_cast<int64_t>(bits >> 1U) ^ -static_cast<int64_t>(bits & 1U);
    }
    return NextLong();
  }
  bool is_short() const { return is_short_; }
  bool is_done() const { return at_ == bytes_.size(); }

 private:
  int64_t NextLong() {
    uint64_t bits = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (at_ >= bytes_.size()) {
        is_short_ = true;
        return 0;
      }
      const auto byte = static_cast<unsigned char>(bytes_[at_++]);
      bits |= static_cast<uint64_t>(byte & 127U) << shift;
      if (byte < 128) {
        break;
      }
    }
    return static_cast<int64_t>(bits >> 1U) ^ -static_cast<int64_t>(bits & 1U);
  }

  std::string_view bytes_;
  size_t at_ = 0;
  bool is_short_ = false;
};

void PutRows(const FittedTable& table, std::string& out) {
  const size_t columns = NumSizes(table.pattern);
  for (size_t column = 0; column < columns; ++column) {
    int64_t last = 0;
    for (const Shape& shape : table.shapes) {
      PutVarint(shape.sizes[column] - last, out);
      last = shape.sizes[column];
    }
  }
  int64_t last = 0;
  for (const float log_time : table.log_times) {
    const int64_t steps = std::llround(log_time * kLogSteps);
    PutVarint(steps - last, out);
    last = steps;
  }
  for (const float error : table.errors) {
    PutVarint(std::llround(std::sqrt(std::min(error, 1.0F)) * 255), out);
  }
}

// Leaves are whole numbers of steps (boosted_trees.h); borders are stored bit by bit.
void PutTrees(const BoostedTrees& model, std::string& out) {
  PutVarint(static_cast<int64_t>(model.trees().size()), out);
  if (model.empty()) {
    return;
  }
  PutVarint(std::bit_cast<int32_t>(model.base()), out);
  PutVarint(static_cast<int64_t>(model.borders().size()), out);
  for (const std::vector<float>& borders : model.borders()) {
    PutVarint(static_cast<int64_t>(borders.size()), out);
    int64_t last = 0;
    for (const float border : borders) {
      PutVarint(std::bit_cast<int32_t>(border) - last, out);
      last = std::bit_cast<int32_t>(border);
    }
  }
  for (size_t level = 0; level < kDepth; ++level) {
    for (const SymmetricTree& tree : model.trees()) {
      PutVarint(tree.inputs[level], out);
      PutVarint(tree.borders[level], out);
    }
  }
  for (const SymmetricTree& tree : model.trees()) {
    for (const int16_t leaf : tree.leaves) {
      PutVarint(leaf, out);
    }
  }
}

/// Sizes that divide or are divided by; where none may stand for "none", it stands in the pattern.
bool HasSensibleSizes(const FittedTable& table) {
  const Shape pattern = ShapeOf(table.pattern);
  const size_t first = std::holds_alternative<MemoryBound>(table.pattern) ? 2 : 0;  // bytes: any
  for (const Shape& shape : table.shapes) {
    for (size_t column = 0; column < NumSizes(table.pattern); ++column) {
      const int64_t least = column < first ? 0 : std::min<int64_t>(pattern.sizes[column], 1);
      if (shape.sizes[column] < least) {
        return false;
      }
    }
  }
  return true;
}

/// nullopt when the numbers make no trees. `most`: more of anything than this is damage.
std::optional<BoostedTrees> TakeTrees(VarintReader& in, size_t most) {
  const auto count = [&]() -> size_t {
    const int64_t value = in.Next();
    return value < 0 || static_cast<size_t>(value) > most ? most + 1 : static_cast<size_t>(value);
  };
  const size_t num_trees = count();
  if (num_trees == 0) {
    return BoostedTrees();
  }
  const auto base = std::bit_cast<float>(static_cast<int32_t>(in.Next()));
  const size_t inputs = count();
  if (num_trees > kMostTrees || inputs > kMostInputs || inputs == 0) {
    return std::nullopt;
  }
  std::vector<std::vector<float>> borders(inputs);
  for (std::vector<float>& of_input : borders) {
    const size_t size = count();
    if (size > 255) {
      return std::nullopt;
    }
    int64_t last = 0;
    for (size_t i = 0; i < size; ++i) {
      last += in.Next();
      of_input.push_back(std::bit_cast<float>(static_cast<int32_t>(last)));
    }
  }
  std::vector<SymmetricTree> trees(num_trees);
  for (size_t level = 0; level < kDepth; ++level) {
    for (SymmetricTree& tree : trees) {
      const size_t input = count();
      const size_t border = count();
      if (input >= inputs || border >= borders[input].size()) {
        return std::nullopt;
      }
      tree.inputs[level] = static_cast<uint8_t>(input);
      tree.borders[level] = static_cast<uint8_t>(border);
    }
  }
  for (SymmetricTree& tree : trees) {
    for (int16_t& leaf : tree.leaves) {
      leaf = static_cast<int16_t>(in.Next());
    }
  }
  return BoostedTrees(base, std::move(borders), std::move(trees));
}

void TakeRows(VarintReader& in, size_t rows, FittedTable& table) {
  const size_t columns = NumSizes(table.pattern);
  table.shapes.resize(rows);
  table.log_times.resize(rows);
  table.errors.resize(rows);
  for (size_t column = 0; column < columns; ++column) {
    int64_t last = 0;
    for (Shape& shape : table.shapes) {
      last += in.Next();
      shape.sizes[column] = last;
    }
  }
  int64_t last = 0;
  for (float& log_time : table.log_times) {
    last += in.Next();
    log_time = static_cast<float>(static_cast<double>(last) / kLogSteps);
  }
  for (float& error : table.errors) {
    const auto root = static_cast<float>(in.Next()) / 255;
    error = root * root;
  }
}

/// Six digits: more than any of these is known to.
double Rounded(double value) {
  if (value == 0 || !std::isfinite(value)) {
    return value;
  }
  const double unit = std::pow(10.0, 5 - std::floor(std::log10(std::abs(value))));
  return std::round(value * unit) / unit;
}
void RoundAll(Json& json) {
  for (Json& part : json) {
    if (part.is_number_float()) {
      part = Rounded(part.get<double>());
    } else if (part.is_structured()) {
      RoundAll(part);
    }
  }
}

Json HeaderOf(const FittedTable& table) {
  const LocalSettings& settings = table.settings;
  const UnseenError& unseen = table.unseen;
  Json scales = Json::array();
  for (const ErrorScale& scale : table.error_scales) {
    scales.push_back({scale.below, scale.above});
  }
  return {{"title", TableTitle(table)},
          {"op", Json::parse(OperationText(table.pattern))},
          {"condition", Json::parse(ConditionText(table.condition))},
          {"source", table.source},
          {"library", table.library},
          {"variant", table.variant},
          {"rows", table.shapes.size()},
          {"peak_flops", table.rates.flops},
          {"peak_bandwidth", table.rates.bandwidth},
          {"multiprocessors", table.rates.multiprocessors},
          {"floor_s", settings.physics.floor},
          {"compute_share", settings.physics.compute_share},
          {"memory_share", settings.physics.memory_share},
          {"knee", settings.physics.knee},
          {"neighbours", settings.neighbours},
          {"scale", settings.scale},
          {"error_law",
           {table.error_law.constant, table.error_law.of_errors, table.error_law.of_spread,
            table.error_law.of_reach}},
          {"error_scales", scales},
          {"local_share", table.local_share},
          {"farthest", table.farthest},
          {"error_per_octave", table.error_per_octave},
          {"unseen",
           {{"median", unseen.median},
            {"p90", unseen.p90},
            {"coverage", unseen.coverage},
            {"half_width", unseen.half_width}}}};
}

/// Throws nlohmann's exceptions on a header of another form.
FittedTable TableOf(const Json& json) {
  FittedTable table;
  Result<OperationLine> pattern = ParseOperationLine(json.at("op").dump());
  if (!pattern || std::holds_alternative<OtherOperation>(pattern->operation)) {
    throw Json::other_error::create(501, "a pattern that is no operation", &json);
  }
  table.pattern = std::move(pattern->operation);
  const Json& condition = json.at("condition");
  Result<Condition> read = ParseCondition(condition.dump());
  if (!read) {
    throw Json::other_error::create(501, read.error().message, &json);
  }
  table.condition = *read;
  table.source = json.at("source");
  table.library = json.at("library");
  table.variant = json.at("variant");
  table.rates = {.flops = json.at("peak_flops"),
                 .bandwidth = json.at("peak_bandwidth"),
                 .multiprocessors = json.at("multiprocessors")};
  table.settings.physics = {.floor = json.at("floor_s"),
                            .compute_share = json.at("compute_share"),
                            .memory_share = json.at("memory_share"),
                            .knee = json.at("knee")};
  table.settings.neighbours =
      std::clamp(json.at("neighbours").get<int>(), 1, static_cast<int>(kMostNeighbours));
  table.settings.scale = json.at("scale");
  const Json& law = json.at("error_law");
  table.error_law = {
      .constant = law.at(0), .of_errors = law.at(1), .of_spread = law.at(2), .of_reach = law.at(3)};
  for (size_t band = 0; band < kNumBands; ++band) {
    table.error_scales[band] = {.below = json.at("error_scales").at(band).at(0),
                                .above = json.at("error_scales").at(band).at(1)};
  }
  table.local_share = json.at("local_share");
  table.farthest = json.at("farthest");
  table.error_per_octave = json.at("error_per_octave");
  const Json& unseen = json.at("unseen");
  table.unseen = {.median = unseen.at("median"),
                  .p90 = unseen.at("p90"),
                  .coverage = unseen.at("coverage"),
                  .half_width = unseen.at("half_width")};
  return table;
}

/// Of the table before this one that it starts from.
size_t IndexOfPrior(const Profile& profile, const FittedTable& table) {
  const auto found = std::find_if(
      profile.tables.begin(), profile.tables.end(), [&table](const FittedTable& other) {
        return other.pattern == table.prior->pattern && other.condition == table.prior->condition &&
               other.source == table.source && other.variant.empty() && !other.residuals.empty();
      });
  CHECK(found < profile.tables.end(), "a table starts from one that is not in the profile");
  return static_cast<size_t>(found - profile.tables.begin());
}

}  // namespace

std::string EncodeProfile(const Profile& profile) {
  std::string rows;
  Json tables = Json::array();
  for (const FittedTable& table : profile.tables) {
    Json header = HeaderOf(table);
    RoundAll(header);
    if (table.prior != nullptr) {
      header["prior"] = IndexOfPrior(profile, table);
    }
    tables.push_back(std::move(header));
    PutRows(table, rows);
    PutTrees(table.residuals, rows);
    PutTrees(table.root_errors, rows);
  }
  const Json header{{"gpu", profile.gpu},
                    {"architecture", profile.architecture},
                    {"device", profile.device},
                    {"note", profile.note},
                    {"sustained",
                     {{"constant", profile.sustained.constant},
                      {"slope", profile.sustained.slope},
                      {"error", profile.sustained.error},
                      {"points", profile.sustained.points}}},
                    {"length", rows.size()},
                    {"tables", std::move(tables)}};
  const std::string body = "\n" + header.dump() + "\n" + Deflate(rows);
  return std::string(kMagic) + CheckSum(body) + body;
}

Result<Profile> DecodeProfile(std::string_view bytes) {
  if (!bytes.starts_with(kMagic)) {
    return InvalidArgument("not a calibration profile of this version",
                           "`ridgeline calibrate fit` writes one from measurements");
  }
  bytes.remove_prefix(kMagic.size());
  if (bytes.size() <= kCheckSumDigits ||
      CheckSum(bytes.substr(kCheckSumDigits)) != bytes.substr(0, kCheckSumDigits)) {
    return InvalidArgument("damaged: the profile's check sum is of other bytes",
                           "copy it anew, or write it anew with `ridgeline calibrate fit`");
  }
  bytes.remove_prefix(kCheckSumDigits + 1);
  const size_t end = bytes.find('\n');
  if (end == std::string_view::npos) {
    return InvalidArgument("damaged: the profile's header does not end");
  }
  try {
    const Json header = Json::parse(bytes.substr(0, end));
    Profile profile{.gpu = header.at("gpu"),
                    .architecture = header.at("architecture"),
                    .device = header.at("device"),
                    .note = header.at("note"),
                    .tables = {}};
    const Json& sustained = header.at("sustained");
    profile.sustained = {.constant = sustained.at("constant"),
                         .slope = sustained.at("slope"),
                         .error = sustained.at("error"),
                         .points = sustained.at("points")};
    const size_t length = header.at("length");
    if (length > kMostNumbers) {
      return InvalidArgument("damaged: the profile states more rows than any holds");
    }
    ASSIGN_OR_RETURN(const std::string rows, Inflate(bytes.substr(end + 1), length));
    VarintReader in(rows);
    profile.tables.reserve(header.at("tables").size());
    for (const Json& json : header.at("tables")) {
      profile.tables.push_back(TableOf(json));
      const size_t count = json.at("rows");
      if (count == 0 || count > length) {
        return InvalidArgument("damaged: a table of the profile states no sensible count of rows");
      }
      FittedTable& table = profile.tables.back();
      if (count > length / (NumSizes(table.pattern) + 2)) {
        return InvalidArgument("damaged: a table of the profile states more rows than it holds");
      }
      TakeRows(in, count, table);
      if (!HasSensibleSizes(table)) {
        return InvalidArgument("damaged: a table of the profile holds shapes that are none");
      }
      std::optional<BoostedTrees> residuals = TakeTrees(in, length);
      std::optional<BoostedTrees> root_errors = residuals ? TakeTrees(in, length) : std::nullopt;
      if (!root_errors) {
        return InvalidArgument("damaged: a table of the profile has trees that are none");
      }
      table.residuals = std::move(*residuals);
      if (json.contains("prior")) {
        const size_t index = json.at("prior");
        if (index + 1 >= profile.tables.size() || profile.tables[index].residuals.empty()) {
          return InvalidArgument("damaged: a table of the profile starts from none before it");
        }
        table.prior = PriorOf(profile.tables[index]);
      }
      table.root_errors = std::move(*root_errors);
    }
    if (in.is_short() || !in.is_done()) {
      return InvalidArgument("damaged: the profile's rows do not match its header");
    }
    return profile;
  } catch (const Json::exception& error) {
    return InvalidArgument(fmt::format("damaged: the profile's header: {}", error.what()));
  }
}

Result<Profile> ReadProfile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return NotFound("no such calibration profile: " + path.string());
  }
  const std::string bytes(std::istreambuf_iterator<char>(file), {});
  Result<Profile> profile = DecodeProfile(bytes);
  if (!profile) {
    Error error = std::move(profile).error();
    error.message = path.string() + ": " + error.message;
    return Fail(std::move(error));
  }
  return profile;
}

Status WriteProfile(const std::filesystem::path& path, const Profile& profile) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << EncodeProfile(profile);
  file.close();
  if (!file) {
    return InvalidArgument("cannot write " + path.string());
  }
  return {};
}

}  // namespace ridgeline::calibration
