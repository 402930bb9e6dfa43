"""simulate of serving and forward scenarios: the schema, breakdowns, the request log, fast-forward, targets."""
import csv
import json
import os
import unittest

import jsonschema

from ridgeline_program import DEMO, SOURCE, CliTest

SERVING = """\
cluster: {nodes: hgx-h100, count: 1}
serving: {model: llama-3.1-70b, replicas: 2, parallelism: {tp: 4}}
workload:
  arrivals: {process: poisson, rate: 4 req/s}
  requests: 80
  input_tokens: {min: 100, max: 2000}
  output_tokens: {min: 1, max: 200}
"""
METRICS = ["request_throughput", "output_throughput", "total_token_throughput", "kv_cache.blocks", "preemptions"] + [
    f"{name}.{part}" for name in ("ttft", "tpot", "itl", "e2el") for part in ("mean", "p50", "p90", "p99")
]


class Serving(CliTest):
    @classmethod
    def setUpClass(cls):
        with open(os.path.join(SOURCE, "configs", "schemas", "result.schema.json"), encoding="utf-8") as file:
            cls.schema = json.load(file)

    def ask(self, *arguments, code=0):
        result = json.loads(self.expect(code, "simulate", *arguments, "-o", "json", "-q").stdout)
        jsonschema.validate(result, self.schema)
        return result

    def test_metrics_by_name_and_a_breakdown_that_adds_up(self):
        candidate = self.ask(self.write("s.yaml", SERVING))["candidates"][0]
        metrics = {metric["name"]: metric["value"] for metric in candidate["metrics"]}
        self.assertLessEqual(set(METRICS), set(metrics))
        time = sum(share["value"] for share in candidate["breakdown"]["time"])
        self.assertAlmostEqual(time / metrics["e2el.mean"], 1, places=9)

    def test_fast_forward_changes_no_byte(self):
        path = self.write("s.yaml", SERVING)
        for form in ("table", "json"):
            fast = self.expect(0, "simulate", path, "-o", form).stdout
            self.assertEqual(fast, self.expect(0, "simulate", path, "-o", form, "--no-fast-forward").stdout)

    def test_the_request_log_has_a_line_a_request(self):
        path = self.write("s.yaml", SERVING)
        log = os.path.join(self.folder, "requests.csv")
        plain = self.expect(0, "simulate", path).stdout
        self.assertEqual(plain, self.expect(0, "simulate", path, "--requests", log, says="wrote").stdout)
        with open(log, encoding="utf-8", newline="") as file:
            self.assertEqual(len(list(csv.DictReader(file))), 80)
        stepped = os.path.join(self.folder, "stepped.csv")
        self.expect(0, "simulate", path, "--requests", stepped, "--no-fast-forward")
        with open(log, "rb") as fast, open(stepped, "rb") as slow:
            self.assertEqual(fast.read(), slow.read())

    def test_a_request_log_needs_a_place_and_requests(self):
        both = os.path.join(self.folder, "both")
        path = self.write("b.yaml", SERVING)
        self.expect(2, "simulate", path, "--trace", both, "--requests", both, says="name one file")
        path = self.write("s.yaml", SERVING)
        self.expect(2, "simulate", path, "--requests", "-", says="--requests needs a file")
        self.expect(2, "simulate", path, "--requests", os.path.join(self.folder, "no", "r.csv"), says="cannot write")
        log = os.path.join(self.folder, "requests.csv")
        self.expect(2, "simulate", DEMO, "--requests", log, says="--requests needs a scenario with requests")
        self.assertFalse(os.path.exists(log))
        # A run that fails leaves an earlier log alone.
        earlier = self.write("earlier.csv", "kept\n")
        self.expect(4, "simulate", path, "--requests", earlier, "--timeout", "1 ns")
        with open(earlier, encoding="utf-8") as file:
            self.assertEqual(file.read(), "kept\n")

    def test_targets_are_judged(self):
        path = self.write("s.yaml", SERVING + "targets: {ttft.p99: 30 s, tpot.mean: 100 us}\n")
        result = self.ask(path, code=1)
        self.assertEqual(result["outcome"], "infeasible")
        self.assertEqual({target["metric"]: target["met"] for target in result["targets"]},
                         {"ttft.p99": True, "tpot.mean": False})  # fmt: skip
        text = self.expect(1, "simulate", path).stdout.decode()
        self.assertRegex(text, r"ttft\.p99<=30 s .* met")
        self.assertRegex(text, r"tpot\.mean<=100 us .* missed")
        self.ask(path, "--set", "targets={ttft.p99: 30 s}")

    def test_where_nothing_is_answered_targets_are_missed_and_the_answer_is_no(self):
        path = self.write("s.yaml", SERVING + "targets: {ttft.p99: 1 s, output_throughput: 10}\n")
        too_large = ["--set", "serving.model=llama-3.1-405b"]
        too_long = ["--set", "serving.max_model_len=10"]
        for change in (too_large, too_long):
            result = self.ask(path, *change, code=1)
            self.assertEqual([target["met"] for target in result["targets"]], [False, False])
            self.assertNotIn("measured", result["targets"][0])
            text = self.expect(1, "simulate", path, *change, "-q").stdout.decode()
            self.assertRegex(text, r"ttft.p99<=1 s +-  missed")
            self.assertNotIn("times below", text)
        self.ask(self.write("plain.yaml", SERVING), *too_long, code=1)
        wrong = self.write("w.yaml", SERVING + "targets: {mfu: 0.4}\n")
        self.expect(2, "simulate", wrong, says="no metric mfu")

    def test_counts_have_their_thousands_apart(self):
        path = self.write("s.yaml", SERVING)
        text = self.expect(0, "simulate", path, "--set", "workload.requests=1200", "-q").stdout.decode()
        self.assertIn("Poisson, 4 req/s, 1,200 requests", text)
        self.assertRegex(text, r"requests.completed +1,200")

    def test_a_forward_pass_leads_with_its_time(self):
        name = "llama-3.1-70b-decode-2xh200"
        candidate = self.ask(name)["candidates"][0]
        metrics = {metric["name"]: metric["value"] for metric in candidate["metrics"]}
        time = sum(share["value"] for share in candidate["breakdown"]["time"])
        self.assertAlmostEqual(time / metrics["pass_time"], 1, places=9)
        self.assertIn("/pass", self.expect(0, "simulate", name).stdout.decode())


if __name__ == "__main__":
    unittest.main()
