# SPDX-License-Identifier: Apache-2.0
"""The relay under test, with a configuration as an operator would write it: nothing is switched off for the bench."""

import json
import pathlib
import shutil
import subprocess

from world import SINK_NETWORK, Missing, Server, run, wait_for_port

PORT = 2525

CONFIGURATION = """\
hostname = "relay.bench.test"
data_dir = "{data}"

[[listener]]
address = "127.0.0.1:{port}"
mode = "relay"
allow = ["127.0.0.0/8"]

[dns]
servers = ["127.0.0.1"]

[delivery]
allow_destinations = ["{network}"]

[control]
socket = "{directory}/control.sock"
"""


class Sealpost:
    port = PORT

    def __init__(self, directory, program, counter=None, more="", accounts=None):
        """`more`: what the configuration says beside; `accounts`: password by name."""
        self.directory = pathlib.Path(directory)
        self.program = program
        data = self.directory / "data"
        data.mkdir(parents=True)
        data.chmod(0o700)
        self.configuration = self.directory / "sealpost.toml"
        text = CONFIGURATION.format(data=data, directory=self.directory, port=PORT, network=SINK_NETWORK)
        self.configuration.write_text(text + more)
        for name, password in (accounts or {}).items():
            run(program, "user", "add", name, "--password-stdin", "--config", self.configuration, input=password + "\n")
        self.server = Server([program, "run", "--config", self.configuration], self.directory / "log", counter)
        self.pid = self.server.pid
        wait_for_port(self.server, PORT)

    def status(self):
        done = subprocess.run([self.program, "status", "--json", "--config", self.configuration], check=False,
                              capture_output=True, text=True, timeout=30)
        if done.returncode != 0:
            raise Missing(f"sealpost status failed: {done.stderr}")
        return json.loads(done.stdout)

    def log_tail(self):
        return (self.directory / "log").read_text(errors="replace")[-2000:]

    def stop(self):
        self.server.stop()
        shutil.rmtree(self.directory, ignore_errors=True)
