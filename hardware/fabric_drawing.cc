#include "hardware/fabric_drawing.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/grouped_number.h"
#include "base/units_text.h"
#include "hardware/fabric_classes.h"

namespace ridgeline::hardware {
namespace {

constexpr size_t kFewSwitches = 8;
constexpr int kFewGpus = 8;

struct Look {
  std::string_view name;
  std::string_view colour;
};

Look LookOf(VertexKind kind) {
  switch (kind) {
    case VertexKind::kGpu:
      return {"GPU", "#cfe8c9"};
    case VertexKind::kNvSwitch:
      return {"NVSwitch", "#b7dcae"};
    case VertexKind::kPcieSwitch:
      return {"PCIe switch", "#ececec"};
    case VertexKind::kHost:
      return {"host", "#ececec"};
    case VertexKind::kNic:
      return {"port", "#d9e4f5"};
    case VertexKind::kLeaf:
      return {"leaf", "#bcd2f0"};
    case VertexKind::kSpine:
      return {"spine", "#f7e3b0"};
    case VertexKind::kCore:
      return {"core", "#f3c9a5"};
  }
  return {};
}

/// Networks are sold in bits.
std::string Bits(BytesPerSecond rate) {
  const double gigabits = rate.base() * 8 / 1e9;
  if (gigabits >= 1e6) {
    return fmt::format("{:.4g} Pb/s", gigabits / 1e6);
  }
  return gigabits >= 1e3 ? fmt::format("{:.4g} Tb/s", gigabits / 1e3)
                         : fmt::format("{:.4g} Gb/s", gigabits);
}

std::string Times(int64_t count, std::string_view what) {
  return count == 1 ? std::string(what) : fmt::format("{} x {}", Grouped(count), what);
}

std::string Cables(const SideTotals& side) {
  return fmt::format("{} x {}", Grouped(side.cables),
                     Bits(side.peak / static_cast<double>(side.cables)));
}

class Drawing {
 public:
  Drawing(const Cluster& cluster, const FabricGraph& graph)
      : cluster_(cluster),
        graph_(graph),
        classes_(ClassesOf(
            graph,
            graph.vertices().size() - static_cast<size_t>(graph.first_switch()) <= kFewSwitches)) {}

  std::string Draw() {
    text_ = fmt::format(
        "graph fabric {{\n"
        "  graph [label=\"{}\", labelloc=t, fontname=\"Helvetica\", fontsize=16, ranksep=0.6, "
        "labeljust=c, "
        "nodesep=0.3, newrank=true]\n"
        "  node [shape=box, style=\"rounded,filled\", fontname=\"Helvetica\", fontsize=11, "
        "color=\"#666666\"]\n"
        "  edge [fontname=\"Helvetica\", fontsize=9, color=\"#555555\"]\n",
        Title());
    for (size_t i = 0; i < classes_.switches.size(); ++i) {
      if (classes_.switches[i].pod < 0) {
        DrawSwitch(i, "  ");
      }
    }
    for (size_t i = 0; i < classes_.pods.size(); ++i) {
      DrawPod(i);
    }
    for (size_t i = 0; i < classes_.nodes.size(); ++i) {
      if (classes_.nodes[i].pod < 0) {
        DrawNode(i, "  ", 1);
      }
    }
    for (const ClassLink& link : classes_.links) {
      DrawLink(link);
    }
    text_ += "}\n";
    return std::move(text_);
  }

 private:
  std::string Title() const {
    std::string title = fmt::format("{}: {} GPUs", cluster_.name, Grouped(cluster_.gpus()));
    if (cluster_.fabric.kind == FabricKind::kTorus) {
      title += fmt::format(", torus of {}", fmt::join(cluster_.fabric.dimensions, " x "));
    }
    if (cluster_.fabric.kind != FabricKind::kNone) {
      title += cluster_.fabric.routing == FabricRouting::kEcmp ? ", ECMP" : ", adaptive routing";
    }
    for (const FabricFault& fault : cluster_.fabric.faults) {
      title += fmt::format(
          "\\n{}{} {}", fault.link.text, fault.switch_name.text,
          fault.bandwidth ? fmt::format("has {} left", Bits(*fault.bandwidth)) : "down");
    }
    return title;
  }

  bool IsOneNode() const { return cluster_.nodes == 1 && cluster_.node.gpus <= kFewGpus; }

  void Vertex(std::string_view indent, const std::string& id, VertexKind kind,
              const std::string& label) {
    text_ += fmt::format("{}{} [label=\"{}\", fillcolor=\"{}\"]\n", indent, id, label,
                         LookOf(kind).colour);
  }

  void Edge(std::string_view indent, const std::string& upper, const std::string& lower,
            const std::string& label, BytesPerSecond rate) {
    // Wider lines carry more, by powers of ten.
    const double width = 1 + std::max(0.0, std::log10(rate.base() / 50e9));
    text_ += fmt::format("{}{} -- {} [label=\"{}\", penwidth={:.1f}]\n", indent, upper, lower,
                         label, width);
  }

