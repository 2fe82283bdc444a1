# SPDX-License-Identifier: Apache-2.0
"""nginx is the policy host of every domain that publishes MTA-STS.

Its configuration never changes. Each policy host has a directory with its certificate and its
policy; a defect is a file in that directory, looked for at every request. The directory is
replaced as a whole, so a change is never seen half done.
"""

import gzip
import os
from pathlib import Path

from .. import addresses
from ..table import Domain
from . import Server, bracketed

REDIRECTS = ("301", "302", "307", "308")  # to a policy that is right, and must not be followed to
STATUS_DEFECTS = ("204", "404", "500")
# The file suffix decides the media type, see `types` below.
SUFFIX = {"html": "html", "octets": "octets", "no-type": "none", "utf8": "utf8"}

CONFIGURATION = """\
daemon off;
worker_processes 1;
user root;
pid {directory}/pid;
error_log {log}/nginx-error.log;
events {{ worker_connections 2048; }}
http {{
  log_format fetch escape=json '{{"time":$msec,"host":"$ssl_server_name","http_host":"$http_host","uri":"$request_uri",'
    '"status":$status,"method":"$request_method","tls":"$ssl_protocol","agent":"$http_user_agent",'
    '"accept_encoding":"$http_accept_encoding","cookie":"$http_cookie","client":"$remote_addr"}}';
  access_log {log}/nginx-access.jsonl fetch;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  types {{
    text/plain txt;
    text/html html;
    application/octet-stream octets;
    "text/plain; charset=UTF-8" utf8;
  }}
  default_type "";
  server {{
    listen {v4}:443 ssl;
    listen {v6}:443 ssl;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers "DEFAULT:@SECLEVEL=0";
    ssl_session_tickets off;
    set $site {sites}/$ssl_server_name;
    ssl_certificate {sites}/$ssl_server_name/tls.pem;
    ssl_certificate_key {sites}/$ssl_server_name/tls.pem;
{redirects}
{status_defects}
    if (-f $site/closed) {{ return 444; }}
    set $rate 0;
    if (-f $site/drip) {{ set $rate 1; }}
    limit_rate $rate;
    set $coding "";
    if (-f $site/gzip) {{ set $coding gzip; }}
    if (-f $site/bomb) {{ set $coding gzip; }}
    add_header Content-Encoding $coding;
    location = /.well-known/mta-sts.txt {{
      root $site;
      try_files /policy.txt /policy.html /policy.octets /policy.utf8 /policy.none =404;
    }}
    location / {{ return 404; }}
  }}
}}
"""


def body_of(domain: Domain) -> bytes:
    """The policy; a defect of size pads it with fields that a reader must ignore, so it stays valid."""
    body = domain.policy_text().encode()
    match domain.sts.defect:
        case "65536" | "65537":
            size = int(domain.sts.defect)
            while len(body) < size - 80:
                body += b"filler: " + b"x" * 60 + b"\r\n"
            return body + b"filler: " + b"x" * (size - len(body) - 10) + b"\r\n"
        case "empty":
            return b""
        case "gzip":
            return gzip.compress(body)
        case "bomb":
            return gzip.compress(body + bytes(32 << 20))
    return body


class Nginx(Server):
    name = "nginx"
    packages = ("nginx",)

    @property
    def sites(self) -> Path:
        return self.directory / "sites"

    def prepare(self):
        super().prepare()
        self.sites.mkdir(exist_ok=True)

    def files(self):
        text = CONFIGURATION.format(
            directory=self.directory,
            log=self.lab.directory / "log",
            sites=self.sites,
            v4=addresses.POLICY_HOST[0],
            v6=bracketed(addresses.POLICY_HOST[1]),
            redirects="\n".join(
                f"    if (-f $site/{s}) {{ return {s} https://mta-sts.sts-enforce.test/.well-known/mta-sts.txt; }}"
                for s in REDIRECTS
            ),
            status_defects="\n".join(f"    if (-f $site/{s}) {{ return {s}; }}" for s in STATUS_DEFECTS),
        )
        return {self.directory / "nginx.conf": text}

    def command(self):
        return ["nginx", "-c", str(self.directory / "nginx.conf"), "-e", "stderr"]

    def listens(self):
        return {(a, 443) for a in addresses.POLICY_HOST}

    def publish(self):
        """Bring every policy host's directory up to date with the table."""
        wanted = {d.policy_host: d for d in self.lab.table.domains.values() if d.sts}
        for old in self.sites.iterdir():
            if old.is_symlink() and old.name not in wanted:
                old.unlink()
        for host, domain in wanted.items():
            self.publish_one(host, domain)

    def publish_one(self, host: str, domain: Domain):
        defect = domain.sts.defect
        files = {
            "tls.pem": self.lab.policy_certificate(domain),
            f"policy.{SUFFIX.get(defect, 'txt')}": body_of(domain),
        }
        if defect:
            files[defect] = b""
        site = self.sites / host
        if site.exists() and {f.name: f.read_bytes() for f in site.iterdir() if f.stat().st_size < 1 << 20} == files:
            return
        fresh = self.directory / "versions" / f"{host}-{self.lab.next_number()}"
        fresh.mkdir(parents=True)
        for name, content in files.items():
            (fresh / name).write_bytes(content)
        if defect == "endless":
            os.truncate(fresh / "policy.txt", 10 << 30)  # a sparse file: 10 GiB of NUL after the policy
        link = self.directory / "link.new"
        link.symlink_to(fresh)
        link.rename(site)
