"""Operations in, costs out: formats, order, mistakes in their place, streaming."""
import csv
import io
import json
import os
import subprocess
import unittest

from ridgeline_program import PROGRAM, CliTest, run

GEMM = '{"op":"gemm","dtype":"bf16","m":512,"n":4096,"k":5120}'
LINES = [
    GEMM,
    '{"op":"attention","phase":"prefill","pass":"forward","dtype":"bf16","causal":true,"batch":2,"q_len":4096,'
    '"kv_len":4096,"heads":32,"kv_heads":8,"head_dim":128}',
    '{"op":"all_reduce","dtype":"bf16","bytes":16777216,"ranks":2}',
    '{"op":"rmsnorm","dtype":"bf16","tokens":4096,"hidden":8192}',
    '{"op":"copy","bytes":1000000}',
    '{"op":"moe","dtype":"bf16","tokens":1024,"hidden":2048,"ffn":768,"experts":128,"top_k":8}',
    '{"op":"send","bytes":1048576}',
]


class Cost(CliTest):
    def cost(self, lines, *arguments, code=0, says=()):
        text = "\n".join(lines) + "\n"
        return self.expect(code, "cost", *arguments, stdin=text.encode(), says=says).stdout.decode()

    def test_one_answer_a_line_in_the_same_order(self):
        asked = self.cost(LINES, "--gpu", "h100-sxm", "--calibration", "none", "-o", "jsonl")
        answers = [json.loads(line) for line in asked.splitlines()]
        self.assertEqual([answer["op"] for answer in answers], [json.loads(line)["op"] for line in LINES])
        for answer in answers:
            self.assertLessEqual(answer["low_s"], answer["time_s"])
            self.assertLessEqual(answer["time_s"], answer["high_s"])
            self.assertGreater(answer["time_s"], 0)
            # All-reduces were fitted to measured times, sends follow from exchanges; the rest is a roofline's here.
            known = {"all_reduce": "interpolated", "send": "extrapolated"}
            self.assertEqual(answer["evidence"], known.get(answer["op"], "analytic"))
        # 2 x 512 x 4096 x 5120 FLOPs at 678 TFLOP/s; the memory side (53 MB) is shorter.
        self.assertAlmostEqual(answers[0]["time_s"], 2 * 512 * 4096 * 5120 / 678e12, delta=1e-9)
        self.assertIn("sustained", answers[0]["condition"])

    def test_measured_shapes_are_answered_in_the_condition_that_is_asked_for(self):
        ask = lambda lines, *more, **kind: [
            json.loads(line) for line in self.cost(lines, *more, "-o", "jsonl", **kind).splitlines()]
        steady, eager = ask([GEMM, GEMM[:-1] + ',"launch":"eager"}'], "--gpu", "h100-sxm")
        self.assertIn(steady["evidence"], ("measured", "interpolated"))
        self.assertEqual(steady["condition"], "burst clock, graph, cold cache, TN")
        self.assertEqual(eager["condition"], "burst clock, eager, cold cache, TN")
        # Of a GPU that was not measured everything is carried over; of an architecture that was not, nothing is.
        (carried,) = ask([GEMM], "--gpu", "h100-pcie")
        self.assertEqual(carried["evidence"], "extrapolated")
        (analytic,) = ask([GEMM], "--gpu", "b200")
        self.assertEqual(analytic["evidence"], "analytic")

    def test_strict_calibration_refuses_what_was_not_measured(self):
        self.cost([GEMM], "--gpu", "h100-sxm", "--strict-calibration")
        self.cost([GEMM], "--gpu", "h100-pcie", "--strict-calibration", code=3, says="no measurement of gemm")
        self.cost([GEMM], "--gpu", "h100-sxm", "--strict-calibration", "--calibration", "none", code=3,
                  says="drop the flag   [--strict-calibration]")
        # How many ranks share a node is told as it was priced, though the line leaves it open.
        beyond = LINES[2].replace("16777216", "1073741824")
        self.cost([beyond], "--gpu", "h100-sxm", "--strict-calibration", "--calibration", "none", code=3,
                  says="over 2 ranks, 2 a node")
        self.cost([GEMM], "--gpu", "h100-sxm", "--calibration", "h100-sxn", code=2, says="did you mean h100-sxm")

    def test_every_format_says_the_same(self):
        lines = [json.loads(line) for line in self.cost(LINES, "--gpu", "h100-sxm", "-o", "jsonl").splitlines()]
        self.assertEqual(json.loads(self.cost(LINES, "--gpu", "h100-sxm", "-o", "json")), lines)
        rows = list(csv.DictReader(io.StringIO(self.cost(LINES, "--gpu", "h100-sxm", "-o", "csv"))))
        self.assertEqual([float(row["time_s"]) for row in rows], [line["time_s"] for line in lines])
        table = self.cost(LINES, "--gpu", "h100-sxm").splitlines()
        self.assertEqual(len(table), len(LINES) + 1)
        self.assertIn("gemm", table[1])

    def test_a_bad_line_answers_in_its_place(self):
        lines = [GEMM, "", '{"op":"gemm","m":1,"n":2,"kk":3}', GEMM]
        out = self.cost(lines, "--gpu", "h100-sxm", "-o", "jsonl", code=2, says=["stdin:3:26: error: unknown key: kk"])
        answers = [json.loads(line) for line in out.splitlines()]
        self.assertEqual(len(answers), 3)  # a blank line asks nothing
        self.assertEqual(answers[1], {"error": "unknown key: kk", "line": 3})
        self.assertEqual(answers[0], answers[2])

    def test_what_is_not_built_is_named(self):
        roofline = ["--gpu", "h100-sxm", "--calibration", "none"]
        out = self.cost([GEMM[:-1] + ',"cache":"warm"}'], *roofline, "-o", "jsonl", code=5, says="warm cache")
        self.assertIn("warm cache", json.loads(out)["error"])
        # A mistake that can be mended outranks it.
        self.cost([GEMM[:-1] + ',"cache":"warm"}', "{}"], *roofline, code=2)

    def test_the_steady_condition_may_be_said_aloud_and_another_that_was_not_measured_is_2(self):
        told = [LINES[2][:-1] + f',{key}}}' for key in ('"clock":"burst"', '"launch":"graph"', '"cache":"cold"')]
        answers = self.cost([LINES[2], *told], "--gpu", "h100-sxm", "-o", "jsonl").splitlines()
        self.assertEqual(set(answers), {answers[0]})
        self.cost([LINES[2][:-1] + ',"clock":"sustained"}'], "--gpu", "h100-sxm", code=2, says="no clock of its own")
        self.cost([LINES[2][:-1] + ',"launch":"eager"}'], "--gpu", "h100-sxm", code=2, says="was not measured so")
        # No table of such a type, and no table of such a cache, are one kind of answer.
        for line in (GEMM.replace("bf16", "fp32")[:-1] + ',"clock":"burst"}', GEMM[:-1] + ',"cache":"warm","launch":"eager"}'):
            self.cost([line], "--gpu", "h100-sxm", code=2, says="gemm was not measured so")

    def test_every_operation_is_listed_where_one_is_unknown_and_in_help(self):
        done = self.expect(2, "cost", "--gpu", "h100-sxm", stdin=b'{"op":"quicksort"}\n', says="known: gemm, grouped_gemm")
        names = done.stderr.decode().split("known: ")[1].split("\n")[0].split(", ")
        self.assertGreater(len(names), 20)
        text = self.expect(0, "cost", "--help").stdout.decode()
        for name in names:
            self.assertRegex(text, rf"\b{name}\b")
        (answer,) = self.cost(['{"op":"dropout","read_bytes":8000000,"written_bytes":9000000}'],
                              "--gpu", "h100-sxm", "-o", "jsonl").splitlines()
        self.assertGreater(json.loads(answer)["time_s"], 17e6 / 3.36e12)

    def test_collectives_say_where_they_ran(self):
        self.cost([LINES[2]], "--gpu", "h100-sxm", says="collectives on")
        wide = '{"op":"all_reduce","bytes":16777216,"ranks":16}'
        self.cost([wide], "--gpu", "h100-sxm", code=2, says="--cluster")
        self.cost([wide], "--cluster", "h100-64", says="collectives on")

    def test_a_machine_must_be_named(self):
        self.cost([GEMM], code=2, says="--gpu NAME")
        self.cost([GEMM], "--gpu", "h100-sxn", code=2, says="did you mean h100-sxm")
        self.cost([GEMM], "--gpu", "h100-sxm", "--cluster", "h100-64", code=2, says="both")

    def test_odd_inputs(self):
        self.assertEqual(self.expect(0, "cost", "--gpu", "h100-sxm", "-o", "jsonl", stdin=b"").stdout, b"")
        self.assertEqual(self.cost([], "--gpu", "h100-sxm", "-o", "json").strip(), "[]")
        # The last line may lack its end, and lines may end as on Windows.
        done = self.expect(0, "cost", "--gpu", "h100-sxm", "-o", "jsonl", stdin=f"{GEMM}\r\n{GEMM}".encode())
        self.assertEqual(len(done.stdout.splitlines()), 2)
        # A line without end is refused, and what follows is still answered.
        long = b'{"op":"' + b"x" * 1_000_000 + b'"}\n' + GEMM.encode() + b"\n"
        done = self.expect(2, "cost", "--gpu", "h100-sxm", "-o", "jsonl", stdin=long, says="more than")
        self.assertEqual([json.loads(line).get("line") for line in done.stdout.splitlines()], [1, None])
        # Many mistakes are counted, not all told.
        done = self.expect(2, "cost", "--gpu", "h100-sxm", "-o", "jsonl", stdin=b"{}\n" * 50, says="30 more lines")
        self.assertEqual(len(done.stdout.splitlines()), 50)

    def test_an_answer_comes_before_the_next_question(self):
        with subprocess.Popen(
            [PROGRAM, "cost", "--gpu", "h100-sxm", "-o", "jsonl"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        ) as program:  # fmt: skip
            for line in LINES:
                program.stdin.write(line.encode() + b"\n")
                program.stdin.flush()
                self.assertEqual(json.loads(program.stdout.readline())["op"], json.loads(line)["op"])
            program.stdin.close()
            self.assertEqual(program.wait(timeout=20), 0)

    def test_a_reader_that_leaves_is_no_mistake(self):
        reader, writer = os.pipe()
        os.close(reader)
        done = run("cost", "--gpu", "h100-sxm", "-o", "jsonl", stdin=(GEMM + "\n").encode() * 10_000, stdout=writer)
        os.close(writer)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_collectives_say_how_they_are_done_and_may_be_told(self):
        lines = ['{"op":"all_reduce","bytes":1e9,"ranks":16}',
                 '{"op":"all_reduce","bytes":1e9,"ranks":16,"algorithm":"ring","protocol":"simple"}']
        answers = [json.loads(line)
                   for line in self.cost(lines, "--cluster", "h100-64", "-o", "jsonl").splitlines()]
        self.assertEqual([answer["algorithm"] for answer in answers], ["nvls-tree", "ring"])
        self.assertEqual({answer["protocol"] for answer in answers}, {"simple"})
        self.assertTrue(all(answer["channels"] >= 1 for answer in answers))
        self.cost([lines[0][:-1] + ',"algorithm":"collnet-direct"}'], "--cluster", "h100-64", code=2,
                  says=["a fabric whose switches add", "stdin:1:1"])
        self.cost([lines[0][:-1] + ',"algorithm":"collnet-direct"}'], "--cluster", "h100-64", "--set",
                  "network.sharp=true")

    def test_a_table_in_the_columns_of_nccl_tests(self):
        out = self.cost(['{"op":"all_reduce","ranks":8}'], "--cluster", "h100-64", "--sizes", "1M-16M*4", "-o",
                        "nccl-tests").splitlines()
        self.assertEqual(out[0].split(), "# size count type redop root time algbw busbw #wrong".split())
        rows = [line.split() for line in out[2:]]
        self.assertEqual([row[0] for row in rows], ["1048576", "4194304", "16777216"])
        self.assertEqual(rows[0][1:5] + rows[0][8:], ["524288", "bfloat16", "sum", "-1", "N/A"])
        for row in rows:  # 2 (n - 1)/n of the buffer over a ring's links
            self.assertAlmostEqual(float(row[7]), 1.75 * float(row[6]), delta=0.02)
        self.cost(['{"op":"all_reduce","ranks":8}'], "--cluster", "h100-64", "--sizes", "8-4*2", code=2,
                  says="ends before it begins")
        self.cost(['{"op":"copy"}'], "--gpu", "h100-sxm", "--sizes", "8", "-o", "nccl-tests", code=2,
                  says="nccl-tests has no copy")


if __name__ == "__main__":
    unittest.main()
