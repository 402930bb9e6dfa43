#include "planner/validation/network_suite.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <string_view>
#include <utility>

#include "hardware/collective_library.h"
#include "planner/validation/csv_reader.h"

namespace ridgeline::validation {
namespace {

struct NetworkDocument {
  std::string kind;
  std::string name;
  std::string source;
  Ratio agree = {.value = 0.02};
  Ratio referee = {.value = 0.01};
  Seconds referee_patience = Seconds::FromBase(1.0);
  std::vector<AgreementCase> cases;
  std::vector<MeasuredSharing> measured;
};
const Schema<NetworkDocument>& SchemaOf(Tag<NetworkDocument>) {
  using D = NetworkDocument;
  static const Schema<D> schema =
      Schema<D>("cases on which closed forms, flows and SimGrid are laid side by side")
          .Required("kind", &D::kind, "network-agreement")
          .Required("name", &D::name, "of the suite")
          .Required("source", &D::source, "what the cases are")
          .Optional("agree", &D::agree, "most that flows may differ from the closed form",
                    {.above = Ratio{}})
          .Optional("referee", &D::referee, "most that flows may differ from SimGrid",
                    {.above = Ratio{}})
          .Optional("referee_patience", &D::referee_patience,
                    "a case that SimGrid is expected to take longer for is left out there",
                    {.above = Seconds{}})
          .Required("cases", &D::cases, "one collective, or several items of traffic, each")
          .Optional("measured", &D::measured, "collectives measured while others ran");
  return schema;
}

bool IsExchange(CollectiveKind kind) {
  return kind == CollectiveKind::kAllToAll || kind == CollectiveKind::kSend;
}

tl::unexpected<Error> Wrong(const CsvField& field, std::string message) {
  return Fail(
      {.code = ErrorCode::kInvalidArgument, .message = std::move(message), .where = field.where});
}

std::vector<std::string_view> Split(std::string_view text, char by) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t end = text.find(by);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) {
      return parts;
    }
    text.remove_prefix(end + 1);
  }
}

Result<double> Number(const CsvField& field, std::string_view text) {
  double value = 0.0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size() ||
      !(value > 0 && value < 1e15)) {
    return Wrong(field, "expected a number above 0: " + std::string(text));
  }
  return value;
}

Result<std::vector<MeasuredMix>> ReadMixes(const std::filesystem::path& file) {
  ASSIGN_OR_RETURN(const CsvTable table, ReadCsv(file));
  const size_t operations = table.ColumnIndex("ops");
  const size_t bytes = table.ColumnIndex("bytes");
  const size_t times = table.ColumnIndex("us");
  if (std::max({operations, bytes, times}) == CsvTable::kNoColumn) {
    return Fail({.code = ErrorCode::kInvalidArgument,
                 .message = "columns ops, bytes and us are expected",
                 .where = table.where});
  }
  std::vector<MeasuredMix> mixes;
  for (const CsvRow& row : table.rows) {
    MeasuredMix mix;
    for (const std::string_view name : Split(row.fields[operations].text, '+')) {
      if (!OperationNamed(name)) {
        return Wrong(row.fields[operations], "unknown operation: " + std::string(name));
      }
      mix.operations.emplace_back(name);
    }
    ASSIGN_OR_RETURN(const double size, Number(row.fields[bytes], row.fields[bytes].text));
    mix.bytes = Bytes::FromBase(size);
    for (const std::string_view time : Split(row.fields[times].text, '+')) {
      ASSIGN_OR_RETURN(const double microseconds, Number(row.fields[times], time));
      mix.times.push_back(Seconds::FromBase(microseconds * 1e-6));
    }
    if (mix.times.size() != mix.operations.size()) {
      return Wrong(row.fields[times], "a time for each operation is expected");
    }
    mixes.push_back(std::move(mix));
  }
  return mixes;
}

void CheckCase(const AgreementCase& one, const Node& node, const DecodeContext& context) {
  if (one.collective.has_value() == !one.traffic.empty()) {
    context.Fail(node, "one of collective and traffic is expected: " + one.id,
                 "a case holds one of them");
  }
  if (!one.slowdowns.empty() && one.slowdowns.size() != one.traffic.size()) {
    context.Key("slowdowns")
        .Fail(node, "a slowdown for each item is expected: " + one.id,
              "write as many as there are items of traffic");
  }
  const bool is_slowed = one.slowdown != 1.0 || !one.slowdowns.empty() || one.or_more;
  if (is_slowed && one.because.empty()) {
    context.Fail(node, "a slowdown without a reason: " + one.id,
                 "add because: how it is worked out by hand");
  }
}

}  // namespace

