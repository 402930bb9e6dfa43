#include "base/config_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ridgeline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

enum class Kind { kRing, kTree };
constexpr std::pair<std::string_view, Kind> kKinds[] = {{"ring", Kind::kRing},
                                                        {"tree", Kind::kTree}};
EnumTable<Kind> EnumNames(Tag<Kind>) { return kKinds; }

struct Link {
  BytesPerSecond bandwidth;
  Seconds latency = Microseconds(2);
};
const Schema<Link>& SchemaOf(Tag<Link>) {
  static const Schema<Link> schema =
      Schema<Link>("a link")
          .Required("bandwidth", &Link::bandwidth, "of one port, each way",
                    {.above = BytesPerSecond{}})
          .Optional("latency", &Link::latency, "of one hop", {.at_least = Seconds{}});
  return schema;
}

struct Fabric {
  int tp = 1;
  Kind kind = Kind::kRing;
  DType dtype = DType::kBf16;
  bool is_lossless = true;
  Ratio efficiency{.value = 0.85};
  UsDollars price{.amount = 2.5};
  std::optional<Link> uplink;
  std::vector<Link> links;
  std::map<std::string, Link> named;
  Reference<Link> spine;
};
const Schema<Fabric>& SchemaOf(Tag<Fabric>) {
  static const Schema<Fabric> schema =
      Schema<Fabric>("a fabric")
          .Optional("tp", &Fabric::tp, "tensor parallel size", {.at_least = 1, .at_most = 64})
          .Optional("kind", &Fabric::kind, "the algorithm")
          .Optional("dtype", &Fabric::dtype, "of the data")
          .Optional("lossless", &Fabric::is_lossless, "whether it drops packets")
          .Optional("efficiency", &Fabric::efficiency, "of peak")
          .Optional("price", &Fabric::price, "of a port")
          .Optional("uplink", &Fabric::uplink, "to the core")
          .Optional("links", &Fabric::links, "one a port")
          .Optional("named", &Fabric::named, "by name")
          .Optional("spine", &Fabric::spine, "the spine's link")
          .Rule([](const Fabric& fabric, const Node& node, const DecodeContext& context) {
            if (fabric.kind == Kind::kTree && fabric.tp == 1) {
              context.Fail(node, "a tree needs more than one rank");
            }
          });
  return schema;
}

Result<Fabric> Read(std::string text) {
  const Result<Node> node = ParseDocument("f.yaml", std::move(text));
  EXPECT_TRUE(node);
  return Decode<Fabric>(*node, "cluster.fabric");
}
std::string Refusal(std::string text) {
  const Result<Fabric> fabric = Read(std::move(text));
  EXPECT_FALSE(fabric);
  return fabric ? "" : RenderError(fabric.error());
}

TEST(DecodeTest, ReadsEveryKindOfMember) {
  const Result<Fabric> fabric = Read(
      "tp: 8\nkind: tree\ndtype: fp8\nlossless: false\nefficiency: 90 %\nprice: 100 USD\n"
      "uplink: {bandwidth: 400 Gb/s}\nlinks: [{bandwidth: 50 GB/s, latency: 1 us}]\n"
      "named: {a: {bandwidth: 1 GB/s}}\nspine: {base: fast, latency: 3 us}\n");
  ASSERT_TRUE(fabric) << RenderError(fabric.error());
  EXPECT_EQ(fabric->tp, 8);
  EXPECT_EQ(fabric->kind, Kind::kTree);
  EXPECT_EQ(fabric->dtype, DType::kFp8);
  EXPECT_FALSE(fabric->is_lossless);
  EXPECT_EQ(fabric->efficiency.value, 0.9);
  EXPECT_EQ(fabric->price.amount, 100);
  EXPECT_EQ(fabric->uplink->bandwidth.base(), 50e9);
  EXPECT_EQ(fabric->uplink->latency, Microseconds(2));
  EXPECT_EQ(fabric->links.at(0).latency, Microseconds(1));
  EXPECT_EQ(fabric->named.at("a").bandwidth.base(), 1e9);
  EXPECT_EQ(fabric->spine.name, "fast");
  EXPECT_EQ(fabric->spine.path, "cluster.fabric.spine");
  ASSERT_TRUE(fabric->spine.inline_map);
  EXPECT_EQ(WriteYaml(*fabric->spine.inline_map), "latency: 3 us\n");
}

