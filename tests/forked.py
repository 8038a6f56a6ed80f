"""The command ``nmt`` without its start: a process that has loaded torch forks for each call.

The fork has the words, the folder and the pipes of the call. Dozens of commands, one after the other, would load torch for
minutes. What no fork shows, a start and signals, has tests of its own.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_CALL = """
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect(sys.argv[1])
    socket.send_fds(server, [json.dumps([os.getcwd(), sys.argv[2:]]).encode()], [0, 1, 2])
    sys.exit(int(server.recv(16) or b"99"))
"""
_SERVE = "import sys; from tests.forked import serve; serve(sys.argv[1])"
_LONGEST = 1 << 16  # bytes of a call


@contextmanager
def forking(environment: Mapping[str, str]) -> Iterator[str]:
    """A shell command that does what ``nmt`` does in this environment, as long as the block lasts."""
    with tempfile.TemporaryDirectory() as folder:  # a socket's path must be short
        address = Path(folder) / "nmt"
        with subprocess.Popen([sys.executable, "-c", _SERVE, address], cwd=ROOT, env=environment) as server:
            try:
                while not address.exists():
                    assert server.poll() is None, "it has not begun"
                    time.sleep(0.05)
                yield shlex.join([sys.executable, "-S", "-c", _CALL, str(address)])
            finally:
                server.kill()


def serve(address: str) -> None:
    """Fork for each call, for ever."""
    from nmt_cli.cli.app import main

    for module in pkgutil.walk_packages([str(ROOT / "nmt_cli")], "nmt_cli."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who wait
    with socket.socket(socket.AF_UNIX) as calls:
        calls.bind(f"{address}.new")
        calls.listen()
        os.rename(f"{address}.new", address)  # whoever sees it is heard
        while True:
            call, _ = calls.accept()
            with call:
                if os.fork() != 0:
                    continue
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                message, files, _, _ = socket.recv_fds(call, _LONGEST, 3)
                command = os.fork()
                if command != 0:
                    _, status = os.waitpid(command, 0)
                    call.send(str(os.waitstatus_to_exitcode(status)).encode())
                    os._exit(0)
            break
    folder, words = json.loads(message)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", buffering=1)  # noqa: SIM115
    os.chdir(folder)
    sys.argv = ["nmt", *words]
    main()
