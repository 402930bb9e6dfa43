"""Starts the server under test on a free port and talks to it."""
import os
import re
import signal
import subprocess
import sys
import threading
import time

SOURCE = os.environ["RIDGELINE_SOURCE"]
sys.path[:0] = [
    os.environ["RIDGELINE_STUBS"],
    os.path.join(SOURCE, "service", "python"),
    os.path.join(SOURCE, "tests", "cli"),
]

from client import Client  # noqa: E402
from ridgeline_program import PROGRAM  # noqa: E402

# A proxy of the environment must not stand between two ends of one machine. Each client has a
# connection of its own, as clients in processes of their own have.
DIRECT = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
HEALTH = "/grpc.health.v1.Health/Check"


class ServerProcess:
    def __init__(self, *arguments, port=0):
        self.process = subprocess.Popen(
            [PROGRAM, "serve", "--listen", f"127.0.0.1:{port}", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"},
            text=True,
        )
        self.lines = []
        self.address = None
        listening = threading.Event()

        def read():
            for line in self.process.stderr:
                self.lines.append(line.rstrip("\n"))
                found = re.match(r"listening on (\S+)", line)
                if found:
                    self.address = found.group(1)
                    listening.set()
            listening.set()

        self.reader = threading.Thread(target=read, daemon=True)
        self.reader.start()
        if not listening.wait(20) or self.address is None:
            self.kill()
            raise RuntimeError("the server did not start: " + "\n".join(self.lines))

    @property
    def port(self):
        return int(self.address.rsplit(":", 1)[1])

    def client(self):
        return Client(self.address, DIRECT)

    def terminate(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def kill(self):
        """At once, as a crash would; answers with the exit code."""
        self.process.kill()
        return self.wait()

    def wait(self, timeout=20):
        code = self.process.wait(timeout)
        self.reader.join(timeout)
        self.process.stderr.close()
        return code

    def stop(self):
        """Drains, unless it is gone already."""
        if self.process.poll() is None:
            self.terminate()
        return self.wait()

    def wait_for_line(self, pattern, timeout=5):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            for line in self.lines:
                if re.search(pattern, line):
                    return line
            time.sleep(0.005)
        raise AssertionError(f"no line matches {pattern}:\n" + "\n".join(self.lines))


def health(client, service=""):
    """SERVING, NOT_SERVING or UNKNOWN of one service; messages by hand, to need no stubs of others."""
    name = service.encode()
    ask = client.channel.unary_unary(HEALTH)
    answer = ask(b"\x0a" + bytes([len(name)]) + name, timeout=5, wait_for_ready=False)
    return {b"\x08\x01": "SERVING", b"\x08\x02": "NOT_SERVING"}.get(answer, "UNKNOWN")


def result_of(events):
    """The last event, which is the result."""
    last = None
    for last in events:
        pass
    assert last is not None and last.HasField("result"), last
    return last.result
