"""INV-3: the same inputs and seed give the same bytes on standard output, at any --jobs, anywhere."""
import unittest

from ridgeline_program import DEMO, SCENARIOS, CliTest, run


class Determinism(CliTest):
    def test_the_same_bytes_at_any_jobs_and_again(self):
        for name in SCENARIOS:
            for form in ("table", "json"):
                one = run("simulate", name, "-o", form, "-j", "1")
                self.assertTrue(one.stdout)
                for jobs in ("2", "1"):
                    again = run("simulate", name, "-o", form, "-j", jobs)
                    self.assertEqual((again.stdout, again.returncode), (one.stdout, one.returncode), name)

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
