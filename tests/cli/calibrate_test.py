"""calibrate measure, import, fit, check: on shipped points, on good files and bad ones, with no GPU and a pretended one."""
import csv
import gzip
import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time
import unittest

from ridgeline_program import PROGRAM, SOURCE, CliTest, run

POINTS = os.path.join(SOURCE, "configs", "calibration", "points")
HBM = os.path.join(POINTS, "h100-sxm-memory_bound.jsonl.gz")
HAS_GPU = os.path.exists("/dev/nvidiactl")

NCCL_LOG = """\
# Collective test starting: all_reduce_perf
# nThread 1 nGpus 2 minBytes 1048576 maxBytes 2097152 step: 2(factor) warmup iters: 5 iters: 20 agg iters: 1 validation: 1 graph: 0
#  Rank  0 Group  0 Pid   4143 on  node-a device  0 [0000:1b:00] NVIDIA H100 80GB HBM3
#  Rank  1 Group  0 Pid   4143 on  node-a device  1 [0000:43:00] NVIDIA H100 80GB HBM3
#       size         count      type   redop    root     time   algbw   busbw #wrong     time   algbw   busbw #wrong
     1048576        262144     float     sum      -1    38.24   27.42   27.42    N/A    37.95   27.63   27.63    N/A
     2097152        524288     float     sum      -1    52.10   40.25   40.25      7    51.97   40.35   40.35      0
"""

# What stands in for ridgeline_measure: it has one device, and of every point it measures that it took a microsecond.
PRETENDER = """\
#!/usr/bin/env python3
import json, sys, time
words = sys.argv[1:]
if "--list" in words:
    print(json.dumps({"kind": "device", "device": 0, "name": "NVIDIA H100 80GB HBM3", "gpu": "h100-sxm"}, separators=(",", ":")))
    sys.exit(0)
given = dict(zip(words[::2], words[1::2]))
with open(given["--points"]) as points, open(given["--out"], "a+") as out:
    out.seek(0)
    done = sum(1 for _ in out)
    for line in list(points)[done:done + 4]:
        point = json.loads(line)
        point.update(gpu="h100-sxm", time_s=1e-6, spread=0.01, source="own")
        out.write(json.dumps(point) + "\\n")
        out.flush()
        time.sleep(PAUSE)
"""


def lines_of(text):
    return [json.loads(line) for line in text.decode().splitlines()]


