"""Exit codes are a contract: 0 done, 1 the answer is no, 2 mistake, 3 not measured, 4 deadline, 5 not built yet, 130 interrupted."""
import os
import signal
import subprocess
import unittest

from ridgeline_program import DEMO, PROGRAM, SMALL, CliTest, run


class ExitCodes(CliTest):
    def test_a_finished_answer_is_0(self):
        for arguments in (["version"], ["list", "gpus"], ["explain"], ["simulate", DEMO], ["check", DEMO], []):
            done = self.expect(0, *arguments)
            self.assertTrue(done.stdout, arguments)

    def test_a_job_that_does_not_fit_is_1_and_says_so(self):
        # 70 B parameters at 18 bytes are 1.3 TB; one DGX H100 has 0.64 TB.
        path = self.write("big.yaml", SMALL.replace("llama-3.1-8b", "llama-3.1-70b").replace("tp: 2", "tp: 8"))
        done = self.expect(1, "simulate", path)
        self.assertIn(b"does not fit", done.stdout)
        done = self.expect(1, "simulate", path, "-o", "csv")
        self.assertIn(b"memory.fits,0,", done.stdout)

    def test_mistyped_names_are_2_with_the_nearest(self):
        self.expect(2, "simulat", DEMO, says=["unknown command: simulat", "did you mean simulate?"])
        self.expect(2, "simulate", DEMO, "--sett", "a=b", says=["unknown flag: --sett", "did you mean --set?"])
        self.expect(2, "simulate", "llama-3.1-8b-8xh10", says="did you mean llama-3.1-8b-8xh100?")
        self.expect(2, "list", "gpu5", says="did you mean gpus?")
        self.expect(2, "describe", "gpu", "h100-sxn", says="did you mean h100-sxm?")
        self.expect(2, "explain", "training.paralelism.tp", says="did you mean training.parallelism.tp?")
        self.expect(2, "simulate", DEMO, "-x", says="unknown flag: -x")
        self.expect(2, "calibrate", "chek", says="did you mean check?")
        self.expect(2, "calibrate", "check", "--gpu", "h100-sxn", says="did you mean h100-sxm?")

    def test_wrong_counts_and_values_are_2(self):
        self.expect(2, "simulate", says="too few arguments")
        self.expect(2, "describe", "gpu", says="too few arguments")
        self.expect(2, "version", "now", says="too many arguments")
        self.expect(2, "calibrate", says="too few arguments")
        self.expect(2, "calibrate", "fit", says="needs --gpu")
        self.expect(2, "calibrate", "import", "--takes-busy", says="calibrate import takes no --takes-busy")
        self.expect(2, "simulate", DEMO, "-o", "jsn", says=["--output does not take: jsn", "did you mean json?"])
        self.expect(2, "simulate", DEMO, "--seed", "-1", says="--seed needs a whole number")
        self.expect(2, "simulate", DEMO, "-j", "0", says="--jobs needs a whole number")
        self.expect(2, "simulate", DEMO, "--timeout", "5", says="--timeout")
        self.expect(2, "simulate", DEMO, "--configs", "/no/such/folder", says="needs a directory")
        self.expect(2, "list", "gpus", "--trace", "x", says="list takes no --trace")
        self.expect(2, "simulate", DEMO, "--trace", "", says="--trace needs the name of a file")

    def test_what_is_planned_is_5_with_its_name(self):
        for name in ("render", "compare", "trace", "runs"):
            self.expect(5, name, "anything", says=f"not built yet: {name}")
            self.expect(5, name, "--help", says=f"not built yet: {name}")
        for flag in ("--save", "--html"):
            self.expect(5, "simulate", DEMO, flag, "x", says=f"not built yet: {flag}")
        path = self.write("serving.yaml", "cluster: {nodes: dgx-h100, count: 1}\nserving: {model: llama-3.1-8b, engine: sglang}\n"
                          "workload: {arrivals: {rate: 1 req/s}, requests: 1, input_tokens: 1, output_tokens: 1}\n")
        self.expect(5, "simulate", path, says=["not built yet", "sglang"])

    def test_calibration_without_a_gpu_is_2_and_a_table_that_no_operation_stands_for_is_5(self):
        if not os.path.exists("/dev/nvidiactl"):
            self.expect(2, "calibrate", "measure", says="no GPU to measure here")
        table = self.write("h100_sxm__trtllm-1.3__mamba2.csv", "latency\n")
        self.expect(5, "calibrate", "import", table, says=["not built yet", "mamba2"])

    def test_what_was_not_measured_is_3_where_nothing_else_is_taken_and_what_is_next_keeps_the_choice(self):
        done = self.expect(3, "simulate", DEMO, "--calibration", "none", "--strict-calibration", says="no measurement of")
        self.assertIn(b"drop the flag   [--strict-calibration]", done.stderr)
        self.expect(0, "simulate", DEMO, "--calibration", "none", says=f"ridgeline simulate {DEMO} --calibration none -o wide")

    def test_a_deadline_is_4(self):
        self.expect(4, "simulate", DEMO, "--timeout", "1 ns", says="deadline exceeded")

    def test_an_interrupt_is_130(self):
        # The program waits for standard input, so the signal finds it at work.
        process = subprocess.Popen(
            [PROGRAM, "simulate", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.addCleanup(process.kill)
        try:
            # Twice: the first asks to stop, the second ends a program that cannot look up.
            while process.poll() is None:
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(timeout=0.1)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            process.communicate()
        self.assertIn(process.returncode, (130, -signal.SIGINT))

    def test_an_unwritable_output_is_2_and_a_reader_that_leaves_is_nothing(self):
        if os.path.exists("/dev/full"):
            with open("/dev/full", "wb") as full:
                done = run("list", "models", stdout=full)
            self.assertEqual(done.returncode, 2)
            self.assertIn(b"cannot write standard output", done.stderr)
        reader, writer = os.pipe()
        os.close(reader)
        with os.fdopen(writer, "wb") as closed:
            done = run("list", "models", stdout=closed)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.expect(2, "simulate", DEMO, "--trace", os.path.join(self.folder, "no", "t.json"), says="cannot write")


if __name__ == "__main__":
    unittest.main()
