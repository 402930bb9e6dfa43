"""The program starts in under 50 ms and answers a shipped scenario in under 0.2 s, one that replays an hour of requests in under
1 s (medians; a clock is read)."""
import os
import statistics
import time
import unittest

from ridgeline_program import SCENARIOS, run

# Sanitizers and coverage make programs several times slower; there the figures mean nothing.
SLACK = float(os.environ.get("RIDGELINE_TIME_SLACK", "1"))


def median_seconds(*arguments):
    spans = []
    for _ in range(9):
        begin = time.perf_counter()
        run(*arguments)
        spans.append(time.perf_counter() - begin)
    return statistics.median(spans)


class Startup(unittest.TestCase):
    def test_start_under_50_ms(self):
        self.assertLess(median_seconds("version"), 0.050 * SLACK)

    def test_every_scenario_under_200_ms_and_hours_of_requests_under_1_s(self):
        for name in SCENARIOS:
            replays_hours = "azure" in name or "mooncake" in name
            self.assertLess(median_seconds("simulate", name), (1.0 if replays_hours else 0.200) * SLACK, name)


if __name__ == "__main__":
    unittest.main()
