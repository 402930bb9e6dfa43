"""Every class of bad input gives a message that says what, where and what to do, and exit code 2; never a crash."""
import os
import subprocess
import unittest

from ridgeline_program import DEMO, PROGRAM, SMALL, SOURCE, CliTest


class BadInput(CliTest):
    def refuse(self, content, *says, name="bad.yaml"):
        """Both commands that read scenarios refuse the file alike."""
        path = self.write(name, content)
        for command in ("simulate", "check"):
            self.expect(2, command, path, says=says)

    def test_a_missing_unit_names_place_and_spelling(self):
        path = self.write(
            "bad.yaml", SMALL.replace("count: 1}", "count: 2, fabric: {base: rail-optimized-400g, bandwidth: 400}}")
        )
        self.expect(2, "simulate", path, says=[f"{path}:1:", "needs a unit: 400", "hint:", "Gb/s", "GB/s"])

    def test_an_unknown_key_names_the_nearest(self):
        self.refuse(
            SMALL.replace("global_batch", "globel_batch"), "unknown key: globel_batch", "did you mean global_batch", ":5:3:"
        )

    def test_an_unknown_key_in_an_override_names_the_nearest(self):
        self.expect(
            2, "simulate", DEMO, "--set", "training.paralelism.tp=2", says=["--set[1]", "paralelism", "parallelism"]
        )
        self.expect(2, "simulate", DEMO, "--set", "training.micro_batch", says=["--set[1]", "PATH=VALUE"])

    def test_a_duplicate_key_is_refused(self):
        self.refuse(SMALL + "  micro_batch: 2\n", "duplicate", "micro_batch")

    def test_a_missing_key_is_named(self):
        self.refuse(SMALL.replace("  model: llama-3.1-8b\n", ""), "model")

    def test_tp_that_does_not_divide_the_heads(self):
        self.refuse(SMALL.replace("tp: 2", "tp: 3"), "tensor parallel", "3", "hint:", "[training.parallelism.tp]")

    def test_more_gpus_than_the_cluster_has(self):
        self.refuse(SMALL + "  gpus: 16\n", "more GPUs than the cluster has: 16 of 8", "hint:", "[training.gpus]")

    def test_a_batch_that_does_not_divide(self):
        # dp is 8 / 2 = 4, and 4 does not divide 6.
        self.refuse(SMALL.replace("global_batch: 8", "global_batch: 6"), "batch", "6", "hint:")

    def test_an_unknown_model_names_the_nearest(self):
        self.refuse(SMALL.replace("llama-3.1-8b", "llama-3.1-8c"), "llama-3.1-8c", "did you mean llama-3.1-8b?")

    def test_an_unknown_model_type_is_clear(self):
        config = self.write("config.json", '{"model_type": "llamma", "hidden_size": 4096}')
        path = self.write("bad.yaml", SMALL.replace("model: llama-3.1-8b", f"model: {config}"))
        self.expect(2, "simulate", path, says=["model_type", "llamma", "llama"])

    def test_a_truncated_json(self):
        with open(os.path.join(SOURCE, "configs", "models", "llama-3.1-8b.json"), encoding="utf-8") as file:
            whole = file.read()
        path = self.write("config.json", whole[: len(whole) // 2])
        self.expect(2, "check", path, says=["config.json:", "error:"])
        self.refuse('{"cluster": {"nodes": "dgx-h100", "count": 1}, "training": {"model": "llam', "bad.json:", name="bad.json")

    def test_bytes_that_are_not_utf8(self):
        self.refuse(SMALL.encode() + b"# \xff\xfe\n", "UTF-8", "bad.yaml:8:")

    def test_an_empty_file(self):
        self.refuse("", "empty")
        self.refuse("# only a comment\n", "bad.yaml")

    def test_a_directory(self):
        self.expect(2, "simulate", self.folder + "/", says="directory")
        self.expect(2, "check", self.folder + "/", says="directory")

    def test_a_file_that_is_not_there(self):
        self.expect(2, "simulate", os.path.join(self.folder, "none.yaml"), says="none.yaml")

    def test_a_link_that_leads_nowhere(self):
        loop = os.path.join(self.folder, "loop.yaml")
        os.symlink(loop, loop)
        self.expect(2, "simulate", loop, says=["loop.yaml", "Too many levels of symbolic links"])
        dangling = os.path.join(self.folder, "dangling.yaml")
        os.symlink(os.path.join(self.folder, "none"), dangling)
        done = self.expect(2, "simulate", dangling, says="a link to a file that is not there")
        self.assertNotIn(b"did you mean", done.stderr)

    def test_standard_input_is_read_once(self):
        self.expect(2, "simulate", "-", "-", stdin=SMALL.encode(), says="given twice")

    def test_closed_streams_are_errors_not_waits(self):
        # A closed standard input must not become the next descriptor that the program opens.
        for words, code in (("simulate - <&-", 2), (f"simulate {DEMO} >&-", 2), (f"simulate {DEMO} 2>&-", 0), (f"simulate {DEMO} 2>/dev/full", 0), ("simulate none 2>&-", 2)):
            shell = ["sh", "-c", f'exec "$0" {words}', PROGRAM]
            done = subprocess.run(shell, capture_output=True, timeout=20)
            self.assertEqual(done.returncode, code, (words, done.stderr))

    def test_a_run_that_fails_leaves_no_trace_file(self):
        path = os.path.join(self.folder, "step.json")
        many = ["--set", "training.global_batch=400000", "--timeout", "1 ms"]
        self.expect(4, "simulate", DEMO, *many, "--trace", path)
        self.assertFalse(os.path.exists(path))

    def test_a_file_of_100_megabytes_is_refused_unread(self):
        path = os.path.join(self.folder, "huge.yaml")
        with open(path, "wb") as file:
            file.truncate(100 << 20)
        self.expect(2, "simulate", path, says=["huge.yaml", "4"])

    def test_a_tree_that_is_too_deep(self):
        self.refuse("[" * 100_000, "bad.yaml")

    def test_numbers_out_of_range(self):
        for text, says in (
            ("global_batch: -8", "-8"),
            ("global_batch: .nan", "global_batch"),
            ("global_batch: 1e400", "1e400"),
            ("global_batch: 99999999999999999999", "99999999999999999999"),
            ("global_batch: 0", "0"),
            ("global_batch: 8.5", "8.5"),
        ):
            self.refuse(SMALL.replace("global_batch: 8", text), "bad.yaml:5:", says)
        self.refuse(SMALL.replace("nodes: dgx-h100", "nodes: {base: dgx-h100, nics: {count: 8, bandwidth: -1 GB/s}}"), "-1")
        self.refuse(SMALL.replace("nodes: dgx-h100", "nodes: {base: dgx-h100, host_memory: 1e400 GB}"), "1e400")

    def test_all_errors_of_a_file_at_once(self):
        self.refuse(
            SMALL.replace("sequence_length: 4096", "sequence_length: many").replace("micro_batch: 1", "micro_batches: 1"),
            "sequence_length",
            "micro_batches",
        )

    def test_all_files_of_one_check_are_looked_at(self):
        one = self.write("one.yaml", SMALL.replace("tp: 2", "tp: 3"))
        two = self.write("two.yaml", "")
        self.expect(2, "check", one, two, DEMO, says=["one.yaml", "two.yaml"])

    def test_a_file_of_nothing_known(self):
        self.expect(2, "check", self.write("odd.yaml", "colour: blue\n"), says="no key of this file is known")


if __name__ == "__main__":
    unittest.main()
