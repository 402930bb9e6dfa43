#include "hardware/collective_library.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/check.h"

namespace ridgeline::hardware {
namespace {

constexpr std::array<CollectiveAlgorithm, 12> kAlgorithms = {
    CollectiveAlgorithm::kChosen,       CollectiveAlgorithm::kRing,
    CollectiveAlgorithm::kTree,         CollectiveAlgorithm::kNvls,
    CollectiveAlgorithm::kNvlsTree,     CollectiveAlgorithm::kCollNetDirect,
    CollectiveAlgorithm::kCollNetChain, CollectiveAlgorithm::kPat,
    CollectiveAlgorithm::kHierarchical, CollectiveAlgorithm::kPairwise,
    CollectiveAlgorithm::kOneShot,      CollectiveAlgorithm::kTwoShot};
constexpr std::array<CollectiveProtocol, 4> kProtocols = {
    CollectiveProtocol::kChosen, CollectiveProtocol::kLl, CollectiveProtocol::kLl128,
    CollectiveProtocol::kSimple};

void CheckNames(const CollectiveLibrary& library, const ::ridgeline::Node& node,
                const DecodeContext& context) {
  for (const std::string& name : library.algorithms) {
    if (!ParseAlgorithm(name) || name == AlgorithmName(CollectiveAlgorithm::kChosen)) {
      context.Key("algorithms")
          .Fail(node, fmt::format("unknown algorithm: {}", name),
                "known: ring, tree, nvls, nvls-tree, collnet-direct, "
                "collnet-chain, pat, hierarchical, pairwise, one-shot, "
                "two-shot");
    }
  }
  if (!library.generations.contains(library.unlisted)) {
    context.Key("unlisted")
        .Fail(node, fmt::format("no such generation: {}", library.unlisted),
              "name one of generations");
  }
  if (!library.hosts.contains(library.host)) {
    context.Key("host").Fail(node, fmt::format("no such host: {}", library.host),
                             "name one of hosts");
  }
}

void CheckSizes(const TreeCorrection& table, const ::ridgeline::Node& node,
                const DecodeContext& context) {
  const size_t sizes = table.ll.size();
  const auto is_share = [](double share) { return share > 0 && share <= 1; };
  if (table.ll128.size() != sizes || table.simple.size() != sizes ||
      static_cast<size_t>(std::max(table.tree_sizes, table.nvls_tree_sizes)) > sizes) {
    context.Fail(node, "the protocols' tables must be of one length, not below the sizes in use",
                 "give ll, ll128 and simple one figure a size");
  }
  for (const auto& list : {table.ll, table.ll128, table.simple}) {
    if (!std::ranges::all_of(list, is_share)) {
      context.Fail(node, "a correction must be above 0 and at most 1", "write 0.7 for 70 %");
    }
  }
}

}  // namespace

const Schema<StepCosts>& SchemaOf(Tag<StepCosts>) {
  static const Schema<StepCosts> schema =
      Schema<StepCosts>("latencies of an algorithm in a protocol")
          .Optional("base", &StepCosts::base, "once a collective", {.at_least = Seconds{}})
          .Optional("nvlink", &StepCosts::nvlink, "a step over NVLink", {.at_least = Seconds{}})
          .Optional("pcie", &StepCosts::pcie, "a step over PCIe", {.at_least = Seconds{}})
          .Optional("network", &StepCosts::network, "a step between nodes",
                    {.at_least = Seconds{}});
  return schema;
}

const Schema<AlgorithmCosts>& SchemaOf(Tag<AlgorithmCosts>) {
  static const Schema<AlgorithmCosts> schema =
      Schema<AlgorithmCosts>("an algorithm's latencies by protocol; one that is absent is not had")
          .Optional("ll", &AlgorithmCosts::ll, "words with flags")
          .Optional("ll128", &AlgorithmCosts::ll128, "128-byte lines with flags")
          .Optional("simple", &AlgorithmCosts::simple, "chunks behind a fence");
  return schema;
}

const Schema<LibraryLatencies>& SchemaOf(Tag<LibraryLatencies>) {
  static const Schema<LibraryLatencies> schema =
      Schema<LibraryLatencies>("latencies by algorithm")
          .Optional("ring", &LibraryLatencies::ring, "of rings")
          .Optional("tree", &LibraryLatencies::tree, "of double binary trees")
          .Optional("collnet-direct", &LibraryLatencies::collnet_direct,
                    "of sums in the fabric's switches, every GPU at its port")
          .Optional("collnet-chain", &LibraryLatencies::collnet_chain,
                    "of sums in the fabric's switches, a chain through the node")
          .Optional("nvls", &LibraryLatencies::nvls, "of sums in NVLink's switches")
          .Optional("nvls-tree", &LibraryLatencies::nvls_tree,
                    "of sums in NVLink's switches and trees over nodes")
          .Optional("pat", &LibraryLatencies::pat, "of aggregated trees")
          .Optional("pairwise", &LibraryLatencies::pairwise, "of sends and receives");
  return schema;
}

const Schema<ChannelCeiling>& SchemaOf(Tag<ChannelCeiling>) {
  static const Schema<ChannelCeiling> schema =
      Schema<ChannelCeiling>("most that a channel carries")
          .Optional("one_node", &ChannelCeiling::one_node, "on one node; 0: any")
          .Optional("two_nodes", &ChannelCeiling::two_nodes, "over two; 0: any")
          .Optional("more_nodes", &ChannelCeiling::more_nodes, "over more; 0: any");
  return schema;
}

const Schema<LibraryGeneration>& SchemaOf(Tag<LibraryGeneration>) {
  using G = LibraryGeneration;
  static const Schema<G> schema =
      Schema<G>("what the library knows of a generation of GPUs")
          .Required("architectures", &G::architectures, "of configs/gpus that it stands for")
          .Required("ll_most", &G::ll_most, "that LL carries on one node",
                    {.above = BytesPerSecond{}})
          .Optional("ring_ll128_channel", &G::ring_ll128_channel, "ceiling of LL128 rings")
          .Optional("tree_ll128_channel", &G::tree_ll128_channel, "ceiling of LL128 trees")
          .Optional("tree_channel", &G::tree_channel, "ceiling of trees")
          .Optional("nvls_tree_channel", &G::nvls_tree_channel, "ceiling of NVLSTree")
          .Optional("nvls_efficiency", &G::nvls_efficiency,
                    "of NVLink's switches that add; 0: they do not",
                    {.at_least = 0.0, .at_most = 1.0})
          .Optional("nvls_share", &G::nvls_share,
                    "of NVLink's rate, at which a GPU passes S (1 + 1/n) in an NVLS all-reduce",
                    {.at_least = 0.0, .at_most = 1.0})
          .Optional("nvls_least_ranks", &G::nvls_least_ranks, "a node that NVLS is used for",
                    {.at_least = 2})
          .Optional("nvls_channels", &G::nvls_channels, "thread blocks of NVLS", {.at_least = 1})
          .Optional("corrects_nvls_tree", &G::corrects_nvls_tree,
                    "tree_correction holds for NVLSTree too")
          .Optional("plateau", &G::plateau, "on the latency of large Simple rings over nodes",
                    {.at_least = 1.0})
          .Optional("collnet_direct_share", &G::collnet_direct_share, "of the links' rate",
                    {.above = 0.0, .at_most = 1.0})
          .Required("speeds_inside", &G::speeds_inside,
                    "rates of a channel that the search tries inside a node, fastest first")
          .Required("speeds_across", &G::speeds_across, "the same between nodes")
          .Required("doubles_from", &G::doubles_from,
                    "a channel found at this rate or above is made two at half of it")
          .Required("doubles_many_from", &G::doubles_many_from,
                    "the same where more than four channels were found");
  return schema;
}

const Schema<LibraryHost>& SchemaOf(Tag<LibraryHost>) {
  static const Schema<LibraryHost> schema =
      Schema<LibraryHost>("what the library knows of a make of hosts")
          .Required("overhead", &LibraryHost::overhead,
                    "least time of a ring's step inside a node while others leave it",
                    {.at_least = Seconds{}})
          .Required("ll_two_nodes", &LibraryHost::ll_two_nodes,
                    "most that LL carries over two nodes", {.above = BytesPerSecond{}})
          .Required("ll_more_nodes", &LibraryHost::ll_more_nodes, "the same over more",
                    {.above = BytesPerSecond{}});
  return schema;
}

const Schema<LibraryShares>& SchemaOf(Tag<LibraryShares>) {
  using S = LibraryShares;
  const Limits<double> share = {.above = 0.0, .at_most = 1.0};
  static const Schema<S> schema =
      Schema<S>("shares of the bus bandwidth that the links give")
          .Optional("ring_ll", &S::ring_ll, "rings, LL", share)
          .Optional("ring_ll128", &S::ring_ll128, "rings, LL128", share)
          .Optional("ring_ll128_one_rank", &S::ring_ll128_one_rank,
                    "rings, LL128, fewer than two ranks a node", share)
          .Optional("tree", &S::tree, "trees", share)
          .Optional("tree_ll", &S::tree_ll, "of the trees', LL", share)
          .Optional("tree_ll128_one_node", &S::tree_ll128_one_node, "of the trees', LL128", share)
          .Optional("tree_ll128_nodes", &S::tree_ll128_nodes, "of the trees', LL128 over nodes",
                    share)
          .Optional("pat", &S::pat, "aggregated trees", share)
          .Optional("collnet_gather_across", &S::collnet_gather_across,
                    "all-gathers through the fabric's switches", share)
          .Optional("pairwise_ll", &S::pairwise_ll, "sends, LL", share)
          .Optional("pairwise_inside", &S::pairwise_inside, "all-to-all in a node", share)
          .Optional("pairwise_across", &S::pairwise_across, "all-to-all between nodes", share);
  return schema;
}

const Schema<TreeCorrection>& SchemaOf(Tag<TreeCorrection>) {
  static const Schema<TreeCorrection> schema =
      Schema<TreeCorrection>("on a tree's bandwidth, one figure a size from 64 B, doubling")
          .Optional("ll", &TreeCorrection::ll, "in LL")
          .Optional("ll128", &TreeCorrection::ll128, "in LL128")
          .Optional("simple", &TreeCorrection::simple, "in Simple")
          .Optional("tree_sizes", &TreeCorrection::tree_sizes, "figures that hold for trees",
                    {.at_least = 0})
          .Optional("nvls_tree_sizes", &TreeCorrection::nvls_tree_sizes,
                    "figures that hold for NVLSTree where it is corrected", {.at_least = 0})
          .Rule(CheckSizes);
  return schema;
}

const Schema<NvlsModel>& SchemaOf(Tag<NvlsModel>) {
  static const Schema<NvlsModel> schema =
      Schema<NvlsModel>("what a version believes of sums in NVLink's switches when it chooses")
          .Optional("ratio", &NvlsModel::ratio,
                    "rate of an all-reduce over its graph's bus bandwidth, where a constant")
          .Optional("two_nodes", &NvlsModel::two_nodes, "on the network's rate of NVLSTree",
                    {.above = 0.0})
          .Optional("more_nodes", &NvlsModel::more_nodes, "the same beyond two nodes",
                    {.above = 0.0})
          .Optional("gathers", &NvlsModel::gathers, "all-gather and reduce-scatter too");
  return schema;
}

const Schema<ChannelLimits>& SchemaOf(Tag<ChannelLimits>) {
  using C = ChannelLimits;
  static const Schema<C> schema =
      Schema<C>("thread blocks of a collective's kernel")
          .Optional("most", &C::most, "of any kernel", {.at_least = 1})
          .Optional("pairwise", &C::pairwise, "of sends and receives", {.at_least = 1})
          .Optional("threads", &C::threads, "a block, LL and Simple", {.at_least = 1})
          .Optional("threads_ll128", &C::threads_ll128, "a block, LL128", {.at_least = 1})
          .Optional("bytes_a_thread_ll", &C::bytes_a_thread_ll,
                    "below which there are fewer blocks; times the ranks on rings", {.above = 0.0})
          .Optional("bytes_a_thread_ll128", &C::bytes_a_thread_ll128, "the same in LL128",
                    {.above = 0.0})
          .Optional("bytes_a_thread_simple", &C::bytes_a_thread_simple, "the same in Simple",
                    {.above = 0.0})
          .Optional("bytes_a_thread_collnet", &C::bytes_a_thread_collnet, "the same of CollNet",
                    {.above = 0.0})
          .Optional("pairwise_at_a_time", &C::pairwise_at_a_time, "exchanges that go on at once",
                    {.at_least = 1});
  return schema;
}

const Schema<CustomAllReduce>& SchemaOf(Tag<CustomAllReduce>) {
  using C = CustomAllReduce;
  static const Schema<C> schema =
      Schema<C>("all-reduces of serving engines, by reads over NVLink")
          .Optional("one_shot", &C::one_shot, "start of the kernel that reads all of every peer",
                    {.at_least = Seconds{}})
          .Optional("two_shot", &C::two_shot, "start of the one that reads parts, twice",
                    {.at_least = Seconds{}})
          .Optional("one_shot_share", &C::one_shot_share, "of NVLink's rate",
                    {.above = 0.0, .at_most = 1.0})
          .Optional("two_shot_share", &C::two_shot_share, "of NVLink's rate",
                    {.above = 0.0, .at_most = 1.0})
          .Optional("most_ranks", &C::most_ranks, "that they are written for", {.at_least = 2})
          .Optional("blocks", &C::blocks, "thread blocks of the kernels", {.at_least = 1});
  return schema;
}

const Schema<CollectiveLibrary>& SchemaOf(Tag<CollectiveLibrary>) {
  using L = CollectiveLibrary;
  static const Schema<L> schema =
      Schema<L>("a collective library of one version")
          .Optional("name", &L::name, "as in configs/collectives; the file's name by default")
          .Optional("title", &L::title, "for people")
          .Optional("aliases", &L::aliases, "other names")
          .Required("version", &L::version, "of the library")
          .Required("algorithms", &L::algorithms, "that it has")
          .Required("latencies", &L::latencies, "of a step, by algorithm and protocol")
          .Required("generations", &L::generations, "what it knows of GPUs")
          .Required("unlisted", &L::unlisted, "the generation that stands for other GPUs")
          .Required("hosts", &L::hosts, "what it knows of hosts")
          .Required("host", &L::host, "the host that is taken")
          .Optional("simple_overhead", &L::simple_overhead, "times the host's overhead in Simple",
                    {.at_least = 0.0})
          .Optional("ring_crosses_every_node", &L::ring_crosses_every_node,
                    "a turn of a ring has as many steps between nodes as nodes, not one less")
          .Optional("shares", &L::shares, "of the links' bandwidth")
          .Optional("tree_correction", &L::tree_correction, "on a tree's bandwidth by size")
          .Optional("nvls", &L::nvls, "how sums in NVLink's switches are modelled")
          .Optional("channels", &L::channels, "thread blocks")
          .Optional("collnet_arity", &L::collnet_arity,
                    "wait of CollNetDirect for each GPU of a node", {.at_least = Seconds{}})
          .Optional("pat_steps_a_latency", &L::pat_steps_a_latency,
                    "steps of the aggregated trees that one network latency covers", {.above = 0.0})
          .Optional("pat_rank", &L::pat_rank, "what each rank adds to them",
                    {.at_least = Seconds{}})
          .Optional("assumed_network_latency", &L::assumed_network_latency,
                    "that the latencies contain; a fabric's excess is added to each step",
                    {.at_least = Seconds{}})
          .Optional("corrections", &L::corrections,
                    "what measurements say of the library's model; absent: nothing")
          .Optional("custom_all_reduce", &L::custom_all_reduce, "one-shot and two-shot")
          .Optional("sources", &L::sources, "key -> where the figures were read")
          .Rule(CheckNames);
  return schema;
}

const LibraryGeneration& CollectiveLibrary::GenerationOf(std::string_view architecture) const {
  for (const auto& [unused, generation] : generations) {
    if (std::ranges::find(generation.architectures, architecture) !=
        generation.architectures.end()) {
      return generation;
    }
  }
  const auto found = generations.find(unlisted);
  CHECK(found != generations.end(), "{} knows no generation {}", name, unlisted);
  return found->second;
}

const LibraryHost& CollectiveLibrary::HostInUse() const {
  const auto found = hosts.find(host);
  CHECK(found != hosts.end(), "{} knows no host {}", name, host);
  return found->second;
}

bool CollectiveLibrary::Has(CollectiveAlgorithm algorithm) const {
  return std::ranges::find(algorithms, AlgorithmName(algorithm)) != algorithms.end();
}

std::optional<CollectiveAlgorithm> ParseAlgorithm(std::string_view name) {
  const auto found = std::ranges::find(kAlgorithms, name, AlgorithmName);
  return found == kAlgorithms.end() ? std::nullopt : std::optional(*found);
}

std::optional<CollectiveProtocol> ParseProtocol(std::string_view name) {
  const auto found = std::ranges::find(kProtocols, name, ProtocolName);
  return found == kProtocols.end() ? std::nullopt : std::optional(*found);
}

}  // namespace ridgeline::hardware