TEST(DecodeTest, AMissingUnitIsUnderlinedAndBothSpellingsOffered) {
  EXPECT_EQ(Refusal("links:\n  - bandwidth: 400\n"),
            "f.yaml:2:16: error: bandwidth needs a unit: 400\n"
            "    2 |   - bandwidth: 400\n"
            "      |                ^~~\n"
            "  hint: write 400 Gb/s (bits) or 50 GB/s (bytes)           "
            "[cluster.fabric.links[0].bandwidth]\n");
}

TEST(DecodeTest, AnUnknownKeyIsAnsweredWithTheNearest) {
  EXPECT_EQ(Refusal("tp: 1\neficiency: 0.5\n"),
            "f.yaml:2:1: error: unknown key: eficiency\n"
            "    2 | eficiency: 0.5\n"
            "      | ^~~~~~~~~\n"
            "  hint: did you mean efficiency?                           [cluster.fabric]\n");
}

TEST(DecodeTest, ADuplicateKeyNamesBothPlaces) {
  EXPECT_EQ(Refusal("tp: 1\ntp: 2\n"),
            "f.yaml:2:1: error: duplicate key: tp\n"
            "    2 | tp: 2\n"
            "      | ^~\n"
            "  note: f.yaml:1:1: tp is first set here\n"
            "  hint: keep one of them                                   [cluster.fabric]\n");
}

TEST(DecodeTest, AMissingKeyIsNamedWithItsMeaningAndAnExample) {
  EXPECT_EQ(Refusal("uplink: {latency: 1 us}\n"),
            "f.yaml:1:9: error: missing key: bandwidth\n"
            "    1 | uplink: {latency: 1 us}\n"
            "      |         ^\n"
            "  hint: add bandwidth: 400 Gb/s (of one port, each way)    "
            "[cluster.fabric.uplink]\n");
}

TEST(DecodeTest, ARangeIsSaid) {
  EXPECT_THAT(Refusal("tp: 0"), HasSubstr("tp must be at least 1, at most 64: 0"));
  EXPECT_THAT(Refusal("tp: 65"), HasSubstr("tp must be at least 1, at most 64: 65"));
  EXPECT_THAT(Refusal("uplink: {bandwidth: -1 GB/s}"),
              HasSubstr("bandwidth must be above 0 B/s: -1 GB/s"));
  EXPECT_THAT(Refusal("tp: 1e400"), HasSubstr("number out of range: 1e400"));
  EXPECT_THAT(Refusal("tp: 3e9"), HasSubstr("number out of range: 3e9"));
  EXPECT_THAT(Refusal("efficiency: .nan"), HasSubstr("expected a ratio: .nan"));
}

TEST(DecodeTest, WrongTypesAreSaid) {
  EXPECT_THAT(Refusal("tp: \"8\""), HasSubstr("expected a whole number: \"8\""));
  EXPECT_THAT(Refusal("tp: [8]"), HasSubstr("expected a whole number: a list"));
  EXPECT_THAT(Refusal("tp: 1.5"), HasSubstr("expected a whole number: 1.5"));
  EXPECT_THAT(Refusal("lossless: yes"), HasSubstr("hint: write true"));
  EXPECT_THAT(Refusal("kind: rign"), HasSubstr("did you mean ring?"));
  EXPECT_THAT(Refusal("dtype: bf61"), HasSubstr("did you mean bf16?"));
  EXPECT_THAT(Refusal("links: 5"), HasSubstr("expected a list"));
  EXPECT_THAT(Refusal("uplink: 5"), HasSubstr("expected a map: 5"));
  EXPECT_THAT(Refusal("spine: [a]"), HasSubstr("expected a name, a path or a map: a list"));
  EXPECT_THAT(Refusal("spine: {base: {}}"), HasSubstr("[cluster.fabric.spine.base]"));
  EXPECT_THAT(Refusal("links: [{bandwidth: [1]}]"),
              HasSubstr("expected a bandwidth, such as 400 Gb/s: a list"));
  EXPECT_THAT(Refusal("[1, 2]"), HasSubstr("expected a map: a list"));
  EXPECT_THAT(Refusal("price: 3"), HasSubstr("amount of money needs a unit: 3"));
}