  void DrawSwitch(size_t index, std::string_view indent) {
    const SwitchClass& of = classes_.switches[index];
    const FabricVertex& first = graph_.vertices()[static_cast<size_t>(of.members.front())];
    const int64_t boxes = of.pod < 0 ? 1 : classes_.pods[static_cast<size_t>(of.pod)].count;
    const int64_t count = static_cast<int64_t>(of.members.size()) / boxes;
    const std::string_view kind =
        cluster_.fabric.kind == FabricKind::kTorus ? "router" : LookOf(first.kind).name;
    std::string label =
        of.members.size() == 1 ? graph_.NameOf(of.members.front()) : Times(count, kind);
    const auto add = [&label](const SideTotals& side, std::string_view where) {
      if (side.cables > 0) {
        label += fmt::format("\\n{} {}", Cables(side), where);
      }
    };
    add(of.up, "up");
    add(of.across, "across");
    add(of.down, "down");
    // Less down than up: places are free, which says nothing of the design.
    if (const double ratio = of.up.cables > 0 ? of.down.peak / of.up.peak : 0; ratio > 0.9995) {
      label += ratio < 1.0005 ? "\\n1 : 1" : fmt::format("\\noversubscribed {:.4g} : 1", ratio);
    }
    Vertex(indent, fmt::format("switch{}", index), first.kind, label);
  }

  void DrawPod(size_t index) {
    const PodClass& pod = classes_.pods[index];
    text_ += fmt::format(
        "  subgraph cluster_pod{} {{\n    graph [label=\"{}\", style=\"rounded,filled\", "
        "fillcolor=\"#fafafa\", labeljust=l, color=\"#999999\", fontsize=13]\n",
        index, Times(pod.count, pod.name));
    for (size_t i = 0; i < classes_.switches.size(); ++i) {
      if (classes_.switches[i].pod == static_cast<int32_t>(index)) {
        DrawSwitch(i, "    ");
      }
    }
    for (size_t i = 0; i < classes_.nodes.size(); ++i) {
      if (classes_.nodes[i].pod == static_cast<int32_t>(index)) {
        DrawNode(i, "    ", pod.count);
      }
    }
    text_ += "  }\n";
  }

  /// A node with its parts by kind, or, where it is all there is, one by one.
  void DrawNode(size_t index, std::string_view indent, int64_t boxes) {
    const NodeClass& of = classes_.nodes[index];
    const auto count = static_cast<int64_t>(of.members.size()) / boxes;
    std::string label = of.members.size() == 1 && cluster_.nodes > 1
                            ? fmt::format("node{}: {}", of.members.front(), cluster_.node.name)
                            : Times(count, cluster_.node.name);
    text_ += fmt::format(
        "{}subgraph cluster_node{} {{\n{}  graph [label=\"{}\", style=\"rounded,filled\", "
        "fillcolor=\"#ffffff\", labeljust=l, color=\"#999999\", fontsize=13]\n",
        indent, index, indent, label);
    const std::string inner = std::string(indent) + "  ";
    const int32_t first = of.members.front() * graph_.interior().num_vertices;
    for (int32_t v = first; v < first + graph_.interior().num_vertices; ++v) {
      const VertexKind kind = graph_.vertices()[static_cast<size_t>(v)].kind;
      if (IsOneNode() || graph_.vertices()[static_cast<size_t>(v)].index == 0) {
        Vertex(inner, IdOf(index, v), kind, LabelInNode(v));
      }
    }
    if (IsOneNode()) {
      KeepInOrder(index, first, inner);
    }
    DrawInside(index, first, inner);
    text_ += fmt::format("{}}}\n", indent);
  }

  /// Parts of a kind side by side, by their numbers.
  void KeepInOrder(size_t node_class, int32_t first, std::string_view indent) {
    for (const VertexKind kind : {VertexKind::kNic, VertexKind::kPcieSwitch, VertexKind::kGpu}) {
      std::string row;
      int parts = 0;
      for (int32_t v = first; v < first + graph_.interior().num_vertices; ++v) {
        if (graph_.vertices()[static_cast<size_t>(v)].kind == kind) {
          row += (parts++ == 0 ? "" : " -- ") + IdOf(node_class, v);
        }
      }
      if (parts > 1) {
        text_ += fmt::format("{}{{rank=same; edge [style=invis]; {}}}\n", indent, row);
      }
    }
  }

  /// All parts of a kind share an id, unless the node is drawn part by part.
  std::string IdOf(size_t node_class, int32_t vertex) const {
    const FabricVertex& v = graph_.vertices()[static_cast<size_t>(vertex)];
    return fmt::format("node{}_kind{}_{}", node_class, static_cast<int>(v.kind),
                       IsOneNode() ? v.index : 0);
  }