class Import(CliTest):
    def test_a_log_of_nccl_tests_becomes_points(self):
        log = self.write("reduce.log", NCCL_LOG)
        done = self.expect(0, "calibrate", "import", log, "--gpu", "h100-sxm", says=["1 of 2 rows are left out", "#wrong"])
        (point,) = lines_of(done.stdout)
        self.assertEqual(point["op"]["op"], "all_reduce")
        self.assertEqual((point["op"]["bytes"], point["op"]["ranks"]), (1048576, 2))
        self.assertAlmostEqual(point["time_s"], 38.24e-6)
        self.assertEqual(point["condition"]["launch"], "eager")
        # What was imported reads back to the same bytes, from a file and from a pipe.
        again = self.expect(0, "calibrate", "import", self.write("points.jsonl", done.stdout))
        self.assertEqual(again.stdout, done.stdout)
        piped = self.expect(0, "calibrate", "import", "-", stdin=done.stdout)
        self.assertEqual(piped.stdout, done.stdout)

    def test_a_log_needs_the_gpu_that_ran_it(self):
        log = self.write("reduce.log", NCCL_LOG)
        self.expect(2, "calibrate", "import", log, says=["does not name the catalog's GPU", "--gpu"])
        self.expect(2, "calibrate", "import", log, "--gpu", "h200-sxm", says="NVIDIA H100 80GB HBM3, not on h200-sxm")
        self.expect(2, "calibrate", "import", log, "--gpu", "h100-sx", says="did you mean h100-sxm?")

    def test_an_older_log_needs_its_collective_from_its_name_or_from_the_user(self):
        text = NCCL_LOG.split("\n", 1)[1]  # the first line names the program
        gpu = ["--gpu", "h100-sxm"]
        op_of = lambda done: lines_of(done.stdout)[0]["op"]["op"]
        named = self.write("all_gather_perf.log", text)
        self.assertEqual(op_of(self.expect(0, "calibrate", "import", named, *gpu)), "all_gather")
        log = self.write("run7.log", text)
        self.expect(2, "calibrate", "import", log, *gpu, says=["all_reduce_perf.log", "--assume op=all_reduce"])
        told = self.expect(0, "calibrate", "import", log, *gpu, "--assume", "op=reduce_scatter")
        self.assertEqual(op_of(told), "reduce_scatter")
        self.expect(2, "calibrate", "import", log, "--assume", "op=all_reduce", says="--gpu")
        self.expect(2, "calibrate", "import", log, "--gpu", "h200-sxm", "--assume", "op=all_reduce", says="not on h200-sxm")
        self.expect(2, "calibrate", "import", log, *gpu, "--assume", "op=all_reduc", says="did you mean all_reduce?")
        self.expect(2, "calibrate", "import", HBM, *gpu, "--assume", "op=all_reduce", says="for logs of nccl-tests")

    def test_a_public_table_is_known_by_its_name_which_says_its_gpu(self):
        name = "h100_sxm__vllm-0.24.0__gemm.csv.gz"
        table = os.path.join(POINTS, name)
        self.expect(2, "calibrate", "import", table, "--gpu", "h200-sxm", says=["not all of these points", "h100-sxm"])
        with open(table, "rb") as file:
            renamed = self.write("gemm.csv.gz", file.read())
        self.expect(2, "calibrate", "import", renamed, says="SYSTEM__ENGINE-VERSION__FAMILY.csv")

    def test_an_export_of_nsight_systems_becomes_points(self):
        path = os.path.join(self.folder, "report.sqlite")
        thread = 7 << 24
        with sqlite3.connect(path) as trace:
            trace.executescript(
                "CREATE TABLE StringIds (id INTEGER PRIMARY KEY, value TEXT);"
                "CREATE TABLE CUPTI_ACTIVITY_KIND_KERNEL (start INT, end INT, correlationId INT, globalPid INT, demangledName INT);"
                "CREATE TABLE CUPTI_ACTIVITY_KIND_RUNTIME (start INT, end INT, globalTid INT, correlationId INT);"
                "CREATE TABLE NVTX_EVENTS (start INT, end INT, eventType INT, text TEXT, globalTid INT);"
            )
            trace.execute("INSERT INTO StringIds VALUES (1, 'nvjet_tst_128x256_64x4_1x2_h_bz_TNT')")
            trace.execute("INSERT INTO NVTX_EVENTS VALUES (0, 90, 59, 'aten::mm, seq = 1, sizes = [[8, 16], [16, 32]]', ?)", (thread,))
            trace.execute("INSERT INTO CUPTI_ACTIVITY_KIND_RUNTIME VALUES (10, 20, ?, 5)", (thread,))
            trace.execute("INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES (500, 4500, 5, ?, 1)", (thread,))
        trace.close()
        (point,) = lines_of(self.expect(0, "calibrate", "import", path, "--gpu", "h100-sxm").stdout)
        self.assertEqual([point["op"][name] for name in ("m", "n", "k", "dtype")], [8, 32, 16, "bf16"])
        self.assertAlmostEqual(point["time_s"], 4e-6)
        self.assertEqual(point["condition"], {"clock": "program", "launch": "kernel", "cache": "program", "layout": "TN"})
        steady = ["--assume", "clock=burst", "--assume", "launch=graph", "--assume", "cache=cold"]
        (point,) = lines_of(self.expect(0, "calibrate", "import", path, "--gpu", "h100-sxm", *steady).stdout)
        self.assertEqual(point["condition"], {"clock": "burst", "launch": "graph", "cache": "cold", "layout": "TN"})
        self.expect(2, "calibrate", "import", path, "--gpu", "h100-sxm", "--assume", "launch=lazy", says="--assume")

    def test_bad_lines_say_where(self):
        good = '{"op":{"op":"gemm","m":8,"n":8,"k":8},"gpu":"h100-sxm","time_s":1e-6}\n'
        for bad, place in (('{"op":', "2:7"), (good.replace("1e-6", "-1").strip(), "2:65"), ('{"op":{}}', "2:7")):
            path = self.write("bad.jsonl", good + bad + "\n")
            self.expect(2, "calibrate", "import", path, says=f"bad.jsonl:{place}: error:")

    def test_cut_empty_and_missing_files(self):
        whole = gzip.compress(b'{"op":{"op":"copy","bytes":8},"gpu":"h100-sxm","time_s":1e-6}\n' * 1000)
        self.expect(2, "calibrate", "import", self.write("cut.jsonl.gz", whole[:60]), says="damaged or cut off")
        self.expect(2, "calibrate", "import", self.write("empty.jsonl", ""), says="no measured point")
        self.expect(2, "calibrate", "import", os.path.join(self.folder, "none"), says="no such file")
        self.expect(2, "calibrate", "import", self.folder, says="a folder, not a file")
        self.expect(2, "calibrate", "import", says="needs files")
        name = "h100_sxm__vllm-0.24.0__computescale.csv"
        self.expect(5, "calibrate", "import", self.write(name, "latency\n"), says=["not built yet", "computescale"])

    def test_an_unwritable_file_is_2_and_what_was_there_stays(self):
        self.expect(2, "calibrate", "import", HBM, "--write", "/no/such/folder/x.jsonl", says="cannot write")
        kept = self.write("kept.jsonl", "mine")
        self.expect(2, "calibrate", "import", self.write("empty.jsonl", ""), "--write", kept)
        with open(kept) as file:
            self.assertEqual(file.read(), "mine")
        self.expect(0, "calibrate", "import", HBM, "--write", kept, says="points written to")


