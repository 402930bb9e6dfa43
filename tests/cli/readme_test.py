"""The answer that README.md shows is the one the program gives. UPDATE=1 rewrites it; review the diff."""
import os
import unittest

from ridgeline_program import DEMO, SOURCE, run

README = os.path.join(SOURCE, "README.md")
COMMAND = f"    $ ridgeline simulate {DEMO}\n"
AFTER = "\nAsk further:"


class Readme(unittest.TestCase):
    def test_the_first_answer_is_the_programs(self):
        with open(README, encoding="utf-8") as file:
            text = file.read()
        begin = text.index(COMMAND) + len(COMMAND)
        end = text.index(AFTER, begin)
        done = run("simulate", DEMO)
        # A terminal shows both; what to ask next is on standard error.
        lines = (done.stdout + done.stderr).decode().rstrip().splitlines()
        answer = "".join(f"    {line}".rstrip() + "\n" for line in lines)
        if os.environ.get("UPDATE") == "1":
            with open(README, "w", encoding="utf-8") as file:
                file.write(text[:begin] + answer + text[end:])
        else:
            self.assertEqual(text[begin:end], answer, "UPDATE=1 rewrites it")


if __name__ == "__main__":
    unittest.main()
