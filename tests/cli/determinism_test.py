"""INV-3: the same inputs and seed give the same bytes on standard output, at any --jobs, anywhere."""
import os
import unittest

from ridgeline_program import DEMO, SCENARIOS, SOURCE, CliTest, run


class Determinism(CliTest):
    def test_the_same_bytes_at_any_jobs_and_again(self):
        for name in SCENARIOS:
            for form in ("table", "json"):
                one = run("simulate", name, "-o", form, "-j", "1")
                self.assertTrue(one.stdout)
                for jobs in ("2", "1"):
                    again = run("simulate", name, "-o", form, "-j", jobs)
                    self.assertEqual((again.stdout, again.returncode), (one.stdout, one.returncode), name)

    def test_how_the_question_is_asked_changes_nothing(self):
        path = os.path.join(SOURCE, "configs", "scenarios", DEMO + ".yaml")
        plain = self.expect(0, "simulate", DEMO).stdout
        self.assertEqual(plain, self.expect(0, "simulate", path).stdout)
        with open(path, "rb") as file:
            self.assertEqual(plain, self.expect(0, "simulate", "-", stdin=file.read()).stdout)
        trace = os.path.join(self.folder, "step.json")
        self.assertEqual(plain, self.expect(0, "simulate", DEMO, "--trace", trace).stdout)

    def test_what_to_ask_next_is_about_the_same_scenario(self):
        told = self.expect(0, "simulate", DEMO, "--set", "training.parallelism={tp: 4, pp: 1}").stderr.decode()
        self.assertIn(f"ridgeline simulate {DEMO} --set 'training.parallelism={{tp: 4, pp: 1}}' -o wide", told)
        self.assertEqual(b"", self.expect(0, "simulate", DEMO, "-q").stderr)

    def test_validate_gives_the_same_bytes(self):
        done = [run("validate", "field-map", "-o", "json", "-j", jobs) for jobs in ("1", "2")]
        self.assertEqual(done[0].stdout, done[1].stdout)
        self.assertEqual(done[0].returncode, done[1].returncode)

    def test_surroundings_change_nothing(self):
        plain = self.expect(0, "simulate", DEMO).stdout
        for env in ({"LC_ALL": "de_DE.UTF-8"}, {"TERM": "dumb"}, {"COLUMNS": "40"}, {"TZ": "Asia/Tokyo"}, {"RIDGELINE_JOBS": "3"}):
            self.assertEqual(plain, self.expect(0, "simulate", DEMO, env=env).stdout, env)
        for flags in (["--color", "always"], ["--progress", "plain"], ["-v"], ["-q"], ["--timeout", "60 s"]):
            self.assertEqual(plain, self.expect(0, "simulate", DEMO, *flags).stdout, flags)


if __name__ == "__main__":
    unittest.main()
