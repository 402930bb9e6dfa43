"""The points of a run: the same every time, distinct, and within what the kernels take."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

MEASURE = os.path.join(os.environ["RIDGELINE_SOURCE"], "calibration", "measure")


def written(*arguments):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-B", os.path.join(MEASURE, "points.py"), folder,
                        *arguments], check=True, stdout=subprocess.DEVNULL)
        files = {}
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), encoding="utf-8") as points:
                files[name] = points.read()
        return files


class PointsTest(unittest.TestCase):
    def test_two_runs_write_the_same_bytes(self):
        self.assertEqual(written("--scale", "0.1"), written("--scale", "0.1"))

    def test_no_point_stands_twice(self):
        for name, text in written().items():
            points = [json.dumps(json.loads(line), sort_keys=True) for line in text.splitlines()]
            self.assertEqual(len(points), len(set(points)), name)

    def test_fp8_widths_are_multiples_of_sixteen(self):
        for line in written()["gemm.jsonl"].splitlines():
            op = json.loads(line)["op"]
            if op["dtype"] == "fp8":
                self.assertEqual([op["n"] % 16, op["k"] % 16], [0, 0], line)

    def test_collectives_divide_among_the_ranks(self):
        for line in written("--ranks", "6")["collectives.jsonl"].splitlines():
            op = json.loads(line)["op"]
            self.assertEqual(op["bytes"] % (2 * 6), 0, line)

    def test_experts_name_the_kernels_that_their_script_has(self):
        for line in written()["experts.jsonl"].splitlines():
            point = json.loads(line)
            known = {"fp8": (None, "skewed"), "bf16": (None, "skewed")}
            self.assertIn(point.get("with"), known[point["op"]["dtype"]], line)

    def test_paged_points_are_decoding_of_one_token(self):
        latent = 0
        for line in written()["paged.jsonl"].splitlines():
            point = json.loads(line)
            op = point["op"]
            self.assertEqual((op["phase"], op["q_len"]), ("decode", 1), line)
            if op["head_dim"] == 576:
                latent += 1
                self.assertEqual((op["kv_heads"], op["v_head_dim"], point.get("with")),
                                 (1, 512, None), line)
            else:
                self.assertEqual(point["with"], "flashinfer-paged", line)
        self.assertEqual(latent, 180)


if __name__ == "__main__":
    unittest.main()
