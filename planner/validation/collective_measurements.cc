#include "planner/validation/collective_measurements.h"

#include <charconv>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/held_out.h"
#include "base/sha256.h"
#include "hardware/collective_library.h"
#include "planner/validation/csv_reader.h"
#include "sim/network/bus_factor.h"
#include "workloads/trace_file.h"

namespace ridgeline::validation {
namespace {

struct TableDescription {
  std::string gpu;
  std::string cluster;
  std::string file;
  std::string engine;
};
const Schema<TableDescription>& SchemaOf(Tag<TableDescription>) {
  using D = TableDescription;
  static const Schema<D> schema = Schema<D>("a table of measured times")
                                      .Required("gpu", &D::gpu, "what the suite calls the GPU")
                                      .Required("cluster", &D::cluster, "of the catalog")
                                      .Required("file", &D::file, "path from the suite's folder")
                                      .Optional("engine", &D::engine, "whose all-reduces they are");
  return schema;
}

struct MachineDescription {
  std::string gpu;
  std::string fabric;
  std::string cluster;
  std::string algorithm = "chosen";
  bool launch = true;
};
const Schema<MachineDescription>& SchemaOf(Tag<MachineDescription>) {
  using D = MachineDescription;
  static const Schema<D> schema =
      Schema<D>("what published rows mean by a GPU and a fabric")
          .Required("gpu", &D::gpu, "column gpu")
          .Required("fabric", &D::fabric, "column fabric")
          .Required("cluster", &D::cluster, "of the catalog, with as many nodes as the row says")
          .Optional("algorithm", &D::algorithm, "that ran")
          .Optional("launch", &D::launch, "launched by itself: not in a CUDA graph");
  return schema;
}

struct CollectivesDocument {
  std::string kind;
  std::string name;
  std::string source;
  std::vector<TableDescription> tables;
  std::vector<TableDescription> forced;
  std::vector<TableDescription> engines;
  std::string published;
  std::vector<MachineDescription> machines;
  std::vector<CollectivePeer> peers;
};
const Schema<CollectivesDocument>& SchemaOf(Tag<CollectivesDocument>) {
  using D = CollectivesDocument;
  static const Schema<D> schema =
      Schema<D>("measured times of collectives")
          .Required("kind", &D::kind, "collectives")
          .Required("name", &D::name, "of the suite")
          .Required("source", &D::source, "who measured")
          .Optional("tables", &D::tables, "NCCL's own choice, in CUDA graphs")
          .Optional("forced", &D::forced, "two GPUs, algorithm and protocol named")
          .Optional("engines", &D::engines, "all-reduces that serving engines bring along")
          .Optional("published", &D::published, "rows of bus bandwidth from many places")
          .Optional("machines", &D::machines, "what those rows mean")
          .Optional("peers", &D::peers, "what others report, cited");
  return schema;
}

constexpr int64_t kRanksOfANode = 8;
constexpr double kMostEngineBytes = 4 * 1024 * 1024;  // beyond, the engines call NCCL

std::optional<CollectiveKind> KindOf(std::string_view name) {
  static const std::map<std::string_view, CollectiveKind> kKinds = {
      {"all_reduce", CollectiveKind::kAllReduce},
      {"allreduce", CollectiveKind::kAllReduce},
      {"all_gather", CollectiveKind::kAllGather},
      {"allgather", CollectiveKind::kAllGather},
      {"reduce_scatter", CollectiveKind::kReduceScatter},
      {"reducescatter", CollectiveKind::kReduceScatter},
      {"alltoall", CollectiveKind::kAllToAll},
      {"all_to_all", CollectiveKind::kAllToAll},
      {"broadcast", CollectiveKind::kBroadcast},
      {"send", CollectiveKind::kSend}};
  const auto found = kKinds.find(name);
  return found == kKinds.end() ? std::nullopt : std::optional(found->second);
}

/// Rows of a table with their columns by name.
class Table {
 public:
  static Result<Table> Read(const std::filesystem::path& file) {
    ASSIGN_OR_RETURN(workloads::TraceFile lines, workloads::TraceFile::Read(file));
    std::string text;
    while (const std::optional<std::string_view> line = lines.Next()) {
      text += *line;
      text += '\n';
    }
    ASSIGN_OR_RETURN(CsvTable csv, ParseCsv(file.filename().string(), std::move(text)));
    return Table(std::move(csv));
  }

  const std::vector<CsvRow>& rows() const { return csv_.rows; }

  /// Empty where there is no such column.
  std::string Text(const CsvRow& row, std::string_view column) const {
    const size_t index = csv_.ColumnIndex(column);
    return index == CsvTable::kNoColumn ? std::string() : row.fields[index].text;
  }

