"""whatif: variants as rows, causes that add up, mistakes named, the same bytes at any --jobs."""
import csv
import io
import json
import os
import unittest

import jsonschema

from ridgeline_program import SMALL, SOURCE, CliTest, run

TP = "training.parallelism.tp"


class WhatIf(CliTest):
    @classmethod
    def setUpClass(cls):
        with open(os.path.join(SOURCE, "configs", "schemas", "result.schema.json"), encoding="utf-8") as file:
            cls.schema = json.load(file)

    def ask(self, *arguments, code=0):
        result = json.loads(self.expect(code, "whatif", *arguments, "-o", "json", "-q").stdout)
        jsonschema.validate(result, self.schema)
        return result

    def test_variants_are_what_simulate_says_and_causes_add_up(self):
        path = self.write("small.yaml", SMALL)
        result = self.ask(path, "--vary", f"{TP}=1,2,4")
        self.assertEqual([candidate["id"] for candidate in result["candidates"]], ["c1", "c2", "c3", "c4"])
        value = lambda candidate: next(m["value"] for m in candidate["metrics"] if m["name"] == result["headline"])
        base = value(result["candidates"][0])
        for tp, candidate in zip("124", result["candidates"][1:]):
            self.assertEqual(candidate["changes"], {TP: tp})
            alone = run("simulate", path, "--set", f"{TP}={tp}", "-o", "json", "-q").stdout
            self.assertEqual(json.loads(alone)["candidates"][0]["metrics"], candidate["metrics"])
            causes = sum(round(1e12 * cause["change"]) for cause in candidate["explained_by"])
            self.assertEqual(causes, round(1e12 * value(candidate)) - round(1e12 * base))

    def test_a_variant_that_is_illegal_is_a_row(self):
        path = self.write("small.yaml", SMALL)
        result = self.ask(path, "--vary", f"{TP}=3,4")
        self.assertIn("tp", result["candidates"][1]["error"]["message"])
        self.assertIn("metrics", result["candidates"][2])
        text = self.expect(0, "whatif", path, "--vary", f"{TP}=3,4").stdout.decode()
        self.assertIn(f"{TP} = 3", text)

    def test_every_combination_or_one_at_a_time(self):
        path = self.write("small.yaml", SMALL)
        both = [path, "--vary", f"{TP}=1,2", "--vary", "training.micro_batch=1,2"]
        self.assertEqual(len(self.ask(*both)["candidates"]), 1 + 4)
        self.assertEqual(len(self.ask(*both, "--one-at-a-time")["candidates"]), 1 + 2 + 2)

    def test_the_same_bytes_at_any_jobs(self):
        path = self.write("small.yaml", SMALL)
        for form in ("table", "json", "csv", "md"):
            one, four = (
                self.expect(0, "whatif", path, "--vary", f"{TP}=1,2,3,4,8", "-o", form, "-j", jobs).stdout
                for jobs in ("1", "4")
            )
            self.assertEqual(one, four)
        rows = list(csv.DictReader(io.StringIO(
            self.expect(0, "whatif", path, "--vary", f"{TP}=1,2", "-o", "csv").stdout.decode())))  # fmt: skip
        self.assertEqual([row["variant"] for row in rows], ["base", f"{TP} = 1", f"{TP} = 2"])

    def test_mistakes_are_named(self):
        path = self.write("small.yaml", SMALL)
        self.expect(2, "whatif", path, says="--vary")
        self.expect(2, "whatif", path, "--vary", "training.micro_batch", says="expected PATH=LIST")
        self.expect(2, "whatif", path, "--vary", f"{TP}=8-1", says=["--vary[1]", "runs backwards"])
        self.expect(2, "whatif", path, "--vary", "training.paralelism.tp=1", says="unknown key")
        for values in ("a,b", "1,x", "1..8", "nan-8+1", "1-8*-2", "1-2-3", "0,1"):
            self.expect(2, "whatif", path, "--vary", f"{TP}={values}", says=["--vary[1]: error", TP])
        self.expect(2, "whatif", path, "--vary", "cluster.nodes=dgx-h100,dgx-h10", says="did you mean dgx-h100?")
        twice = ["--vary", f"{TP}=1", "--vary", f"{TP}=2"]
        self.expect(2, "whatif", path, *twice, says=["--vary[2]", "varied twice"])
        self.expect(2, "whatif", path, "--set", f"{TP}=3", "--vary", f"{TP}=1", says="tp")
        self.expect(4, "whatif", path, "--vary", f"{TP}=1", "--timeout", "1 ns", says="deadline exceeded")

    def test_a_base_that_does_not_fit_is_1(self):
        path = self.write("large.yaml", SMALL.replace("global_batch: 8", "global_batch: 64"))
        self.ask(path, "--set", "training.micro_batch=16", "--vary", "training.recompute=none,full", code=1)


if __name__ == "__main__":
    unittest.main()