class Fit(CliTest):
    def test_held_out_points_are_refused(self):
        """check sees them; fit, given nothing else, says why it will not."""
        held_out = set()
        for point in lines_of(run("calibrate", "import", HBM).stdout):
            text = json.dumps(point["op"], sort_keys=True)
            line = json.dumps(point) + "\n"
            if len(held_out) >= 20:
                break
            path = self.write("one.jsonl", line)
            done = run("calibrate", "fit", path, "--gpu", "h100-sxm")
            self.assertEqual(done.returncode, 2)
            if b"held-out points are not fitted" in done.stderr:
                held_out.add(line)
            else:
                # To be fitted, but alone: it is never a question of holding out.
                self.assertIn(b"no table of at least", done.stderr, text)
        self.assertEqual(len(held_out), 20)
        path = self.write("held_out.jsonl", "".join(sorted(held_out)))
        profile = os.path.join(self.folder, "x.calibration")
        self.expect(2, "calibrate", "fit", path, "--gpu", "h100-sxm", "--write", profile,
                    says=["held-out points are not fitted", "all 20 are held out", "calibrate check"])
        self.assertFalse(os.path.exists(profile))
        self.expect(0, "calibrate", "check", path, "--gpu", "h100-sxm", says="20 held-out points")

    def test_a_profile_is_written_and_checked(self):
        profile = os.path.join(self.folder, "ours.calibration")
        done = self.expect(0, "calibrate", "fit", HBM, "--gpu", "h100-sxm", "--write", profile, "-o", "json",
                           says=["held out", "next: ridgeline calibrate check"])
        fitted = json.loads(done.stdout)
        self.assertEqual((fitted["schema"], fitted["gpu"]), ("ridgeline.calibration_fit/1", "h100-sxm"))
        self.assertGreater(fitted["counts"]["held_out"], 0)
        self.assertIn("swiglu bf16", [table["table"] for table in fitted["tables"]])
        checked = json.loads(
            self.expect(0, "calibrate", "check", HBM, "--gpu", "h100-sxm", "--profile", profile, "-o", "json").stdout
        )
        self.assertEqual(checked["profile"], "ours.calibration")
        self.assertEqual(checked["held_out"], fitted["counts"]["held_out"])
        table = self.expect(0, "calibrate", "fit", HBM, "--gpu", "h100-sxm", says="nothing is written").stdout.decode()
        self.assertIn("swiglu bf16", table)

    def test_points_of_another_gpu_and_flags_of_another_action(self):
        self.expect(2, "calibrate", "fit", HBM, "--gpu", "h200-sxm", says=["no points of h200-sxm", "h100-sxm 1"])
        self.expect(2, "calibrate", "check", HBM, "--gpu", "h200-sxm", says="no points of h200-sxm")
        self.expect(2, "calibrate", "fit", HBM, says="needs --gpu")
        self.expect(2, "calibrate", "fit", HBM, "--gpu", "h100-sxm", "--profile", "x", says="calibrate fit takes no --profile")
        self.expect(2, "calibrate", "fti", says="did you mean fit?")
        self.expect(4, "calibrate", "fit", HBM, "--gpu", "h100-sxm", "--timeout", "1 ns", says="deadline exceeded")