  Result<double> Number(const CsvRow& row, std::string_view column) const {
    const size_t index = csv_.ColumnIndex(column);
    if (index == CsvTable::kNoColumn) {
      return Wrong(row.fields.front(), fmt::format("no column {}", column));
    }
    const CsvField& field = row.fields[index];
    double value = 0.0;
    const char* const end = field.text.data() + field.text.size();
    const auto read = std::from_chars(field.text.data(), end, value);
    if (read.ec != std::errc() || read.ptr != end || !(value >= 0 && value < 1e18)) {
      return Wrong(field, "expected a number from 0: " + field.text);
    }
    return value;
  }

  Result<CollectiveKind> Kind(const CsvRow& row, std::string_view column) const {
    const std::optional<CollectiveKind> kind = KindOf(Text(row, column));
    return kind ? Result<CollectiveKind>(*kind)
                : Wrong(row.fields.front(), "unknown collective: " + Text(row, column));
  }

  static tl::unexpected<Error> Wrong(const CsvField& field, std::string message) {
    return Fail(
        {.code = ErrorCode::kInvalidArgument, .message = std::move(message), .where = field.where});
  }

 private:
  explicit Table(CsvTable csv) : csv_(std::move(csv)) {}
  CsvTable csv_;
};

std::string IdOf(const MeasuredCollective& point, std::string_view detail) {
  return fmt::format("{} {} {} x{} {:.0f} B {}", point.gpu, CollectiveName(point.collective.kind),
                     detail, point.collective.group.ranks, point.collective.bytes.base(),
                     point.from);
}

RankGroup OneNode(double ranks) {
  return {.ranks = static_cast<int64_t>(ranks), .ranks_per_node = static_cast<int64_t>(ranks)};
}

Status AddTable(const TableDescription& of, const std::filesystem::path& folder,
                MeasuredCollectives& suite) {
  ASSIGN_OR_RETURN(const Table table, Table::Read(folder / of.file));
  for (const CsvRow& row : table.rows()) {
    MeasuredCollective point{.gpu = of.gpu, .cluster = of.cluster, .from = "NCCL"};
    const std::string dtype = table.Text(row, "nccl_dtype");
    const bool is_half = dtype == "half";
    if (!is_half && dtype != "int8") {
      return Table::Wrong(row.fields.front(), "unknown data type: " + dtype);
    }
    ASSIGN_OR_RETURN(point.collective.kind, table.Kind(row, "op_name"));
    ASSIGN_OR_RETURN(const double ranks, table.Number(row, "num_gpus"));
    ASSIGN_OR_RETURN(const double elements, table.Number(row, "message_size"));
    ASSIGN_OR_RETURN(const double milliseconds, table.Number(row, "latency"));
    point.collective.dtype = is_half ? DType::kFp16 : DType::kInt8;
    point.collective.bytes = Bytes::FromBase(elements * (is_half ? 2 : 1));
    point.collective.group = OneNode(ranks);
    point.time = Seconds::FromBase(milliseconds * 1e-3);
    point.id = IdOf(point, dtype);
    suite.points.push_back(std::move(point));
  }
  return {};
}

Status AddForced(const TableDescription& of, const std::filesystem::path& folder,
                 MeasuredCollectives& suite) {
  ASSIGN_OR_RETURN(const Table table, Table::Read(folder / of.file));
  for (const CsvRow& row : table.rows()) {
    MeasuredCollective point{
        .source = CollectiveSource::kForced, .gpu = of.gpu, .cluster = of.cluster, .from = "ours"};
    ASSIGN_OR_RETURN(point.collective.kind, table.Kind(row, "op"));
    ASSIGN_OR_RETURN(const double bytes, table.Number(row, "bytes"));
    ASSIGN_OR_RETURN(const double microseconds, table.Number(row, "us"));
    const auto algorithm = hardware::ParseAlgorithm(table.Text(row, "algorithm"));
    const auto protocol = hardware::ParseProtocol(table.Text(row, "protocol"));
    if (!algorithm || !protocol) {
      return Table::Wrong(row.fields.front(), "unknown algorithm or protocol");
    }
    point.collective.algorithm = *algorithm;
    point.collective.protocol = *protocol;
    point.collective.bytes = Bytes::FromBase(bytes);
    point.collective.group = OneNode(2);
    point.time = Seconds::FromBase(microseconds * 1e-6);
    point.id =
        IdOf(point, fmt::format("{}/{}", AlgorithmName(*algorithm), ProtocolName(*protocol)));
    suite.points.push_back(std::move(point));
  }
  return {};
}

/// vllm-project/vllm csrc/custom_all_reduce.cuh: two ranks, or little, in one shot.
CollectiveAlgorithm EngineAlgorithm(double ranks, double bytes) {
  const double two_shots_from = ranks <= 4 ? 512 * 1024 : 256 * 1024;
  return ranks <= 2 || bytes < two_shots_from ? CollectiveAlgorithm::kOneShot
                                              : CollectiveAlgorithm::kTwoShot;
}

Status AddEngine(const TableDescription& of, const std::filesystem::path& folder,
                 MeasuredCollectives& suite) {
  ASSIGN_OR_RETURN(const Table table, Table::Read(folder / of.file));
  for (const CsvRow& row : table.rows()) {
    if (table.Text(row, "backend").ends_with("_eager")) {
      continue;  // a host's launches
    }
    MeasuredCollective point{.source = CollectiveSource::kEngine,
                             .gpu = of.gpu,
                             .cluster = of.cluster,
                             .from = of.engine};
    ASSIGN_OR_RETURN(const double ranks, table.Number(row, "num_gpus"));
    ASSIGN_OR_RETURN(const double elements, table.Number(row, "message_size"));
    ASSIGN_OR_RETURN(const double milliseconds, table.Number(row, "latency"));
    const double bytes = 2 * elements;
    if (bytes > kMostEngineBytes) {
      continue;
    }
    point.collective.kind = CollectiveKind::kAllReduce;
    point.collective.algorithm = EngineAlgorithm(ranks, bytes);
    point.collective.bytes = Bytes::FromBase(bytes);
    point.collective.group = OneNode(ranks);
    point.time = Seconds::FromBase(milliseconds * 1e-3);
    point.id = IdOf(point, AlgorithmName(point.collective.algorithm));
    suite.points.push_back(std::move(point));
  }
  return {};
}

Status AddPublished(const CollectivesDocument& of, const std::filesystem::path& folder,
                    MeasuredCollectives& suite) {
  ASSIGN_OR_RETURN(const Table table, Table::Read(folder / of.published));
  for (const CsvRow& row : table.rows()) {
    MeasuredCollective point{.source = CollectiveSource::kPublished,
                             .gpu = table.Text(row, "gpu"),
                             .from = table.Text(row, "source")};
    ASSIGN_OR_RETURN(point.collective.kind, table.Kind(row, "collective"));
    ASSIGN_OR_RETURN(const double nodes, table.Number(row, "nodes"));
    ASSIGN_OR_RETURN(const double ranks, table.Number(row, "gpus"));
    ASSIGN_OR_RETURN(const double bytes, table.Number(row, "size_bytes"));
    ASSIGN_OR_RETURN(const double gigabytes, table.Number(row, "busbw_gbps"));
    if (!(nodes >= 1 && ranks >= 2)) {
      return Table::Wrong(row.fields.front(), "a node and two GPUs at least");
    }
    const std::string fabric = table.Text(row, "fabric");
    point.collective.bytes = Bytes::FromBase(bytes);
    point.collective.group = {.ranks = static_cast<int64_t>(ranks),
                              .ranks_per_node = static_cast<int64_t>(ranks / nodes)};
    std::string key;
    for (const std::string_view column :
         {"gpu", "nodes", "gpus", "fabric", "collective", "size_bytes", "source"}) {
      key += (key.empty() ? "" : ",") + table.Text(row, column);
    }
    const std::string digest = Sha256(key);
    point.is_held_out = IsHeldOutDigest(digest);
    point.quarter = digest[digest.size() - 2] % 4;
    point.id = IdOf(point, fabric);
    if (bytes > 0) {  // 0: the source names no size
      for (const MachineDescription& machine : of.machines) {
        if (machine.gpu == point.gpu && machine.fabric == fabric) {
          point.cluster = machine.cluster;
          point.is_launched_alone = machine.launch;
          point.collective.algorithm =
              hardware::ParseAlgorithm(machine.algorithm).value_or(CollectiveAlgorithm::kChosen);
        }
      }
      point.time = Seconds::FromBase(BusFactor(point.collective) * bytes / (gigabytes * 1e9));
    }
    suite.points.push_back(std::move(point));
  }
  return {};
}

}  // namespace

const Schema<CollectivePeer>& SchemaOf(Tag<CollectivePeer>) {
  static const Schema<CollectivePeer> schema =
      Schema<CollectivePeer>("what another simulator reports of itself")
          .Required("what", &CollectivePeer::what, "who, of what, and where it stands")
          .Required("error", &CollectivePeer::error, "mean error");
  return schema;
}

bool IsMeasuredCollectives(const Node& document) {
  const Node* const kind = document.Find("kind");
  return kind != nullptr && kind->scalar == "collectives";
}

double BusFactor(const Collective& collective) {
  return network::BusFactor(collective.kind, static_cast<double>(collective.group.ranks));
}

Result<MeasuredCollectives> ReadMeasuredCollectives(const Node& document,
                                                    const std::filesystem::path& folder) {
  ASSIGN_OR_RETURN(const CollectivesDocument read, Decode<CollectivesDocument>(document));
  MeasuredCollectives suite{
      .name = read.name, .source = read.source, .points = {}, .peers = read.peers};
  for (const TableDescription& table : read.tables) {
    RETURN_IF_ERROR(AddTable(table, folder, suite));
  }
  for (const TableDescription& table : read.forced) {
    RETURN_IF_ERROR(AddForced(table, folder, suite));
  }
  for (const TableDescription& table : read.engines) {
    RETURN_IF_ERROR(AddEngine(table, folder, suite));
  }
  if (!read.published.empty()) {
    RETURN_IF_ERROR(AddPublished(read, folder, suite));
  }
  return suite;
}

}  // namespace ridgeline::validation
