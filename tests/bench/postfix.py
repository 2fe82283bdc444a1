# SPDX-License-Identifier: Apache-2.0
"""A private Postfix with its own users, configuration and queue (its files are laid over /usr by world.py). It shares the
machine, the disk, the DNS server, the source and the sink with the relay."""

import pathlib
import shutil
import subprocess

from lab import postfix_tree
from world import Server, wait_for_port

PORT = 2526
USERS = (("postfix", 4925), ("postdrop", 4926))

COMMON = """\
compatibility_level = 3.6
myhostname = relay.bench.test
mydomain = bench.test
mydestination =
alias_maps =
local_recipient_maps =
relayhost =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mail_owner = postfix
setgid_group = postdrop
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
smtp_tls_security_level = may
smtp_tls_session_cache_database = btree:{data}/smtp_scache
"""

# What helps throughput: more of everything at once, no brake on intake, connections kept and reused also under TLS.
TUNED = """\
default_process_limit = 300
in_flow_delay = 0
qmgr_message_active_limit = 100000
qmgr_message_recipient_limit = 100000
initial_destination_concurrency = 20
default_destination_concurrency_limit = 50
smtp_connection_cache_on_demand = yes
smtp_connection_cache_destinations = {domains}
smtp_connection_reuse_count_limit = 1000
smtp_tls_connection_reuse = yes
max_use = 1000
hash_queue_names = deferred, defer
"""

MASTER = "127.0.0.1:{port} inet n - n - - smtpd\n" + postfix_tree.SERVICES + """\
proxywrite unix - - n - 1 proxymap
relay unix - - n - - smtp
discard unix - - n - - discard
scache unix - - n - 1 scache
tlsproxy unix - - n - 0 tlsproxy
"""


class Postfix:
    port = PORT

    def __init__(self, directory, tuned, domains, counter=None):
        self.directory = pathlib.Path(directory)
        self.queue = self.directory / "queue"
        self.data = self.directory / "data"
        self._configure(tuned, domains)
        postfix_tree.make(self.directory, USERS[0][0], USERS[1][0])
        command = ["/usr/lib/postfix/sbin/master", "-c", self.directory, "-d"]
        self.server = Server(command, self.directory / "master.log", counter,
                             env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "MAIL_CONFIG": str(self.directory)})
        self.pid = self.server.pid
        wait_for_port(self.server, PORT)

    def _configure(self, tuned, domains):
        self.directory.mkdir(parents=True)
        values = {"data": self.data, "domains": ", ".join(domains)}
        text = COMMON.format(**values) + (TUNED.format(**values) if tuned else "")
        text += f"queue_directory = {self.queue}\ndata_directory = {self.data}\n"
        (self.directory / "main.cf").write_text(text)
        (self.directory / "master.cf").write_text(MASTER.format(port=PORT))

    def stop(self):
        self.server.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


def version():
    done = subprocess.run(["/usr/sbin/postconf", "-d", "-h", "mail_version"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
