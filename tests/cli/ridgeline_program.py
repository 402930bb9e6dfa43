"""Runs the program under test and keeps what it said."""
import os
import subprocess
import tempfile
import unittest

PROGRAM = os.environ["RIDGELINE"]
SOURCE = os.environ["RIDGELINE_SOURCE"]
SCENARIOS = sorted(
    name[: -len(".yaml")]
    for name in os.listdir(os.path.join(SOURCE, "configs", "scenarios"))
    if name.endswith(".yaml")
)
DEMO = "llama-3.1-8b-8xh100"

SMALL = """\
cluster: {nodes: dgx-h100, count: 1}
training:
  model: llama-3.1-8b
  sequence_length: 4096
  global_batch: 8
  micro_batch: 1
  parallelism: {tp: 2}
"""


def run(*arguments, stdin=None, env=None, stdout=subprocess.PIPE):
    """The finished process; text is bytes so that nothing is hidden by decoding."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
    environment.update(env or {})
    return subprocess.run(
        [PROGRAM, *arguments], input=stdin, stdout=stdout, stderr=subprocess.PIPE, env=environment, timeout=50
    )


class CliTest(unittest.TestCase):
    """A test with a folder of its own."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "wb" if isinstance(content, bytes) else "w") as file:
            file.write(content)
        return path

    def expect(self, code, *arguments, says=(), **options):
        """Runs, checks the exit code and that standard error says every one of `says`."""
        done = run(*arguments, **options)
        errors = done.stderr.decode(errors="replace")
        self.assertEqual(done.returncode, code, f"{arguments}\n{errors}")
        for text in [says] if isinstance(says, str) else says:
            self.assertIn(text, errors, arguments)
        return done