TEST(DecodeTest, AllErrorsComeAtOnceInOrderOfPlace) {
  const Result<Fabric> fabric = Read("typo: 1\ntp: 0\nlinks: [{bandwidth: 4}, {}]\nkind: x\n");
  ASSERT_FALSE(fabric);
  std::vector<int> lines = {fabric.error().where->line};
  for (const Error& other : fabric.error().others) {
    lines.push_back(other.where->line);
  }
  EXPECT_THAT(lines, ElementsAre(1, 2, 3, 3, 4));
}

TEST(DecodeTest, MoreThanTwentyErrorsAreCounted) {
  std::string text;
  for (int i = 0; i < 25; ++i) {
    text += "unknown" + std::to_string(i) + ": 1\n";
  }
  EXPECT_THAT(Refusal(text), HasSubstr("error: 5 more errors not shown\n"));
}

TEST(DecodeTest, ARuleRunsOnlyWhenItsKeysDecoded) {
  EXPECT_THAT(Refusal("kind: tree"), HasSubstr("a tree needs more than one rank"));
  EXPECT_THAT(Refusal("kind: tree\ntp: x"), Not(HasSubstr("a tree needs")));
}

TEST(DecodeTest, AnOverrideIsNamedInErrors) {
  Node root = *ParseDocument("f.yaml", "tp: 1");
  ASSERT_TRUE(SetPath(root, "tpp", "4", "--set[1]"));
  const Result<Fabric> fabric = Decode<Fabric>(root);
  ASSERT_FALSE(fabric);
  EXPECT_EQ(RenderError(fabric.error()),
            "--set[1]: error: unknown key: tpp\n  hint: did you mean tp?\n");
}

TEST(SchemaTest, ExplainsTypesDefaultsAndRanges) {
  const SchemaInfo& info = SchemaOf(Tag<Fabric>{}).info();
  EXPECT_EQ(info.keys[0].type, "integer");
  EXPECT_EQ(info.keys[0].default_value, "1");
  EXPECT_EQ(info.keys[0].range, "at least 1, at most 64");
  EXPECT_THAT(info.keys[1].choices, ElementsAre("ring", "tree"));
  const KeyInfo* latency = FindKey(info, "uplink.latency");
  ASSERT_NE(latency, nullptr);
  EXPECT_EQ(latency->type, "time");
  EXPECT_EQ(latency->default_value, "2 us");
  EXPECT_EQ(latency->range, "at least 0 s");
}

TEST(FindKeyTest, WalksStructsListsNamesAndReferences) {
  const SchemaInfo& info = SchemaOf(Tag<Fabric>{}).info();
  EXPECT_NE(FindKey(info, "links[2].bandwidth"), nullptr);
  EXPECT_NE(FindKey(info, "links.bandwidth"), nullptr);
  EXPECT_NE(FindKey(info, "named.anything.bandwidth"), nullptr);
  EXPECT_EQ(FindKey(info, "named.anything")->name, "named");
  EXPECT_NE(FindKey(info, "spine.latency"), nullptr);
}

TEST(FindKeyTest, OffersTheNearestPath) {
  const SchemaInfo& info = SchemaOf(Tag<Fabric>{}).info();
  std::string nearest;
  EXPECT_EQ(FindKey(info, "uplnk.latency", &nearest), nullptr);
  EXPECT_EQ(nearest, "uplink.latency");
  EXPECT_EQ(FindKey(info, "uplink.bandwith", &nearest), nullptr);
  EXPECT_EQ(nearest, "uplink.bandwidth");
  EXPECT_EQ(FindKey(info, "latency", &nearest), nullptr);
  EXPECT_EQ(nearest, "links.latency");
  EXPECT_EQ(FindKey(info, "tp.x", &nearest), nullptr);
  EXPECT_EQ(nearest, "tp");
  EXPECT_EQ(FindKey(info, "", &nearest), nullptr);
}

}  // namespace
}  // namespace ridgeline
