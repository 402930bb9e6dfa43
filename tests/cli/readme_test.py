"""The answers that README.md shows are those the program gives. UPDATE=1 rewrites them; review the diff."""
import os
import shlex
import unittest

from ridgeline_program import SOURCE, run

README = os.path.join(SOURCE, "README.md")
PROMPT = "    $ ridgeline "


def answer_to(command):
    done = run(*shlex.split(command))
    # A terminal shows both; what to ask next is on standard error.
    lines = (done.stdout + done.stderr).decode().rstrip().splitlines()
    return [f"    {line}".rstrip() for line in lines]


def answered(lines):
    """The page with every answer as the program gives it now. An answer ends before the first line that is neither
    indented nor empty."""
    page = []
    at = 0
    while at < len(lines):
        page.append(lines[at])
        at += 1
        if not page[-1].startswith(PROMPT):
            continue
        page += answer_to(page[-1][len(PROMPT):]) + [""]
        while at < len(lines) and (not lines[at] or lines[at].startswith("    ")):
            at += 1
    return page


class Readme(unittest.TestCase):
    def test_every_answer_is_the_programs(self):
        with open(README, encoding="utf-8") as file:
            lines = file.read().splitlines()
        self.assertEqual(sum(line.startswith(PROMPT) for line in lines), 4)
        page = answered(lines)
        if os.environ.get("UPDATE") == "1":
            with open(README, "w", encoding="utf-8") as file:
                file.write("\n".join(page) + "\n")
        else:
            self.assertEqual(lines, page, "UPDATE=1 rewrites it")


if __name__ == "__main__":
    unittest.main()
