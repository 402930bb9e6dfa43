#include "hardware/time_correction.h"

#include <utility>

namespace ridgeline::hardware {

const ProtocolCorrections* AlgorithmCorrections::Of(CollectiveAlgorithm algorithm) const {
  switch (algorithm) {
    case CollectiveAlgorithm::kRing:
      return &ring;
    case CollectiveAlgorithm::kTree:
      return &tree;
    case CollectiveAlgorithm::kNvls:
      return &nvls;
    case CollectiveAlgorithm::kNvlsTree:
      return &nvls_tree;
    case CollectiveAlgorithm::kPairwise:
      return &pairwise;
    case CollectiveAlgorithm::kOneShot:
      return &one_shot;
    case CollectiveAlgorithm::kTwoShot:
      return &two_shot;
    case CollectiveAlgorithm::kChosen:
    case CollectiveAlgorithm::kCollNetDirect:
    case CollectiveAlgorithm::kCollNetChain:
    case CollectiveAlgorithm::kPat:
    case CollectiveAlgorithm::kHierarchical:
      break;
  }
  return nullptr;
}

ProtocolCorrections* AlgorithmCorrections::Of(CollectiveAlgorithm algorithm) {
  return const_cast<ProtocolCorrections*>(std::as_const(*this).Of(algorithm));
}

const TimeCorrection* CollectiveCorrections::Find(CollectiveAlgorithm algorithm,
                                                  CollectiveProtocol protocol,
                                                  bool is_one_node) const {
  const ProtocolCorrections* const found = (is_one_node ? one_node : nodes).Of(algorithm);
  if (reference.empty() || found == nullptr || !found->In(protocol)) {
    return nullptr;
  }
  return &*found->In(protocol);
}

const ErrorBand* CollectiveCorrections::ErrorsAt(Bytes size, bool is_one_node) const {
  const ErrorBand* found = nullptr;
  for (const ErrorBand& band : is_one_node ? one_node_errors : nodes_errors) {
    if (!(size < band.from)) {
      found = &band;
    }
  }
  return found;
}

const Schema<TimeCorrection>& SchemaOf(Tag<TimeCorrection>) {
  using C = TimeCorrection;
  static const Schema<C> schema =
      Schema<C>("factors on the library's model of an algorithm in a protocol")
          .Optional("base", &C::base, "on what a collective pays once", {.at_least = 0.0})
          .Optional("step", &C::step, "on what it pays a step", {.at_least = 0.0})
          .Optional("growth", &C::growth, "by which both grow while threads are added",
                    {.at_least = 0.0})
          .Optional("rate", &C::rate, "on the rate of what is sent", {.above = 0.0})
          .Optional("copy", &C::copy, "on that rate, of the last part received; 0: at no cost",
                    {.at_least = 0.0})
          .Optional("fill", &C::fill, "ramp = sqrt(fill x latency x wire)", {.at_least = 0.0})
          .Optional("free", &C::free, "a channel, carried while channels are added",
                    {.at_least = Bytes{}})
          .Optional("channel", &C::channel, "of a channel's ceiling; 0: only links bind",
                    {.at_least = 0.0});
  return schema;
}

const Schema<ProtocolCorrections>& SchemaOf(Tag<ProtocolCorrections>) {
  static const Schema<ProtocolCorrections> schema =
      Schema<ProtocolCorrections>("corrections of an algorithm by protocol")
          .Optional("ll", &ProtocolCorrections::ll, "words with flags")
          .Optional("ll128", &ProtocolCorrections::ll128, "128-byte lines with flags")
          .Optional("simple", &ProtocolCorrections::simple, "chunks behind a fence");
  return schema;
}

const Schema<AlgorithmCorrections>& SchemaOf(Tag<AlgorithmCorrections>) {
  using A = AlgorithmCorrections;
  static const Schema<A> schema =
      Schema<A>("corrections by algorithm; others keep the library's model")
          .Optional("ring", &A::ring, "of rings")
          .Optional("tree", &A::tree, "of double binary trees")
          .Optional("nvls", &A::nvls, "of sums in NVLink's switches")
          .Optional("nvls-tree", &A::nvls_tree, "of sums in NVLink's switches and trees over nodes")
          .Optional("pairwise", &A::pairwise, "of sends and receives")
          .Optional("one-shot", &A::one_shot, "of engines' all-reduces that read all at once")
          .Optional("two-shot", &A::two_shot, "of those that read parts, twice");
  return schema;
}

const Schema<ErrorBand>& SchemaOf(Tag<ErrorBand>) {
  static const Schema<ErrorBand> schema =
      Schema<ErrorBand>("errors held out, of a band of sizes")
          .Required("from", &ErrorBand::from, "size at which the band begins",
                    {.at_least = Bytes{}})
          .Required("low", &ErrorBand::low, "measured over predicted, 5 in 100 are below",
                    {.above = 0.0, .at_most = 1.0})
          .Required("high", &ErrorBand::high, "measured over predicted, 5 in 100 are above",
                    {.at_least = 1.0});
  return schema;
}

const Schema<CollectiveCorrections>& SchemaOf(Tag<CollectiveCorrections>) {
  using C = CollectiveCorrections;
  static const Schema<C> schema =
      Schema<C>("what measurements say of the library's model")
          .Required("reference", &C::reference, "the generation at whose speed factors are stated")
          .Optional("measured_on", &C::measured_on, "GPUs that were measured")
          .Optional("launch", &C::launch, "of a collective launched by itself",
                    {.at_least = Seconds{}})
          .Optional("one_node", &C::one_node, "groups on one node")
          .Optional("nodes", &C::nodes, "groups over nodes")
          .Optional("one_node_errors", &C::one_node_errors, "held out, on one node")
          .Optional("nodes_errors", &C::nodes_errors, "held out, over nodes");
  return schema;
}

}  // namespace ridgeline::hardware
