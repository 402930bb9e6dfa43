"""Three fidelities of the network, the same scenario, the same report; and what goes wrong with the referee."""
import json
import os
import unittest

from ridgeline_program import PROGRAM, CliTest, run

SHARED = """\
cluster: {nodes: dgx-h100, count: 10, fabric: fat-tree-oversubscribed-2to1-400g}
traffic:
  - {name: a, collective: send, bytes: 1 GiB, on: {nodes: 3}, to: {first_node: 5, nodes: 3}}
  - {name: b, collective: all_to_all, bytes: 64 MiB, on: {first_node: 3, nodes: 4}, repeat: 2}
"""
HAS_REFEREE = os.path.exists(os.path.join(os.path.dirname(PROGRAM), "ridgeline-simgrid"))


class FidelityTest(CliTest):
    def report(self, scenario, fidelity):
        """Metrics by name."""
        done = self.expect(0, "simulate", scenario, "--set", f"network.fidelity={fidelity}", "-o", "json")
        return {metric["name"]: metric["value"] for metric in json.loads(done.stdout)["candidates"][0]["metrics"]}

    @unittest.skipUnless(HAS_REFEREE, "built without SimGrid")
    def test_simgrid_and_flow_give_the_same_report(self):
        scenario = self.write("shared.yaml", SHARED)
        ours, theirs = (self.report(scenario, fidelity) for fidelity in ("flow", "simgrid"))
        self.assertEqual(ours.keys(), theirs.keys())
        self.assertGreater(ours["slowdown.max"], 1.05)  # they share uplinks
        for name, value in ours.items():
            self.assertAlmostEqual(theirs[name], value, delta=1e-6 * abs(value) + 1e-12, msg=name)

    def test_flow_is_the_same_bytes_twice(self):
        scenario = self.write("shared.yaml", SHARED)
        first, second = (
            self.expect(0, "simulate", scenario, "--set", "network.fidelity=flow", "-o", "json").stdout for _ in range(2)
        )
        self.assertEqual(first, second)

    def test_an_unknown_fidelity_names_the_three(self):
        scenario = self.write("shared.yaml", SHARED)
        self.expect(2, "simulate", scenario, "--set", "network.fidelity=packets", says=["analytic", "flow", "simgrid"])

    def test_a_trace_has_a_track_an_item(self):
        scenario = self.write("shared.yaml", SHARED)
        trace = os.path.join(self.folder, "trace.json")
        self.expect(0, "simulate", scenario, "--set", "network.fidelity=flow", "--trace", trace)
        with open(trace) as file:
            events = json.load(file)["traceEvents"]
        slices = [event["name"] for event in events if event["ph"] == "X"]
        self.assertEqual(sorted(slices), ["a", "b", "b"])


if __name__ == "__main__":
    unittest.main()