  std::string LabelInNode(int32_t vertex) const {
    const FabricVertex& v = graph_.vertices()[static_cast<size_t>(vertex)];
    const auto nics = static_cast<int64_t>(graph_.interior().nics.size());
    const auto one_of = [&](std::string_view what, int64_t all) {
      return IsOneNode() ? fmt::format("{}{}", what, v.index) : Times(all, what);
    };
    switch (v.kind) {
      case VertexKind::kGpu:
        return IsOneNode() ? fmt::format("gpu{}\\n{}", v.index, cluster_.gpu.name)
                           : Times(cluster_.node.gpus, cluster_.gpu.name);
      case VertexKind::kNvSwitch:
        return cluster_.node.in_switch_reduction ? "NVSwitches, in-switch reduction" : "NVSwitches";
      case VertexKind::kPcieSwitch:
        return IsOneNode() ? fmt::format("pcie{}", v.index) : Times(nics, "PCIe switch");
      case VertexKind::kHost:
        return graph_.interior().has_switch ? "host" : "host (PCIe)";
      case VertexKind::kNic:
        return fmt::format("{}\\n{}",
                           one_of(IsOneNode() ? "nic" : "port", cluster_.node.nics.count),
                           Bits(cluster_.node.nics.bandwidth));
      case VertexKind::kLeaf:
      case VertexKind::kSpine:
      case VertexKind::kCore:
        break;
    }
    return {};
  }

  /// From the ports down to the GPUs and what joins them; each way there and back is one line.
  void DrawInside(size_t node_class, int32_t first, std::string_view indent) {
    const auto rank = [this](int32_t vertex) {
      switch (graph_.vertices()[static_cast<size_t>(vertex)].kind) {
        case VertexKind::kNic:
          return 4;
        case VertexKind::kPcieSwitch:
          return 3;
        case VertexKind::kHost:
          return graph_.interior().has_switch ? 4 : 3;
        case VertexKind::kGpu:
          return 2;
        default:
          return 1;
      }
    };
    std::vector<std::string> drawn;
    for (int32_t v = first; v < first + graph_.interior().num_vertices; ++v) {
      for (const int32_t l : graph_.out(v)) {
        const FabricLink& link = graph_.links()[static_cast<size_t>(l)];
        if (link.to >= graph_.first_switch() || rank(link.to) > rank(v) ||
            (rank(link.to) == rank(v) && link.to < v)) {
          continue;
        }
        const std::string upper = IdOf(node_class, v);
        const std::string lower = IdOf(node_class, link.to);
        if (std::find(drawn.begin(), drawn.end(), upper + lower) != drawn.end()) {
          continue;
        }
        drawn.push_back(upper + lower);
        // Ports say themselves what they carry.
        const bool is_port = graph_.vertices()[static_cast<size_t>(v)].kind == VertexKind::kNic;
        Edge(indent, upper, lower,
             is_port ? "" : Format(link.peak, 3) + (IsOneNode() ? "" : " each"), link.peak);
      }
    }
  }

  void DrawLink(const ClassLink& link) {
    const auto per = [&](size_t members) {
      const SideTotals each{.cables = link.total.cables / static_cast<int64_t>(members),
                            .peak = link.total.peak / static_cast<double>(members)};
      return each.cables > 0 ? Cables(each) : Bits(each.peak);
    };
    if (link.is_port) {
      const NodeClass& node = classes_.nodes[static_cast<size_t>(link.a)];
      const int32_t first =
          node.members.front() * graph_.interior().num_vertices + graph_.interior().first_nic;
      Edge("  ", fmt::format("switch{}", link.b), IdOf(static_cast<size_t>(link.a), first),
           per(node.members.size()) + (node.members.size() > 1 ? " a node" : ""), link.total.peak);
      return;
    }
    const SwitchClass& lower = classes_.switches[static_cast<size_t>(link.a)];
    if (link.a == link.b) {
      Edge("  ", fmt::format("switch{}", link.b), fmt::format("switch{}", link.a),
           fmt::format("{} together", Bits(link.total.peak)), link.total.peak);
      return;
    }
    std::string label = per(lower.members.size());
    if (lower.members.size() > 1) {
      label += fmt::format(" each\\n{} together", Bits(link.total.peak));
    }
    Edge("  ", fmt::format("switch{}", link.b), fmt::format("switch{}", link.a), label,
         link.total.peak);
  }

  const Cluster& cluster_;
  const FabricGraph& graph_;
  FabricClasses classes_;
  std::string text_;
};

}  // namespace

std::string DrawDot(const Cluster& cluster, const FabricGraph& graph) {
  return Drawing(cluster, graph).Draw();
}

}  // namespace ridgeline::hardware
