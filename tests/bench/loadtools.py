# SPDX-License-Identifier: Apache-2.0
"""The load source and sink as Python objects, and the comparison of what was promised with what arrived."""

import collections
import json
import subprocess
import time

from world import Missing


class Sink:
    """On port 25 of every address; obeys lines on its standard input (sink.cpp)."""

    def __init__(self, program, record, certificate=None, key=None, threads=1, options=()):
        command = [program, "--listen", "0.0.0.0:25", "--threads", str(threads), "--record", record, *options]
        if certificate:
            command += ["--certificate", certificate, "--key", key]
        self.record = record
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        if not self.process.stdout.readline():
            raise Missing("the sink did not start")

    def ask(self, word="status"):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()
        self.process.wait(10)

    def wait_until_drained(self, expected, patience):
        """Until `expected` messages have come or none came for `patience` seconds."""
        last, since = -1, time.monotonic()
        while True:
            status = self.ask()
            if status["recipients"] >= expected:
                return status
            if status["recipients"] != last:
                last, since = status["recipients"], time.monotonic()
            elif time.monotonic() - since > patience:
                return status
            time.sleep(0.02)


class Source:
    def __init__(self, program, ledger, flags=(), **options):
        command = [program, "--ledger", ledger, *flags]
        for name, value in options.items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        self.process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)

    def result(self, patience):
        try:
            text, _ = self.process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            self.process.terminate()
            text, _ = self.process.communicate(timeout=10)
        if not text:
            raise Missing(f"the source ended with {self.process.returncode} and no report")
        return json.loads(text)


def compare(ledger, record):
    """Promised by a 250 but not arrived, arrived twice, arrived damaged."""
    with open(ledger, encoding="ascii") as lines:
        promised = {line.rstrip("\n") for line in lines}
    arrived, damaged = collections.Counter(), 0
    with open(record, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            recipient, _, state = line.rstrip("\n").split("\t")
            arrived[recipient] += 1
            damaged += state != "whole"
    return {"promised": len(promised), "lost": len(promised - arrived.keys()),
            "twice": sum(count - 1 for count in arrived.values()), "damaged": damaged}
