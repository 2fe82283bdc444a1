# SPDX-License-Identifier: Apache-2.0
"""Real clients, each with the ways in which it can hand in mail: the rows of docs/compatibility.md. test_compatibility.py proves
every one of them; `python3 tests/functional/drivers.py` writes the page anew."""

import json
import re
import shutil
import smtplib
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent.parent / "docs" / "compatibility.md"
HELO = "client.home.test"

# The columns: name, heading.
WAYS = {
    "clear": "relay, clear",
    "relay-starttls": "relay, STARTTLS",
    "starttls": "587",
    "implicit": "465",
    "plain": "PLAIN",
    "login": "LOGIN",
    "scram": "SCRAM-SHA-256",
    "external": "EXTERNAL",
    "certificate": "certificate",
    "utf8": "SMTPUTF8",
    "bdat": "BDAT",
}


@dataclass
class Way:
    """What a client is told: where to, how, as whom, and what."""

    port: int
    tls: str = ""  # "", "starttls", "implicit"
    auth: str = ""  # a mechanism
    user: str = ""
    password: str = ""
    certificate: str = ""  # PEM, with its key
    utf8: bool = False
    chunks: bool = False
    sender: str = "anna@home.test"
    recipient: str = ""
    subject: str = ""
    body: str = ""
    message: str = ""

    def __post_init__(self):
        head = f"From: Anna <{self.sender}>\r\nTo: {self.recipient}\r\nSubject: {self.subject}\r\n\r\n"
        self.message = head + self.body.replace("\n", "\r\n")


@dataclass
class Client:
    name: str
    package: str  # of Debian
    send: object  # (lab, Way, directory) -> what it said
    ways: str
    needs: str  # a program


def run(lab, command: list, text: str = "", **more) -> str:
    done = subprocess.run(lab.command([str(word) for word in command]), input=text.encode(), capture_output=True, timeout=90, **more)
    said = (done.stdout + done.stderr).decode(errors="replace")
    assert done.returncode == 0, said
    return said


def swaks(lab, way: Way, directory):
    file = directory / "swaks.eml"
    file.write_text(way.message.replace("\r\n", "\n"))
    command = ["swaks", "--server", "127.0.0.1", "--port", way.port, "--helo", HELO, "--from", way.sender, "--to", way.recipient, "--data", f"@{file}"]
    command += {"": [], "starttls": ["--tls"], "implicit": ["--tls-on-connect"]}[way.tls]
    if way.auth:
        command += ["--auth", way.auth, "--auth-user", way.user, "--auth-password", way.password]
    if way.certificate:
        command += ["--tls-cert", way.certificate, "--tls-key", way.certificate]
    return run(lab, command)


def smtp_library(lab, way: Way, directory):
    from raw import unverified

    context = unverified()
    if way.certificate:
        context.load_cert_chain(way.certificate)
    with lab.entered():
        if way.tls == "implicit":
            client = smtplib.SMTP_SSL("127.0.0.1", way.port, HELO, timeout=30, context=context)
        else:
            client = smtplib.SMTP("127.0.0.1", way.port, HELO, timeout=30)
            if way.tls:
                client.starttls(context=context)
    with client:
        client.ehlo()
        if way.auth:
            client.user, client.password = way.user, way.password
            client.auth(way.auth, client.auth_plain if way.auth == "PLAIN" else client.auth_login)
        options = ["SMTPUTF8", "BODY=8BITMIME"] if way.utf8 else []
        client.sendmail(way.sender, [way.recipient], way.message.encode(), options)
    return ""


def msmtp(lab, way: Way, directory):
    command = ["msmtp", "--host=127.0.0.1", f"--port={way.port}", "--file=/dev/null", f"--from={way.sender}", f"--domain={HELO}"]
    command += [f"--auth={way.auth.lower()}", f"--user={way.user}", f"--passwordeval=echo '{way.password}'"] if way.auth else ["--auth=off"]
    command += ["--tls=on", "--tls-certcheck=off", f"--tls-starttls={'on' if way.tls == 'starttls' else 'off'}"] if way.tls else ["--tls=off"]
    if way.certificate:
        command += [f"--tls-cert-file={way.certificate}", f"--tls-key-file={way.certificate}"]
    return run(lab, [*command, way.recipient], way.message.replace("\r\n", "\n"))


