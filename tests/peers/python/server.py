"""One fresh server under test, KVD_BIN, on loopback."""

import ctypes
import os
import random
import signal
import socket
import subprocess
import tempfile
import time

READY = b"ready to serve client requests"
READY_SECONDS_MAX = 60
STOP_SECONDS_MAX = 15


class Server:
    """A single member with a data directory of its own; `endpoint` is where clients reach it."""

    def __init__(self):
        client, peer = _free_ports(2)
        self.endpoint = f"127.0.0.1:{client}"
        self._dir = tempfile.TemporaryDirectory()
        self._log_path = os.path.join(self._dir.name, "log")
        peer_url = f"http://127.0.0.1:{peer}"
        with open(self._log_path, "wb") as log:
            self._process = subprocess.Popen(
                [
                    os.environ["KVD_BIN"],
                    "--name=m0",
                    f"--data-dir={self._dir.name}/data",
                    f"--listen-client-urls=http://{self.endpoint}",
                    f"--advertise-client-urls=http://{self.endpoint}",
                    f"--listen-peer-urls={peer_url}",
                    f"--initial-advertise-peer-urls={peer_url}",
                    f"--initial-cluster=m0={peer_url}",
                ],
                stdout=log,
                stderr=log,
                preexec_fn=_end_with_parent,
            )
        self._wait_until_ready()

    def _wait_until_ready(self):
        deadline = time.monotonic() + READY_SECONDS_MAX
        while READY not in self.log():
            if self._process.poll() is not None or time.monotonic() > deadline:
                log = self.log().decode(errors="replace")
                self.stop()
                raise RuntimeError(f"the server is not ready:\n{log}")
            time.sleep(0.01)

    def log(self):
        """What the server has printed so far."""
        with open(self._log_path, "rb") as log:
            return log.read()

    def stop(self):
        """Ends the server as an operator would."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        finally:
            self._dir.cleanup()


def _free_ports(count):
    """Ports below the kernel's ephemeral range, so that no outgoing connection takes one before the server binds."""
    found = []
    while len(found) < count:
        port = random.randint(12000, 31999)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found


def _end_with_parent():
    """Asks the kernel to kill the server when this process ends, however it ends."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