class Check(CliTest):
    def test_by_default_the_shipped_profile_over_the_shipped_points(self):
        for gpu in ("h100-sxm", "h200-sxm", "a100-sxm-80g"):
            checked = json.loads(self.expect(0, "calibrate", "check", "--gpu", gpu, "-o", "json", says="shipped points").stdout)
            self.assertEqual(checked["profile"], gpu + ".calibration")
            self.assertLess(checked["without_price"], checked["held_out"] / 100)
            bands = {row["measured_time"] for row in checked["rows"]}
            self.assertIn("all", bands)
            self.assertIn("below 10 us", bands)
            for row in checked["rows"]:
                self.assertLessEqual(row["median_error"], row["worst"])
                self.assertTrue(0 <= row["coverage"] <= 1)
                self.assertGreaterEqual(row["half_width"], 0)
                self.assertTrue(row["source"])

    def test_every_format_says_the_same(self):
        arguments = ("calibrate", "check", HBM, "--gpu", "h100-sxm", "-o")
        rows = json.loads(self.expect(0, *arguments, "json").stdout)["rows"]
        self.assertEqual(lines_of(self.expect(0, *arguments, "jsonl").stdout), rows)
        cells = list(csv.DictReader(io.StringIO(self.expect(0, *arguments, "csv").stdout.decode())))
        self.assertEqual([row["family"] for row in cells], [row["family"] for row in rows])
        self.assertEqual([int(row["points"]) for row in cells], [row["points"] for row in rows])
        table = self.expect(0, *arguments, "table").stdout.decode()
        self.assertEqual(len(table.splitlines()), len(rows) + 1)
        for word in ("median", "p90", "in range", "half-width", "below 10 us", "10 to 100 us"):
            self.assertIn(word, table)

    def test_a_gpu_without_a_profile_says_what_to_do(self):
        self.expect(2, "calibrate", "check", "--gpu", "l40s", says=["no profile of this GPU is shipped", "--profile"])
        self.expect(2, "calibrate", "check", "--gpu", "h100-sxm", "--profile", "h100-sx", says="h100-sxm")
        bad = self.write("bad.calibration", "nonsense")
        self.expect(2, "calibrate", "check", "--gpu", "h100-sxm", "--profile", bad)


class Measure(CliTest):
    def pretend(self, pause):
        """A copy of the program with a pretended ridgeline_measure beside it."""
        program = os.path.join(self.folder, "ridgeline")
        shutil.copy(PROGRAM, program)
        with open(os.path.join(self.folder, "ridgeline_measure"), "w") as file:
            file.write(PRETENDER.replace("PAUSE", str(pause)))
        os.chmod(file.name, 0o755)
        return [program, "calibrate", "measure", os.path.join(self.folder, "points"), "--families", "hbm",
                "--budget", "20 s", "--configs", os.path.join(SOURCE, "configs")]

    @unittest.skipIf(HAS_GPU, "this host has a GPU")
    def test_without_a_gpu_it_says_so(self):
        for arguments in ([], [os.path.join(self.folder, "points")]):
            done = self.expect(2, "calibrate", "measure", *arguments, says=["no GPU to measure here", "fitted anywhere"])
            self.assertEqual(done.stdout, b"")
        self.assertEqual(os.listdir(self.folder), [])

    def test_every_family_that_the_script_knows_can_be_asked_for(self):
        with open(os.path.join(SOURCE, "calibration", "measure", "run.sh")) as script:
            (families,) = [line.split("out of ")[1].strip() for line in script if "out of check," in line]
        self.assertIn("paged", families)
        done = run("calibrate", "measure", os.path.join(self.folder, "points"), "--families", families + ",atention")
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"--families does not know: atention", done.stderr)

    def test_mistakes_are_found_before_anything_runs(self):
        self.expect(2, "calibrate", "measure", "--families", "gemm,atention", says="did you mean attention?")
        self.expect(2, "calibrate", "measure", "a", "b", says="takes one folder")
        self.expect(2, "calibrate", "measure", self.write("file", ""), says="this is a file")
        self.expect(2, "calibrate", "measure", "--budget", "ten", says="--budget")

    def test_it_measures_lists_its_files_and_goes_on_where_it_stopped(self):
        command = self.pretend(0)
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
        for count in (4, 8):
            done = subprocess.run(command, capture_output=True, env=environment, timeout=50)
            self.assertEqual(done.returncode, 0, done.stderr.decode())
            (file,) = done.stdout.decode().split()
            self.assertTrue(file.endswith("points/hbm.jsonl"))
            with open(file) as points:
                self.assertEqual(len(points.readlines()), count)
        self.assertIn(b"next: ridgeline calibrate fit", done.stderr)
        self.assertEqual(run("calibrate", "import", file).returncode, 0)

    def test_an_interrupt_stops_it_and_keeps_what_was_measured(self):
        command = self.pretend(2)
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
        self.addCleanup(process.kill)
        path = os.path.join(self.folder, "points", "hbm.jsonl")
        deadline = time.monotonic() + 30
        while not (os.path.exists(path) and os.path.getsize(path) > 0):
            self.assertLess(time.monotonic(), deadline)
            self.assertIsNone(process.poll())
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        self.assertEqual(process.returncode, 130, errors.decode())
        with open(path) as points:
            self.assertEqual(len(points.readlines()), 1)


class CalibrateHelp(CliTest):
    def test_help_teaches_by_examples(self):
        text = self.expect(0, "calibrate", "--help").stdout.decode()
        examples = text.split("for example")[1]
        for action in ("measure", "import", "fit", "check"):
            self.assertIn(f"ridgeline calibrate {action}", examples)
        for line in text.splitlines():
            self.assertLessEqual(len(line), 110, line)


if __name__ == "__main__":
    unittest.main()
