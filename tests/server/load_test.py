"""A hundred clients at once, for three seconds (RIDGELINE_LOAD_SECONDS for more): no call fails. Prints what it saw."""
import os
import threading
import time
import unittest

from ridgeline_server import ServerProcess, result_of

from ridgeline_program import SMALL

SECONDS = float(os.environ.get("RIDGELINE_LOAD_SECONDS", "3"))
CLIENTS = 100


class Load(unittest.TestCase):
    def test_a_hundred_clients_at_once(self):
        server = ServerProcess()
        self.addCleanup(server.stop)
        latencies, errors = [], []
        lock = threading.Lock()
        end = time.monotonic() + SECONDS

        def work(seed):
            mine, wrong = [], []
            with server.client() as client:
                while time.monotonic() < end:
                    begin = time.monotonic()
                    try:
                        result = result_of(client.simulate([("s.yaml", SMALL)], seed=seed))
                        if result.seed != seed or not result.report.metrics:
                            wrong.append(f"an answer to someone else: {result.seed} for {seed}")
                    except Exception as error:  # every failure counts, whatever it is
                        wrong.append(repr(error))
                    mine.append(time.monotonic() - begin)
            with lock:
                latencies.extend(mine)
                errors.extend(wrong)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(1, CLIENTS + 1)]
        begin = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        spent = time.monotonic() - begin
        latencies.sort()
        print(
            f"{len(latencies)} calls in {spent:.1f} s: {len(latencies) / spent:.0f}/s, "
            f"p50 {latencies[len(latencies) // 2] * 1e3:.0f} ms, "
            f"p99 {latencies[len(latencies) * 99 // 100] * 1e3:.0f} ms, {len(errors)} errors"
        )
        self.assertEqual(errors, [])
        self.assertGreater(len(latencies), CLIENTS)


if __name__ == "__main__":
    unittest.main()
