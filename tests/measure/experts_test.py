"""What the scripts that need PyTorch decide without it."""
import os
import subprocess
import sys
import unittest

MEASURE = os.path.join(os.environ["RIDGELINE_SOURCE"], "calibration", "measure")
sys.dont_write_bytecode = True
sys.path.insert(0, MEASURE)

import expert_gemm  # noqa: E402
import flashinfer_modules  # noqa: E402
import torch_bench  # noqa: E402


class ExpertsTest(unittest.TestCase):
    def test_even_rows_differ_by_one_at_most(self):
        self.assertEqual(expert_gemm.rows_of_experts(4, 10, False), [3, 2, 3, 2])

    def test_skewed_rows_follow_one_over_rank(self):
        # Shares 1, 1/2, 1/3 of 11/6: 12 rows end at 6.55, 9.82 and 12, rounded 7, 10, 12.
        self.assertEqual(expert_gemm.rows_of_experts(3, 12, True), [7, 3, 2])

    def test_no_row_is_lost(self):
        for groups in (1, 3, 52, 256):
            for rows in (1, 7, 1000, 16384):
                for skewed in (False, True):
                    given = expert_gemm.rows_of_experts(groups, rows, skewed)
                    self.assertEqual((sum(given), min(given) >= 0), (rows, True))


class BenchTest(unittest.TestCase):
    def test_a_point_is_known_by_operation_condition_and_variant(self):
        point = {"op": {"op": "gemm", "m": 1}, "condition": {"clock": "burst"}}
        turned = {"condition": {"clock": "burst"}, "op": {"m": 1, "op": "gemm"}, "time_s": 1}
        self.assertEqual(torch_bench.canonical(point), torch_bench.canonical(turned))
        self.assertNotEqual(torch_bench.canonical(point),
                            torch_bench.canonical({**point, "with": "torch"}))

    def test_spread_is_blind_to_one_outlier(self):
        # Deviations from the median 10 are 0, 0, 0, 90: their median is 0.
        self.assertEqual(torch_bench.relative_spread([10, 10, 100, 10]), 0)

    def test_without_a_gpu_the_scripts_say_what_to_do(self):
        for script in ("attention.py", "paged_attention.py", "expert_gemm.py"):
            ran = subprocess.run(
                [sys.executable, "-B", os.path.join(MEASURE, script), "--points", os.devnull,
                 "--out", os.devnull], capture_output=True, text=True,
                env={**os.environ, "CUDA_VISIBLE_DEVICES": ""}, check=False)
            self.assertEqual((ran.returncode, "hint: " in ran.stderr), (1, True), ran.stderr)


class ModulesTest(unittest.TestCase):
    def test_the_dispatch_over_masks_is_pinned_to_none(self):
        config = ("  DISPATCH_MASK_MODE(mask_mode, MASK_MODE, { \\\n"
                  "    __VA_ARGS__(); \\\n  })\n")
        pinned = flashinfer_modules.without_masks(config)
        self.assertNotIn("DISPATCH_MASK_MODE", pinned)
        self.assertEqual(pinned.count("{"), pinned.count("}"))
        self.assertEqual(pinned.count("("), pinned.count(")"))

    def test_another_flashinfer_is_refused(self):
        with self.assertRaises(SystemExit):
            flashinfer_modules.without_masks("something else")


if __name__ == "__main__":
    unittest.main()
