"""plan: exit codes, the schema, counts that add up, the same bytes at any --jobs, and a best that simulate confirms."""
import json
import os
import unittest

import jsonschema

from ridgeline_program import SOURCE, CliTest

TRAINING = """\
cluster: {nodes: dgx-h100, count: 1}
training: {model: llama-3.1-8b, sequence_length: 4096, global_batch: 16}
"""
SERVING = """\
cluster: {nodes: hgx-h100, count: 1}
serving: {model: llama-3.1-70b}
workload:
  arrivals: {process: poisson, rate: 2 req/s}
  requests: 60
  input_tokens: 1024
  output_tokens: 64
targets: {ttft.p99: 1 s}
"""


class Plan(CliTest):
    @classmethod
    def setUpClass(cls):
        with open(os.path.join(SOURCE, "configs", "schemas", "result.schema.json"), encoding="utf-8") as file:
            cls.schema = json.load(file)

    def ask(self, *arguments, code=0):
        result = json.loads(self.expect(code, "plan", *arguments, "-o", "json", "-q").stdout)
        jsonschema.validate(result, self.schema)
        search = result["search"]
        parts = sum(search[part] for part in ("illegal", "out_of_memory", "bounded", "evaluated"))
        self.assertEqual(search["considered"], parts)
        return result

    def test_the_best_is_what_simulate_says_of_its_settings(self):
        for name, text, metric in (("t.yaml", TRAINING, "step_time"), ("s.yaml", SERVING, "gpus")):
            path = self.write(name, text)
            result = self.ask(path)
            self.assertEqual(result["objective"], {"metric": metric, "direction": "minimize"})
            best = result["candidates"][0]
            self.assertTrue(best["searched"])
            sets = [word for key, value in best["searched"].items() for word in ("--set", f"{key}={value}")]
            alone = json.loads(self.expect(0, "simulate", path, *sets, "-o", "json", "-q").stdout)
            self.assertEqual(alone["candidates"][0]["metrics"], best["metrics"])
            self.assertEqual(result["search"]["gap"], 0)
            value = next(m["value"] for m in best["metrics"] if m["name"] == metric)
            self.assertEqual(result["search"]["floor"], {metric: value})

    def test_the_same_bytes_at_any_jobs(self):
        for name, text in (("t.yaml", TRAINING), ("s.yaml", SERVING)):
            path = self.write(name, text)
            for form in ("table", "wide", "json", "csv", "md", "jsonl"):
                one, four = (self.expect(0, "plan", path, "-o", form, "-j", jobs).stdout for jobs in ("1", "4"))
                self.assertTrue(one)
                self.assertEqual(one, four)

    def test_no_plan_is_1_and_says_what_came_nearest(self):
        path = self.write("s.yaml", SERVING)
        result = self.ask(path, "--target", "tpot.p99<=1 ms", code=1)
        self.assertEqual((result["outcome"], result["candidates"]), ("infeasible", []))
        text = self.expect(1, "plan", path, "--target", "tpot.p99<=1 ms").stdout.decode()
        self.assertIn("no configuration meets ttft.p99<=1 s and tpot.p99<=1 ms", text)
        self.assertIn("nearest miss", text)

    def test_lists_restrict_and_values_fix(self):
        path = self.write("s.yaml", SERVING)
        result = self.ask(path, "--set", "serving.parallelism.tp=[4, 8]", "--set", "serving.replicas=1",
                          "--set", "serving.scheduler.max_batched_tokens=8192")  # fmt: skip
        self.assertEqual(result["search"]["considered"], 2)
        self.assertEqual(result["candidates"][0]["searched"], {"serving.parallelism.tp": "4"})

    def test_throughputs_are_maximised(self):
        result = self.ask(self.write("s.yaml", SERVING), "--minimize", "output_throughput")
        self.assertEqual(result["objective"]["direction"], "maximize")

    def test_a_plan_has_a_name_and_a_listing_and_is_checked_as_a_space(self):
        name = "llama-3.1-70b-64xh100-plan"
        self.assertTrue(self.expect(0, "plan", name, "-o", "csv", "-q").stdout.startswith(b"#,training"))
        self.assertIn(name.encode(), self.expect(0, "list", "plans", "-o", "csv").stdout)
        self.assertIn(b"training.global_batch", self.expect(0, "describe", "plan", name).stdout)
        for file in os.listdir(os.path.join(SOURCE, "configs", "plans")):
            if file.endswith(".yaml"):
                checked = self.expect(0, "check", os.path.join(SOURCE, "configs", "plans", file)).stdout
                self.assertIn(b"OK, a space to plan in", checked)
        lists = self.write("s.yaml", SERVING + "seed: 2\n")
        sets = ["--set", "serving.replicas=[1, 2]"]
        self.assertIn(b"a space to plan in", self.expect(0, "check", lists, *sets).stdout)
        self.expect(2, "check", lists, "--set", "serving.replicas=[1, x]", says="serving.replicas")
        self.expect(2, "plan", name[:-1], says=f"did you mean {name}?")

    def test_the_fewest_gpus_of_a_training_plan_are_a_number(self):
        path = self.write("t.yaml", TRAINING)
        result = self.ask(path, "--minimize", "gpus")
        self.assertEqual(next(m["value"] for m in result["candidates"][0]["metrics"] if m["name"] == "gpus"), 8)
        text = self.expect(0, "plan", path, "--minimize", "gpus", "-q").stdout.decode()
        self.assertIn("8 GPUs are enough", text)

    def test_a_space_without_a_legal_point_is_not_one_that_does_not_fit(self):
        path = self.write("t.yaml", TRAINING)
        text = self.expect(1, "plan", path, "--set", "training.parallelism.tp=[3, 5]", "-q").stdout.decode()
        self.assertIn("no configuration is legal", text)

    def test_a_target_takes_the_unit_that_the_answer_shows(self):
        path = self.write("s.yaml", SERVING)
        for target in ("request_throughput>=1 req/s", "output_throughput>=50 tokens/s", "output_throughput>=50"):
            self.ask(path, "--target", target)
        self.expect(2, "plan", path, "--target", "output_throughput>=50 req/s", says="expected a number")

    def test_json_lines_of_candidates_hold_numbers(self):
        path = self.write("t.yaml", TRAINING)
        line = json.loads(self.expect(0, "plan", path, "-o", "jsonl", "-q").stdout.splitlines()[0])
        self.assertEqual(line["#"], 1)
        self.assertIsInstance(line["step_time"], float)

    def test_remarks_are_on_standard_error(self):
        path = self.write("s.yaml", SERVING)
        done = self.expect(0, "plan", path, "-v", says=["better: ", "next: ridgeline simulate"])
        self.assertNotIn(b"better: ", done.stdout)
        self.assertEqual(done.stdout, self.expect(0, "plan", path, "-q").stdout)

    def test_mistakes_are_named(self):
        path = self.write("s.yaml", SERVING)
        self.expect(2, "plan", path, "--minimize", "step_tim", says="step_tim")
        self.expect(2, "plan", path, "--target", "ttft.p98<=1 s", says="unknown metric")
        self.expect(2, "plan", path, "--set", "serving.parallelism.tp=[3]", says="tp must divide")
        forward = "cluster: {nodes: hgx-h100, count: 1}\nforward: {model: llama-3.1-8b, phase: decode, context: 9}\n"
        self.expect(2, "plan", self.write("f.yaml", forward), says=["f.yaml:1:1", "nothing to search", "hint: "])
        self.expect(4, "plan", path, "--timeout", "1 ns", says="deadline exceeded")


if __name__ == "__main__":
    unittest.main()
