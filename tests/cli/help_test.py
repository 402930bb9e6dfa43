"""Help, completion, and what list, describe and explain show."""
import hashlib
import json
import os
import shutil
import subprocess
import unittest

from ridgeline_program import DEMO, PROGRAM, SCENARIOS, SMALL, SOURCE, CliTest, run

BUILT = ["simulate", "check", "explain", "list", "describe", "validate", "version", "completion", "help"]


class Help(CliTest):
    def test_every_command_has_help_with_an_example(self):
        for command in BUILT:
            for arguments in ([command, "--help"], ["help", command], [command, "-h"]):
                text = self.expect(0, *arguments).stdout.decode()
                self.assertIn(f"usage: ridgeline {command}", text)
                self.assertIn("for example\n  ", text)
                self.assertIn(f"ridgeline {command}", text.split("for example")[1])

    def test_the_overview_names_every_command(self):
        text = self.expect(0, "help").stdout.decode()
        self.assertEqual(text, self.expect(0).stdout.decode())
        self.assertEqual(text, self.expect(0, "--help").stdout.decode())
        for command in BUILT + ["plan", "whatif", "cost"]:
            self.assertIn(command, text)

    def test_no_line_of_help_is_wider_than_a_terminal(self):
        for arguments in [["help"]] + [["help", command] for command in BUILT]:
            for line in self.expect(0, *arguments).stdout.decode().splitlines():
                self.assertLessEqual(len(line), 110, line)

    def test_completion_of_three_shells(self):
        for shell in ("bash", "zsh", "fish"):
            text = self.expect(0, "completion", shell).stdout.decode()
            self.assertIn("simulate", text)
        self.expect(2, "completion", "bsh", says="did you mean bash?")
        script = run("completion", "bash").stdout
        self.assertEqual(subprocess.run(["bash", "-n"], input=script, check=False).returncode, 0)

    def test_version_in_every_form(self):
        text = self.expect(0, "--version").stdout.decode()
        self.assertRegex(text, r"^ridgeline \d+\.\d+\.\d+ \(")
        self.assertEqual(set(json.loads(run("version", "-o", "json").stdout)[0]), {"version", "commit", "compiler"})