def curl(lab, way: Way, directory):
    scheme = "smtps" if way.tls == "implicit" else "smtp"
    command = ["curl", "-sS", "--insecure", f"{scheme}://127.0.0.1:{way.port}/{HELO}", "--mail-from", way.sender, "--mail-rcpt", way.recipient, "--upload-file", "-"]
    if way.tls == "starttls":
        command += ["--ssl-reqd"]
    if way.auth:
        command += ["--user", f"{way.user}:{way.password}", "--login-options", f"AUTH={way.auth}"]
    if way.certificate:
        command += ["--cert", way.certificate]
    return run(lab, command, way.message, env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"})


def nodemailer(lab, way: Way, directory):
    return run(lab, ["env", "NODE_PATH=/usr/share/nodejs", "node", HERE / "clients" / "nodemailer.js"], json.dumps(asdict(way)))


def phpmailer(lab, way: Way, directory):
    return run(lab, ["php", HERE / "clients" / "phpmailer.php"], json.dumps(asdict(way)))


def jakarta_mail(lab, way: Way, directory):
    jars = ":".join(f"/usr/share/java/{name}.jar" for name in ("jakarta-mail", "jakarta-activation"))
    words = [f"{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in asdict(way).items()]
    options = ["-Dfile.encoding=UTF-8", "-Dsun.jnu.encoding=UTF-8"]
    if way.certificate:
        store = directory / "jakarta.p12"
        subprocess.run(["openssl", "pkcs12", "-export", "-in", way.certificate, "-inkey", way.certificate, "-passout", "pass:secret", "-out", store], check=True)
        options += [f"-Djavax.net.ssl.keyStore={store}", "-Djavax.net.ssl.keyStorePassword=secret", "-Djavax.net.ssl.keyStoreType=PKCS12"]
        trust = directory / "jakarta.trust"  # who says mail.smtp.ssl.trust shows no certificate of its own
        subprocess.run(["keytool", "-importcert", "-noprompt", "-alias", "lab", "-file", lab.trust_file, "-keystore", trust, "-storepass", "secret"], check=True, capture_output=True)
        options += [f"-Djavax.net.ssl.trustStore={trust}", "-Djavax.net.ssl.trustStorePassword=secret"]
    said = run(lab, ["env", "LC_ALL=C.UTF-8", "java", *options, "-cp", jars, HERE / "clients" / "JakartaMail.java", *words])
    assert not way.chunks or re.search(r"BDAT \d+ LAST$", said, re.MULTILINE), said
    return said


EXIM = """\
primary_hostname = {helo}
spool_directory = {directory}
log_file_path = {directory}/%s
exim_user = {uid}
exim_group = {uid}
keep_environment =
never_users =
smtputf8_advertise_hosts = *
begin routers
smart:
  driver = manualroute
  route_list = * 127.0.0.1
  self = send
  transport = smart
begin transports
smart:
  driver = smtp
  port = {port}
  protocol = {protocol}
  hosts_require_tls = {tls}
  hosts_avoid_tls = {clear}
  hosts_require_auth = {login}
  tls_verify_hosts = :
  tls_try_verify_hosts = :
  hosts_try_dane = :
  hosts_try_chunking = {chunking}
{certificate}
begin authenticators
{authenticator}
"""


def exim(lab, way: Way, directory):
    """A satellite: one message, delivered at once."""
    from lab.servers import USERS

    here = directory / "exim"
    here.mkdir(mode=0o777, exist_ok=True)
    (here / "main").unlink(missing_ok=True)
    uid = USERS["Debian-exim"]
    shutil.chown(here, uid, uid)
    secret = way.password.replace("^", "^^")
    authenticator = {
        "": "",
        "PLAIN": f"one:\n  driver = plaintext\n  public_name = PLAIN\n  client_send = ^{way.user}^{secret}\n",
        "LOGIN": f"one:\n  driver = plaintext\n  public_name = LOGIN\n  client_send = : {way.user} : {way.password}\n",
        "EXTERNAL": f"one:\n  driver = external\n  public_name = EXTERNAL\n  client_send = {way.user}\n",
    }[way.auth]
    pem = here / "client.pem"
    if way.certificate:
        pem.write_bytes(Path(way.certificate).read_bytes())
        shutil.chown(pem, uid, uid)
    configuration = here / "exim.conf"
    configuration.write_text(EXIM.format(
        helo=HELO, directory=here, uid=uid, port=way.port, protocol="smtps" if way.tls == "implicit" else "smtp", tls="*" if way.tls else ":",
        clear=":" if way.tls else "*", login="*" if way.auth else ":", chunking="*" if way.chunks else ":",
        certificate=f"  tls_certificate = {pem}\n  tls_privatekey = {pem}" if way.certificate else "", authenticator=authenticator))  # fmt: skip
    said = run(lab, ["exim4", "-C", configuration, "-odf", "-oi", "-f", way.sender, way.recipient], way.message.replace("\r\n", "\n"))
    log = here / "main"
    text = log.read_text(errors="replace") if log.exists() else said
    assert " => " in text or " Completed" in text, text + said
    assert (" K " in text) == way.chunks, text
    return text


POSTFIX = """\
compatibility_level = 3.6
myhostname = {helo}
queue_directory = {directory}/queue
data_directory = {directory}/data
meta_directory = {directory}
maillog_file = {directory}/log
maillog_file_prefixes = {directory}
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = loopback-only
inet_protocols = ipv4
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtp_tls_session_cache_database =
tls_random_source = dev:/dev/urandom
relayhost = [127.0.0.1]:{port}
smtp_tls_security_level = {level}
smtp_tls_wrappermode = {wrapper}
smtp_tls_cert_file = {certificate}
smtp_tls_key_file = {certificate}
smtp_sasl_auth_enable = {login}
smtp_sasl_password_maps = inline:{{ {{ [127.0.0.1]:{port} = {user}:{password} }} }}
smtp_sasl_mechanism_filter = {mechanism}
smtp_sasl_security_options = noanonymous
biff = no
"""


def postfix(lab, way: Way, directory):
    """A satellite: started, given one message, stopped."""
    from lab import postfix_tree
    from lab.servers import USERS
    from lab.world import wait_for
    from relay import ports

    here, port = directory / f"postfix-{way.subject}", next(ports)
    here.mkdir()
    postfix_tree.make(here, USERS["postfix"], USERS["postdrop"])
    level = "encrypt" if way.tls else "none"
    (here / "main.cf").write_text(POSTFIX.format(
        helo=HELO, directory=here, port=way.port, level=level, wrapper="yes" if way.tls == "implicit" else "no", certificate=way.certificate,
        login="yes" if way.auth else "no", user=way.user, password=way.password, mechanism=way.auth.lower()))  # fmt: skip
    (here / "master.cf").write_text(f"{postfix_tree.SERVICES}127.0.0.1:{port} inet n - n - - smtpd\n")
    (here / "dynamicmaps.cf").write_text("")
    command = lab.command(["/usr/lib/postfix/sbin/master", "-d", "-c", str(here)])
    with open(here / "out", "wb") as output:
        master = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def answers() -> bool:
        try:
            with lab.connect("127.0.0.1", port, timeout=1) as connection:
                return connection.recv(4).startswith(b"220")
        except OSError:
            return False

    log = here / "log"
    text = lambda: log.read_text(errors="replace") if log.exists() else (here / "out").read_text(errors="replace")
    try:
        assert wait_for(answers, 20, 0.1), text()
        smtp_library(lab, Way(port, sender=way.sender, recipient=way.recipient, subject=way.subject, body=way.body, utf8=way.utf8), directory)
        assert wait_for(lambda: "status=sent" in text(), 30, 0.1), text()
    finally:
        master.terminate()
        master.wait(20)
    return text()


EVERYWHERE = "clear relay-starttls starttls implicit plain login certificate"
CLIENTS = {
    client.name: client
    for client in (
        Client("swaks", "swaks", swaks, EVERYWHERE, "swaks"),
        Client("Python smtplib", "python3", smtp_library, f"{EVERYWHERE} utf8", "python3"),
        Client("msmtp", "msmtp", msmtp, f"{EVERYWHERE} scram external", "msmtp"),
        Client("curl", "curl", curl, f"{EVERYWHERE} external utf8", "curl"),
        Client("Nodemailer", "node-nodemailer", nodemailer, f"{EVERYWHERE} utf8", "node"),
        Client("PHPMailer", "libphp-phpmailer", phpmailer, EVERYWHERE, "php"),
        Client("Jakarta Mail", "libjakarta-mail-java", jakarta_mail, f"{EVERYWHERE} utf8 bdat", "java"),
        Client("Postfix, as a satellite", "postfix", postfix, f"{EVERYWHERE} utf8", ""),
        Client("Exim, as a satellite", "exim4-daemon-light", exim, f"{EVERYWHERE} external utf8 bdat", ""),
    )
}
CASES = [(name, way) for name, client in CLIENTS.items() for way in client.ways.split()]


# Smart hosts: what test_smart_hosts.py proves of each.
SMART_HOSTS = ("postfix", "exim")
SMART_WAYS = {587: "587, STARTTLS", 465: "465"}

HEAD = """\
# Compatibility

Made by `python3 tests/functional/drivers.py`, of what the functional tests prove with programs of Debian 12; a test compares the two.

## Clients

Each ● is a test of its own: the program hands in a message whose lines begin with dots, and the message arrives as it was. –: that
program does not do it, not in Debian's build, or no test says so yet. What clients are granted: [intake.md](intake.md), [submission.md](submission.md),
[client-certificates.md](client-certificates.md).

- *relay*: a listener that relays for the client's network, in clear and after STARTTLS. *587*, *465*: listeners for submission, with STARTTLS and with TLS from the
  first octet, after AUTH PLAIN.
- *PLAIN*, *LOGIN*, *SCRAM-SHA-256*, *EXTERNAL*: mechanisms of AUTH, on 465. EXTERNAL goes by the client's certificate.
- *certificate*: a listener that relays for nobody but who shows a certificate.
- *SMTPUTF8*: to an address beyond ASCII. *BDAT*: in chunks (RFC 3030). Jakarta Mail 2.0 doubles dots at the beginning of lines in chunks as it does after DATA
  (`mail.smtp.chunksize`), and nobody who takes them can undo that.

"""
BETWEEN = """
Tokens of an issuer (OAUTHBEARER, XOAUTH2) come from curl (`test_tokens.py`); passwords that a Dovecot looks at from swaks, curl and smtplib (`test_dovecot.py`).
`sealpost sendmail` and another sealpost as a satellite are tested beside them (`test_sendmail.py`, `test_smart_hosts.py`). swaks also speaks XCLIENT to us, and
sends as a load balancer's PROXY header says (`test_clients.py`). A client that is only sloppy is understood where it may relay:
[intake.md](intake.md#commands-and-addresses).

## Smart hosts

With a login (the strongest mechanism that the host offers), after TLS has proven the host's name; a wrong password makes mail wait
([smart-hosts.md](smart-hosts.md)).

"""
AFTER = """
## Receiving hosts

Postfix, Exim and OpenSMTPD as MX hosts under every requirement (`test_receivers.py`); BDAT to Postfix and Exim (`test_chunking.py`).
"""


def table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def page() -> str:
    clients = [
        [f"{name} (`{client.package}`)", *("●" if way in client.ways.split() else "–" for way in WAYS)] for name, client in CLIENTS.items()
    ]
    hosts = [[name.capitalize(), *("●" for _ in SMART_WAYS)] for name in SMART_HOSTS]
    return HEAD + table(["Client", *WAYS.values()], clients) + BETWEEN + table(["Host", *SMART_WAYS.values()], hosts) + AFTER


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.exit(0)
