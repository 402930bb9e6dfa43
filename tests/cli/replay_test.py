"""Traces out and in: Chakra execution traces of a step, PyTorch profiler traces, and `replay`."""
import json
import os
import unittest

from ridgeline_program import SMALL, CliTest

KERNEL = {"ph": "X", "cat": "kernel", "args": {"External id": 1, "device": 0, "stream": 7}}
PROFILE = {
    "traceEvents": [
        {"ph": "X", "cat": "cpu_op", "name": "aten::mm", "ts": 0, "dur": 5, "args": {"External id": 1,
         "Input Dims": [[8192, 4096], [4096, 14336]], "Input type": ["c10::BFloat16", "c10::BFloat16"]}},
        KERNEL | {"name": "nvjet_tst_256x128", "ts": 10, "dur": 1500},
    ]
}


class Replay(CliTest):
    def rows(self, *arguments):
        return json.loads(self.expect(0, "replay", *arguments, "-o", "json").stdout)

    def test_a_steps_chakra_traces_replay_to_its_time(self):
        scenario = self.write("s.yaml", SMALL.replace("{tp: 2}", "{tp: 2, pp: 2}"))
        step = os.path.join(self.folder, "step")
        done = self.expect(0, "simulate", scenario, "--trace", step + ".et", "-o", "json")
        metrics = {m["name"]: m["value"] for m in json.loads(done.stdout)["candidates"][0]["metrics"]}
        self.assertEqual(sorted(os.listdir(self.folder)), ["s.yaml", "step.0.et", "step.1.et"])
        rows = {row["what"]: row["value"] for row in self.rows(step)}
        self.assertEqual(rows["ranks"], 2)
        self.assertAlmostEqual(float(rows["time"]), metrics["step_time"], delta=1e-9 * metrics["step_time"])
        files = [f"{step}.{rank}.et" for rank in range(2)]
        self.assertEqual({row["what"]: row["value"] for row in self.rows(*files)}, rows)
        self.expect(2, "replay", files[0], says="nobody sends")

    def test_a_profile_on_another_gpu(self):
        trace = self.write("trace.json", json.dumps(PROFILE))
        same = self.rows(trace)[-1]
        self.assertEqual(same["recorded"], same["replayed"])
        other = self.rows(trace, "--from", "h100-sxm", "--gpu", "a100-sxm-80g")[-1]
        self.assertGreater(float(other["replayed"]), 2 * float(other["recorded"]))
        self.expect(2, "replay", trace, "--gpu", "a100-sxm-80g", says="--from")

    def test_what_is_no_trace_is_refused(self):
        self.expect(2, "replay", self.write("a.et", b"\x05abc"), says="no Chakra message at byte 0")
        self.expect(2, "replay", self.write("b.json", "{}"), says="traceEvents")


if __name__ == "__main__":
    unittest.main()