class Catalog(CliTest):
    def test_every_kind_is_listed(self):
        for kind in ("gpus", "nodes", "fabrics", "clusters", "models", "frameworks", "scenarios", "suites", "traces"):
            rows = json.loads(self.expect(0, "list", kind, "-o", "json").stdout)
            self.assertGreater(len(rows), 1, kind)
            names = [row["name"] for row in rows]
            self.assertEqual(names, sorted(set(names)), kind)
        rows = json.loads(self.expect(0, "list", "engines", "-o", "json").stdout)
        self.assertIn("vllm", [row["name"] for row in rows])
        rows = json.loads(self.expect(0, "list", "calibrations", "-o", "json").stdout)
        self.assertIn("h100-sxm", [row["name"] for row in rows])

    def test_a_calibration_says_what_it_is_and_in_numbers(self):
        profile = json.loads(self.expect(0, "describe", "calibration", "h100-sxm", "-o", "json").stdout)
        with open(os.path.join(SOURCE, "configs", "calibration", "h100-sxm.calibration"), "rb") as file:
            self.assertEqual(profile["sha256"], hashlib.sha256(file.read()).hexdigest())
        self.assertIn("H100", profile["device"])
        self.assertGreater(profile["sustained"]["slope"], 0)
        for table in profile["tables"]:
            self.assertGreater(table["shapes"], 0)
            self.assertTrue(0 <= table["median_error"] <= table["p90"] and 0 <= table["coverage"] <= 1, table)
        text = self.expect(0, "describe", "calibration", "h100-sxm").stdout.decode()
        self.assertIn(profile["sha256"], text)
        self.assertIn("log(sustained / burst time)", text)
        self.expect(2, "describe", "calibration", "none", says=["a word of --calibration", "list calibrations"])
        self.expect(2, "describe", "calibration", "h100-sxn", says="did you mean h100-sxm?")

    def test_lists_have_every_format(self):
        for form in ("table", "wide", "json", "jsonl", "csv", "md"):
            self.assertIn(b"h100-sxm", self.expect(0, "list", "gpus", "-o", form).stdout)

    def test_every_figure_of_a_gpu_is_shown_with_its_source(self):
        for name in [row["name"] for row in json.loads(run("list", "gpus", "-o", "json").stdout)]:
            rows = json.loads(self.expect(0, "describe", "gpu", name, "-o", "json").stdout)
            figures = {row["figure"]: row for row in rows}
            for figure in ("memory.capacity", "memory.bandwidth", "power", "clock"):
                self.assertIn(figure, figures, name)
                self.assertTrue(figures[figure]["source"], f"{name} {figure}")

    def test_things_of_every_kind_are_described(self):
        for kind, name, expected in (
            ("gpu", "h100", "NVIDIA H100"),
            ("node", "dgx-h100", "h100-sxm"),
            ("fabric", "rail-optimized-400g", "400 Gb/s"),
            ("cluster", "h100-64", "dgx-h100"),
            ("framework", "megatron-core", "zero-1"),
            ("model", "llama-3.1-70b", "70.55 B"),
            ("model", "mixtral-8x7b", "2 of 8 experts"),
            ("scenario", DEMO, "llama-3.1-8b"),
        ):
            self.assertIn(expected, self.expect(0, "describe", kind, name).stdout.decode(), (kind, name))

    def test_keys_are_explained(self):
        text = self.expect(0, "explain", "training.parallelism.tp").stdout.decode()
        self.assertIn("integer", text)
        self.assertIn("default 1", text)
        self.assertIn("seq", self.expect(0, "explain", "training").stdout.decode())
        self.assertIn("bandwidth", self.expect(0, "explain", "gpu.memory.bandwidth").stdout.decode())
        for root in ("gpu", "nodes", "fabric", "cluster-file", "framework"):
            self.expect(0, "explain", root)
        choices = json.loads(self.expect(0, "explain", "training.recompute", "-o", "json").stdout)
        self.assertIn("selective", choices[0]["choices"])

    def test_every_shipped_file_checks(self):
        for name in SCENARIOS:
            self.assertIn(b"OK, a scenario", self.expect(0, "check", name).stdout)
        for path, kind in (
            ("gpus/h100-sxm.yaml", "a GPU"),
            ("nodes/dgx-h100.yaml", "a node"),
            ("fabrics/rail-optimized-400g.yaml", "a fabric"),
            ("clusters/h100-64.yaml", "a cluster"),
            ("frameworks/megatron-core.yaml", "a framework"),
            ("models/llama-3.1-8b.json", "a model"),
            ("validation/field-map.yaml", "a validation suite"),
        ):
            self.assertIn(f"OK, {kind}", self.expect(0, "check", os.path.join(SOURCE, "configs", path)).stdout.decode())

    def test_own_configs_come_first(self):
        os.makedirs(os.path.join(self.folder, "own", "scenarios"))
        self.write("own/scenarios/mine.yaml", SMALL)
        self.expect(0, "simulate", "mine", "--configs", os.path.join(self.folder, "own"))

    def test_an_installed_program_finds_its_data_beside_it(self):
        prefix = os.path.join(self.folder, "usr")
        os.makedirs(os.path.join(prefix, "bin"))
        shutil.copy(PROGRAM, os.path.join(prefix, "bin", "ridgeline"))
        shutil.copytree(os.path.join(SOURCE, "configs", "gpus"), os.path.join(prefix, "share", "ridgeline", "gpus"))
        program = os.path.join(prefix, "bin", "ridgeline")
        self.assertIn(b"h100-sxm", subprocess.run([program, "list", "gpus"], capture_output=True, check=True).stdout)
        # And nothing from the source tree that it was built from.
        models = subprocess.run([program, "list", "models"], capture_output=True, check=True).stdout
        self.assertNotIn(b"llama", models)


if __name__ == "__main__":
    unittest.main()
