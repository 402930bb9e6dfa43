"""--server gives the bytes, the exit code and the messages that a run at home gives."""
import unittest

from ridgeline_server import ServerProcess

from ridgeline_program import DEMO, SCENARIOS, SMALL, CliTest, run

PLAN = SMALL.replace("  micro_batch: 1\n", "").replace("  parallelism: {tp: 2}\n", "")


class SameBytes(CliTest):
    @classmethod
    def setUpClass(cls):
        cls.server = ServerProcess()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def same(self, *arguments, **options):
        here = run(*arguments, **options)
        there = run(*arguments, "--server", self.server.address, **options)
        self.assertEqual(there.stderr.decode(), here.stderr.decode(), arguments)
        self.assertEqual(there.stdout.decode(), here.stdout.decode(), arguments)
        self.assertEqual(there.returncode, here.returncode, arguments)
        return here

    def test_every_shipped_scenario(self):
        for name in SCENARIOS:
            self.same("simulate", name, "-q", "-o", "json")

    def test_every_format(self):
        for output in ["table", "wide", "json", "jsonl", "csv", "md"]:
            done = self.same("simulate", DEMO, "-q", "-o", output)
            self.assertEqual(done.returncode, 0)

    def test_files_overrides_seed_and_standard_input(self):
        base = self.write("base.yaml", SMALL)
        over = self.write("over.yaml", "training: {parallelism: {tp: 4}}\n")
        self.same("simulate", base, over, "--set", "training.recompute=full", "--seed", "9", "-q", "-o", "json")
        self.same("simulate", "-", "-q", "-o", "json", stdin=SMALL.encode())

    def test_what_does_not_fit_is_exit_code_1(self):
        large = self.write("large.yaml", SMALL.replace("llama-3.1-8b", "llama-3.1-405b"))
        self.assertEqual(self.same("simulate", large, "-q", "-o", "json").returncode, 1)

    def test_mistakes_read_the_same(self):
        bad = self.write("bad.yaml", SMALL.replace("tp: 2", "tq: 2").replace("4096", "long"))
        self.assertEqual(self.same("simulate", bad).returncode, 2)
        self.same("simulate", self.write("broken.yaml", "a: [1, 2\n"))
        self.same("simulate", self.write("model.yaml", SMALL.replace("llama-3.1-8b", "llama-3.1-8")))
        self.same("simulate", self.write("empty.yaml", ""))
        self.same("simulate", DEMO, "--set", "training.nothing=1")
        self.same("simulate", "no-such-scenario")
        keys = "".join(f"  a_rather_long_key_that_nobody_knows_{i}: {'x' * 200}\n" for i in range(30))
        self.same("simulate", self.write("many.yaml", SMALL + keys))

    def test_plan(self):
        scenario = self.write("plan.yaml", PLAN)
        for output in ["table", "json", "csv"]:
            done = self.same("plan", scenario, "-q", "-o", output)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.same("plan", scenario, "-q", "-o", "json", "--minimize", "memory.peak")
        self.same("plan", scenario, "-q", "--minimize", "beauty")
        self.same("plan", scenario, "-q", "--target", "step_time<=1 us", "-o", "json")

    def test_what_needs_files_here_is_not_built(self):
        place = ["--server", self.server.address]
        self.expect(5, "simulate", DEMO, *place, "--trace", f"{self.folder}/t.json", says="--trace")
        self.expect(5, "simulate", DEMO, *place, "--requests", f"{self.folder}/r.csv", says="--requests")

    def test_a_choice_of_measured_costs_is_the_servers_and_is_refused_not_dropped(self):
        place = ["--server", self.server.address]
        plan = self.write("plan.yaml", PLAN)
        for command in (["simulate", DEMO], ["plan", plan]):
            self.expect(2, *command, *place, "--strict-calibration", says="ridgeline serve --strict-calibration")
            self.expect(2, *command, *place, "--calibration", "none", says="ridgeline serve --calibration none")
        self.assertEqual(run("simulate", DEMO, *place, "--calibration", "auto").returncode, 0)

    def test_nobody_there_is_exit_code_4(self):
        self.expect(
            4, "simulate", DEMO, "--server", "127.0.0.1:1", says=["the server is unavailable: 127.0.0.1:1", "ridgeline serve"]
        )

    def test_a_deadline_is_exit_code_4(self):
        self.expect(4, "simulate", DEMO, "--server", self.server.address, "--timeout", "1 us", says="deadline exceeded")


if __name__ == "__main__":
    unittest.main()
