"""What simulate answers: the schema, the names of metrics, breakdowns that add up, the trace, the dry run."""
import csv
import hashlib
import io
import json
import math
import os
import re
import unittest

import jsonschema

from ridgeline_program import DEMO, SCENARIOS, SMALL, SOURCE, CliTest, run

METRICS = [
    "step_time", "tokens_per_second", "tokens_per_second_per_gpu", "model_flops_per_gpu", "mfu", "hfu",
    "memory.peak", "memory.allocated", "memory.fits",
]  # fmt: skip


class Result(CliTest):
    @classmethod
    def setUpClass(cls):
        with open(os.path.join(SOURCE, "configs", "schemas", "result.schema.json"), encoding="utf-8") as file:
            cls.schema = json.load(file)

    def simulate(self, *arguments, code=0):
        return json.loads(self.expect(code, "simulate", *arguments, "-o", "json", "-q").stdout)

    def test_every_scenario_answers_by_the_schema_and_adds_up(self):
        for name in SCENARIOS:
            done = run("simulate", name, "-o", "json", "-q")
            result = json.loads(done.stdout)
            self.assertEqual(done.returncode, 0 if result["outcome"] == "feasible" else 1, name)
            jsonschema.validate(result, self.schema)
            candidate = result["candidates"][0]
            metrics = {metric["name"]: metric for metric in candidate["metrics"]}
            headline = next(
                name for name in ("step_time", "e2el.mean", "pass_time", "traffic_time") if name in metrics
            )
            is_training = headline == "step_time"
            is_traffic = headline == "traffic_time"  # items overlap and hold no memory
            for metric in METRICS if is_training else [] if is_traffic else ["memory.peak"]:
                self.assertIn(metric, metrics, name)
            for metric in metrics.values():
                self.assertTrue(all(math.isfinite(metric[key]) for key in ("value", "low", "high")), metric)
                self.assertLessEqual(metric["low"], metric["value"], metric)
                self.assertLessEqual(metric["value"], metric["high"], metric)
            self.assertTrue(all(assumption["source"] for assumption in candidate["assumptions"]))
            if is_traffic:
                self.assertEqual(candidate["breakdown"]["time"] + candidate["breakdown"]["memory"], [])
                continue
            time = sum(share["value"] for share in candidate["breakdown"]["time"])
            self.assertAlmostEqual(time / metrics[headline]["value"], 1, places=9)
            memory = sum(share["value"] for share in candidate["breakdown"]["memory"])
            self.assertAlmostEqual(memory / metrics["memory.peak"]["value"], 1, places=9)
            if is_training:
                self.assertLess(metrics["mfu"]["value"], 1)
                self.assertGreater(metrics["mfu"]["value"], 0.05)

    def test_shares_in_text_add_to_100_percent(self):
        for name in SCENARIOS:
            text = run("simulate", name).stdout.decode()
            if " of traffic on " in text.splitlines()[0]:
                continue  # has no breakdown
            for block in (r"where .* goes\n", r"memory of .* GPU\n"):
                lines = re.split(block, text)[1].split("\n\n")[0].splitlines()
                tenths = [round(10 * float(line.split()[-2])) for line in lines if line.endswith(" %")]
                self.assertEqual(sum(tenths), 1000, name)

    def test_inputs_are_named_and_hashed(self):
        path = self.write("one.yaml", SMALL)
        over = self.write("two.yaml", "training: {global_batch: 16}\n")
        result = self.simulate(path, over)
        for given, file in zip(result["inputs"], (path, over)):
            with open(file, "rb") as stream:
                self.assertEqual(given, {"name": file, "sha256": hashlib.sha256(stream.read()).hexdigest()})
        # Later files win over earlier ones, --set over both.
        self.assertEqual(result["candidates"][0]["settings"]["training.global_batch"], "16")
        result = self.simulate(path, over, "--set", "training.global_batch=32")
        self.assertEqual(result["candidates"][0]["settings"]["training.global_batch"], "32")

    def test_standard_input_is_a_scenario(self):
        done = self.expect(0, "simulate", "-", "-o", "json", stdin=SMALL.encode())
        inputs = json.loads(done.stdout)["inputs"]
        self.assertEqual(inputs, [{"name": "-", "sha256": hashlib.sha256(SMALL.encode()).hexdigest()}])

    def test_every_format_says_the_same(self):
        metrics = {metric["name"]: metric for metric in self.simulate(DEMO)["candidates"][0]["metrics"]}
        rows = list(csv.DictReader(io.StringIO(self.expect(0, "simulate", DEMO, "-o", "csv").stdout.decode())))
        lines = [json.loads(line) for line in self.expect(0, "simulate", DEMO, "-o", "jsonl").stdout.splitlines()]
        self.assertEqual([row["name"] for row in rows], list(metrics))
        for row, line in zip(rows, lines):
            self.assertEqual(line, metrics[row["name"]])
            self.assertEqual(float(row["value"]), line["value"])
        self.assertIn(b"| step_time |", self.expect(0, "simulate", DEMO, "-o", "md").stdout)
        wide = self.expect(0, "simulate", DEMO, "-o", "wide").stdout.decode()
        self.assertIn("what it leans on", wide)
        self.assertIn("training.parallelism.tp = 2", wide)

    def test_the_seed_is_the_flags_then_the_files(self):
        path = self.write("seeded.yaml", SMALL + "seed: 7\n")
        self.assertEqual(self.simulate(path)["seed"], 7)
        self.assertEqual(self.simulate(path, "--seed", "8")["seed"], 8)

    def test_the_trace_is_one_that_viewers_open(self):
        path = os.path.join(self.folder, "step.json")
        self.expect(0, "simulate", DEMO, "--trace", path, says="wrote")
        with open(path, encoding="utf-8") as file:
            trace = json.load(file)
        events = trace["traceEvents"] if isinstance(trace, dict) else trace
        phases = {event["ph"] for event in events}
        self.assertLessEqual({"X", "M", "C"}, phases)
        # A trace changes nothing of the answer.
        plain = self.expect(0, "simulate", DEMO, "-o", "json").stdout
        self.assertEqual(plain, self.expect(0, "simulate", DEMO, "-o", "json", "--trace", path).stdout)

    def test_a_dry_run_resolves_to_the_same_answer(self):
        path = self.write("one.yaml", SMALL)
        text = self.expect(0, "simulate", path, "--set", "training.micro_batch=2", "--dry-run").stdout.decode()
        self.assertIn("default", text)
        self.assertIn("--set[1]", text)
        self.assertIn(f"{path}:3:10", text)
        resolved = self.write("resolved.yaml", text)
        again = self.simulate(resolved)["candidates"][0]["metrics"]
        self.assertEqual(again, self.simulate(path, "--set", "training.micro_batch=2")["candidates"][0]["metrics"])


if __name__ == "__main__":
    unittest.main()