const Schema<AgreementCollective>& SchemaOf(Tag<AgreementCollective>) {
  using C = AgreementCollective;
  static const Schema<C> schema =
      Schema<C>("a collective that all equal groups of the cluster do at once")
          .Required("kind", &C::kind, "what is done")
          .Required("bytes", &C::bytes, "the full buffer, as nccl-tests counts it",
                    {.above = Bytes{}})
          .Required("ranks", &C::ranks, "of a group", {.at_least = 2})
          .Optional("ranks_per_node", &C::ranks_per_node, "of a group", {.at_least = 1})
          .Optional("node_stride", &C::node_stride, "from one of its nodes to the next",
                    {.at_least = 1})
          .Optional("algorithm", &C::algorithm,
                    "ring or hierarchical; default: ring, and for exchanges pairwise")
          .Rule([](const C& collective, const Node& node, const DecodeContext& context) {
            const std::string& name = collective.algorithm;
            const bool is_known = IsExchange(collective.kind)
                                      ? name.empty() || name == "pairwise"
                                      : name.empty() || name == "ring" || name == "hierarchical";
            if (!is_known) {
              context.Key("algorithm")
                  .Fail(node, "no agreement is known for " + name,
                        "ring and hierarchical, and pairwise for exchanges: the flows of others "
                        "differ from the library's model by nature (sim/network/README.md)");
            }
          });
  return schema;
}

const Schema<AgreementCase>& SchemaOf(Tag<AgreementCase>) {
  using C = AgreementCase;
  static const Schema<C> schema =
      Schema<C>("one case, priced by closed form, flows and SimGrid")
          .Required("id", &C::id, "what the answer calls it")
          .Required("cluster", &C::cluster, "a name, or written out")
          .Optional("network", &C::network, "as in a scenario; the fidelity is not read")
          .Optional("collective", &C::collective, "what all equal groups do at once")
          .Optional("traffic", &C::traffic, "or: items that share the network, as in a scenario")
          .Optional("slowdown", &C::slowdown, "of flows over the closed form", {.at_least = 1.0})
          .Optional("slowdowns", &C::slowdowns, "of traffic: one an item, instead of slowdown")
          .Optional("or_more", &C::or_more, "so much at least")
          .Optional("because", &C::because, "how the slowdown is worked out by hand")
          .Rule(CheckCase);
  return schema;
}

const Schema<MeasuredSharing>& SchemaOf(Tag<MeasuredSharing>) {
  using M = MeasuredSharing;
  static const Schema<M> schema =
      Schema<M>("collectives measured while others ran, on two GPUs of a node")
          .Required("cluster", &M::cluster, "whose first two GPUs they are")
          .Required("file", &M::file, "columns ops, bytes, us; path from the suite's folder")
          .Optional("misses", &M::misses, "what flows are known to miss");
  return schema;
}

std::optional<CollectiveKind> OperationNamed(std::string_view name) {
  static const std::map<std::string_view, CollectiveKind> kOperations = {
      {"all_reduce", CollectiveKind::kAllReduce},
      {"all_gather", CollectiveKind::kAllGather},
      {"reduce_scatter", CollectiveKind::kReduceScatter},
      {"all_to_all", CollectiveKind::kAllToAll},
      {"broadcast", CollectiveKind::kBroadcast},
      {"send", CollectiveKind::kSend},
      {"send_back", CollectiveKind::kSend}};
  const auto found = kOperations.find(name);
  return found == kOperations.end() ? std::nullopt : std::optional(found->second);
}

bool IsNetworkSuite(const Node& document) {
  const Node* const kind = document.Find("kind");
  return kind != nullptr && kind->scalar == "network-agreement";
}

Result<NetworkSuite> ReadNetworkSuite(const Node& document, const std::filesystem::path& folder) {
  ASSIGN_OR_RETURN(NetworkDocument read, Decode<NetworkDocument>(document));
  NetworkSuite suite{.name = std::move(read.name),
                     .source = std::move(read.source),
                     .agree = read.agree.value,
                     .referee = read.referee.value,
                     .referee_patience = read.referee_patience,
                     .cases = std::move(read.cases),
                     .measured = {}};
  for (MeasuredSharing& described : read.measured) {
    ASSIGN_OR_RETURN(std::vector<MeasuredMix> mixes, ReadMixes(folder / described.file));
    suite.measured.push_back({.described = std::move(described), .mixes = std::move(mixes)});
  }
  return suite;
}

}  // namespace ridgeline::validation
