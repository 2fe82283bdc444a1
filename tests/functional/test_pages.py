# SPDX-License-Identifier: Apache-2.0
"""The web pages, seen with Debian's Chromium: values, roles, hostile text, what the browser is allowed, small screens.

SEALPOST_SCREENSHOTS=DIR keeps pictures of every page there: light, dark, 360 px wide, printed.
"""

import base64
import contextlib
import json
import os
import re
import socket
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest
from lab.world import wait_for
from relay import BINARY, Bare, Relay
from test_metrics import ask, own_address

selenium = pytest.importorskip("selenium", reason="no selenium: packaging/install-dependencies browser")
from selenium import webdriver  # noqa: E402
from selenium.common.exceptions import WebDriverException  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select, WebDriverWait  # noqa: E402

PORT = 9971
ROLES = {"vera": "viewer", "cora": "compliance", "otto": "operator"}
PASSWORD = "correct horse battery"
HOSTILE = "<script>document.title='taken'</script>\"'><img src=x onerror=alert(1)>"
PAGES = {
    "viewer": ["/", "/transit", "/to-them", "/to-us", "/own-domain"],
    "compliance": ["/queue", "/message", "/partners", "/partner?name=Bank", "/domain?name=sts-enforce.test"],
    "operator": ["/log", "/settings"],
}
KINDS = ["dane", "mta_sts", "verified", "encrypted", "clear", "refused"]
ALL = [page for pages in PAGES.values() for page in pages]
MESSAGE = "From: a@home.test\r\nTo: you@work.test\r\nSubject: " + HOSTILE + "\r\n\r\nx\r\n"
REPORT = {
    "organization-name": HOSTILE,
    "contact-info": "x@reporter.test",
    "report-id": "1",
    "policies": [
        {
            "policy": {"policy-type": "sts", "policy-string": [HOSTILE], "policy-domain": "home.test"},
            "summary": {"total-successful-session-count": 90, "total-failure-session-count": 10},
            "failure-details": [{"result-type": "certificate-expired", "receiving-mx-hostname": HOSTILE, "failed-session-count": 10}],
        }
    ],
}


def hash_of(password: str) -> str:
    done = subprocess.run(
        [BINARY, "--json", "user", "web", "x", "--password-stdin"], input=password + "\n", capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)["hash"]


@pytest.fixture(scope="module")
def site(lab, tmp_path_factory):
    """A relay with something on every page."""
    if not BINARY.exists():
        pytest.skip(f"{BINARY} is not built")
    lab.change_all(
        {"name": "work-a", "peer": "script", "script": [{"at": "rcpt", "reply": "451 4.7.1 come back later"}]},
        {"name": "work-b", "peer": "script", "script": [{"at": "rcpt", "reply": "451 4.7.1 " + HOSTILE}]},
    )
    users = [{"name": name, "role": role, "password": hash_of(PASSWORD)} for name, role in ROLES.items()]
    bank = {
        "name": "Bank", "domains": ["sts-enforce.test"], "tls": "verify", "owner": HOSTILE, "review_by": Bare("2031-01-31"),
        "exception": [{"until": Bare("2020-01-31T00:00:00Z"), "tls": "encrypt", "reason": "until the mail host has moved",
                       "approved_by": "ciso@home.test"}],
    }  # fmt: skip
    one = Relay(
        lab,
        tmp_path_factory.mktemp("pages"),
        partners=[bank],
        delivery={"retry": ["1h"], "lifetime": "5d"},
        control={"http": f"0.0.0.0:{PORT}", "http_allow": [own_address(lab) + "/32"], "user": users},
        tls=certificate_of(lab, tmp_path_factory.mktemp("tls")),
    )
    with contextlib.ExitStack() as stack:
        stack.callback(one.kill)
        one.start()
        one.wait_gone(one.submit("a@home.test", "b@sts-enforce.test", MESSAGE))
        ids = [one.submit("a@home.test", f"u{n}@work-a.test", MESSAGE) for n in range(3)]
        ids.append(one.submit("a@home.test", "u@work-b.test", MESSAGE))
        assert wait_for(lambda: {e["state"] for e in one.queue()} == {"deferred"}, 30, 0.2), one.queue()
        today = one.ask("status")["started"][:10]
        REPORT["date-range"] = {"start-datetime": f"{today}T00:00:00Z", "end-datetime": f"{today}T23:59:59Z"}
        report = one.directory / "report.json"
        report.write_text(json.dumps(REPORT))
        assert one.command("report", "read", str(report)).returncode == 0
        one.hostile_id = ids[-1]
        yield one


def certificate_of(lab, directory: Path) -> dict:
    pem = directory / "relay.pem"
    pem.touch(0o600)
    pem.write_bytes(lab.certificate("good", "relay.home.test", "home.test"))
    return {"certificate": pem, "key": pem}


def command(site, name: str, **arguments) -> dict:
    """What the control socket answers, for commands that have no words of their own."""
    body = json.dumps(arguments)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(site.data / "control.sock"))
        connection.sendall(f"POST /v1/{name} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return json.loads(answer.partition(b"\r\n\r\n")[2])


class Visitor:
    """A browser in the relay's namespace, and what it is asked to do."""

    def __init__(self, lab):
        options = webdriver.ChromeOptions()
        for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                     "--window-size=1280,900", "--ignore-certificate-errors", "--no-first-run", "--disable-background-networking"):  # fmt: skip
            options.add_argument(word)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.browser = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        self.browser.set_page_load_timeout(30)

    def go(self, path: str, base: str = f"http://127.0.0.1:{PORT}"):
        self.browser.get(base + path)
        return self.text()

    def text(self) -> str:
        return self.browser.find_element(By.TAG_NAME, "body").text

    def find(self, css: str):
        return self.browser.find_element(By.CSS_SELECTOR, css)

    def all(self, css: str) -> list:
        return self.browser.find_elements(By.CSS_SELECTOR, css)

    def press(self, css: str):
        """A button that leads to another page, and that page, whole: the old one is gone before the new one is read."""
        before = self.find("html")
        self.find(css).click()
        wait = WebDriverWait(self.browser, 60)
        wait.until(lambda browser: is_gone(before))
        wait.until(lambda browser: browser.execute_script("return document.readyState") == "complete")

    def log_in(self, name: str, password: str = PASSWORD, base: str = f"http://127.0.0.1:{PORT}"):
        self.cdp("Network.clearBrowserCookies")
        self.go("/login", base)
        self.find("#name").send_keys(name)
        self.find("#password").send_keys(password)
        self.press("main button")

    def cdp(self, command: str, **arguments):
        return self.browser.execute_cdp_cmd(command, arguments)

    def width(self, pixels: int | None):
        if pixels is None:
            self.cdp("Emulation.clearDeviceMetricsOverride")
        else:
            self.cdp("Emulation.setDeviceMetricsOverride", width=pixels, height=800, deviceScaleFactor=1, mobile=False)

    def complaints(self) -> list[str]:
        """What the browser would not do: among it everything that the policy of a page forbids."""
        return [entry["message"] for entry in self.browser.get_log("browser")]


@pytest.fixture(scope="module")
def visitor(lab, site):
    if not Path("/usr/bin/chromedriver").exists():
        pytest.skip("no Chromium: packaging/install-dependencies browser")
    with lab.entered():
        one = Visitor(lab)
        yield one
        one.browser.quit()


def is_gone(element) -> bool:
    """Also while the driver is between two documents, when it knows of neither what it is asked."""
    try:
        element.is_enabled()
        return False
    except WebDriverException:
        return True


def test_pages_show_what_the_commands_say(site, visitor):
    visitor.log_in("otto")
    assert visitor.find("h1").text == "Now"
    status = site.ask("status")
    assert visitor.find("#verdict").text.split(":")[0] == status["verdict"]["text"].split(":")[0]
    figures = dict(zip((e.text for e in visitor.all(".figures dt")), (e.text for e in visitor.all(".figures dd")), strict=True))
    assert figures["Recipients in the queue"] == str(status["queue"]["recipients"]) == "4"
    assert figures["Delivered, last day"] == str(status["last_day"]["delivered"]) == "1"
    legend = [e.text for e in visitor.all(".legend li")]
    assert f"deferred (attempts) {status['last_day']['deferred']}" in legend

    visitor.go("/queue")
    summary = site.ask("queue", "summary")
    shown = {row.find_element(By.TAG_NAME, "th").text: row.find_element(By.TAG_NAME, "td").text for row in visitor.all(".heat tbody tr")}
    assert shown == {row["name"]: str(row["recipients"]) for row in summary["rows"]}
    assert visitor.find("#total").text == "4 recipients."
    visitor.go("/queue?domain=work-a.test")
    assert visitor.find("#total").text == "3 recipients."
    assert "is no state of mail" in visitor.go("/queue?state=lost")

    visitor.go(f"/message?id={site.hostile_id}")
    trail = [row.text for row in visitor.all("tbody tr")]
    assert any("deferred" in row and "4.7.1" in row for row in trail), trail
    assert any("accepted" in row for row in trail), trail
    assert visitor.all("figure circle")
    (waiting,) = [row for row in trail if "waits for its next attempt" in row]
    said = site.ask("queue", "show", site.hostile_id)["messages"][0]["recipients"][0]["last_answer"]
    assert f"said by {said['mx']} [{said['ip']}]" in waiting, waiting

    visitor.go("/partners")
    rules = site.ask("policy", "list")["partners"]
    assert [e.text for e in visitor.all("tbody th")] == [rule["name"] for rule in rules]
    page = visitor.go("/partner?name=Bank")
    assert "tls = verify" in page and "until the mail host has moved" in page and "ciso@home.test" in page
    assert "2031-01-31" in page  # its review
    explained = site.explain("x@sts-enforce.test")
    visitor.go("/domain?name=sts-enforce.test")
    assert [e.text for e in visitor.all("tbody th")] == [host["mx"] for host in explained["hosts"]]

    days = command(site, "evidence.days", days=30)["days"]
    visitor.go("/transit")
    rows = {row.find_element(By.TAG_NAME, "th").text: row.find_element(By.CLASS_NAME, "n").text for row in visitor.all("main > .wide tbody tr")}
    assert rows["MTA-STS"] == str(days[-1]["mta_sts"]) == "1"
    assert sum(int(number) for number in rows.values()) == sum(day[kind] for day in days for kind in KINDS)

    visitor.go("/to-us")
    assert "10/100" in visitor.find("tbody tr").text
    visitor.go("/to-them")
    sessions = {entry["domain"] for entry in site.ask("report", "list")["entries"]}
    assert {e.text for e in visitor.all(".heat tbody th")} == sessions
    assert "hostname 'relay.home.test'" in visitor.go("/settings")


def test_T48_what_strangers_say_is_text(site, visitor):
    visitor.log_in("otto")
    for path in (f"/message?id={site.hostile_id}", "/queue", "/to-us", "/partners", "/log", "/reports?domain=home.test&received=1"):
        visitor.go(path)
        assert visitor.browser.title != "taken"
        assert not visitor.all("main img, main script"), path
    assert "<script>" in visitor.go("/queue")
    assert "<script>" in visitor.go("/to-us")
    visitor.go("/queue?domain=" + quote(HOSTILE))
    assert visitor.find("#domain").get_attribute("value") == HOSTILE
    assert not visitor.all("main img, main script")


def test_own_domain_is_the_checklist_of_dns_check(site, visitor):
    """Values as the command has them; what records say is text (T-48)."""
    before = site.lab.table.raw.get("home", {}).get("tlsrpt")
    site.lab.change("home", tlsrpt="v=TLSRPTv1; rua=" + HOSTILE)
    try:
        visitor.log_in("vera")
        assert wait_for(lambda: "img src=x" in visitor.go("/own-domain"), 30, 1)
        assert visitor.find("h1").text == "Own domain" and visitor.browser.title != "taken" and not visitor.all("img")
        done = site.command("--json", "dns", "check", "home.test")
        (domain,) = json.loads(done.stdout)["domains"]
        rows = {(row.find_element(By.TAG_NAME, "th").text, row.find_element(By.CSS_SELECTOR, "p.mono").text): row for row in visitor.all("tbody tr")}
        assert set(rows) == {(record["what"], record["name"]) for record in domain["records"]}
        for record in domain["records"]:
            text = rows[record["what"], record["name"]].text
            assert record["state"] in text and (not record["remedy"] or record["remedy"] in text), (record, text)
        assert "none of the own domains" in visitor.go("/own-domain?name=clear.test")
    finally:
        site.lab.change("home", tlsrpt=before)


def test_T59_who_may_see_and_who_may_act(site, visitor):
    rank = list(PAGES)
    for name, role in ROLES.items():
        visitor.log_in(name)
        links = [e.text for e in visitor.all("nav a")]
        assert ("Queue" in links) == (role != "viewer") and ("Log" in links) == (role == "operator")
        for wanted, paths in PAGES.items():
            for path in paths:
                refused = "Not for you" in visitor.go(path)
                assert refused == (rank.index(wanted) > rank.index(role)), (name, path)
    visitor.log_in("cora")
    visitor.go("/queue")
    assert not visitor.all("select[name=do]")
    token = visitor.find("input[name=token]").get_attribute("value")
    cookie = visitor.browser.get_cookie("sealpost")
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict"
    assert post(site, "/queue", f"token={token}&do=remove&domain=work-a.test", cookie["value"])[0] == 403
    visitor.log_in("otto")
    cookie = visitor.browser.get_cookie("sealpost")["value"]
    assert post(site, "/queue", "do=remove&domain=work-a.test", cookie)[0] == 403
    assert post(site, "/queue", f"token={token}&do=remove&domain=work-a.test", cookie)[0] == 403  # cora's
    assert post(site, "/queue", "do=remove&domain=work-a.test", "")[0] == 403
    assert len(site.queue()) == 4
    visitor.go("/")
    visitor.press("header button")
    assert visitor.find("h1").text == "Log in"
    assert visitor.go("/queue").startswith("sealpost\nLog in")


def post(site, path: str, form: str, cookie: str, host: str = f"127.0.0.1:{PORT}") -> tuple[int, str]:
    head = (f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(form)}\r\nCookie: sealpost={cookie}\r\n\r\n")  # fmt: skip
    with site.lab.connect("127.0.0.1", PORT) as connection:
        connection.sendall((head + form).encode())
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return int(answer.split()[1]), answer.decode()


def test_T31_passwords(site, visitor):
    visitor.log_in("otto", "wrong")
    assert "Wrong name or password." in visitor.text()
    visitor.log_in("nobody", PASSWORD)
    assert "Wrong name or password." in visitor.text()
    visitor.log_in("OTTO")
    assert visitor.find("h1").text == "Now"
    assert PASSWORD not in site.log.read_text()


def test_a_bulk_action_is_counted_shown_confirmed_and_done(site, visitor):
    visitor.log_in("otto")
    visitor.go("/queue?domain=work-a.test")
    Select(visitor.find("#do")).select_by_value("hold")
    visitor.find("#note").send_keys("lawyers asked")
    visitor.press("main form[method=post] button")
    assert visitor.find("#counted").text == "3 messages, 3 recipients"
    assert not [e for e in site.queue() if e["state"] == "held"]
    visitor.press("main form[method=post] button")
    assert "3 messages (3 recipients) held." in visitor.find(".note").text
    held = [e for e in site.queue() if e["state"] == "held"]
    assert len(held) == 3 and {e["reason"] for e in held} == {"held: by otto (web): lawyers asked"}
    visitor.go("/queue?domain=work-a.test&state=held")
    assert not visitor.all(".note")
    Select(visitor.find("#do")).select_by_value("release")
    visitor.press("main form[method=post] button")
    visitor.press("main form[method=post] button")
    assert not [e for e in site.queue() if e["state"] == "held"]


def test_who_confirms_sees_what_belongs_to_the_same_messages(site, visitor):
    both = site.submit("a@home.test", ["v@work-a.test", "w@work-a.test", "v@work-b.test"], MESSAGE)
    assert wait_for(lambda: {e["state"] for e in site.queue() if e["id"] == both} == {"deferred"}, 30, 0.2), site.queue()
    visitor.log_in("otto")
    visitor.go(f"/queue?domain=work-b.test&id={both}")
    Select(visitor.find("#do")).select_by_value("hold")
    visitor.press("main form[method=post] button")
    assert visitor.find("#counted").text == "1 message, 3 recipients"
    assert "Of these 3 recipients 1 is as asked for; the other 2 belong to the same messages." in visitor.text()
    assert visitor.find("main form[method=post] button").text == "Yes: hold 3 recipients"
    if directory := os.environ.get("SEALPOST_SCREENSHOTS"):
        Path(directory).mkdir(parents=True, exist_ok=True)
        (Path(directory) / "confirm.png").write_bytes(visitor.browser.get_screenshot_as_png())
    assert site.command("queue", "remove", both, "--yes").returncode == 0
    assert len(site.queue()) == 4


def test_mail_is_sent_another_way_and_back_as_configured(site, visitor):
    def ways() -> set[str]:
        return {e["next_hop"] for e in site.queue() if e["recipient"].endswith("@work-b.test")}

    def ask_for(what: str, to: str = ""):
        visitor.go("/queue?domain=work-b.test")
        Select(visitor.find("#do")).select_by_value(what)
        visitor.find("#to").send_keys(to)
        visitor.press("main form[method=post] button")

    other = "[mx1.work-a.test]:26"
    visitor.log_in("otto")
    ask_for("reroute")
    assert "it is not said where the mail is to go" in visitor.text()
    ask_for("reroute", "a b")
    assert "is not a relay" in visitor.text()
    ask_for("reroute", other)
    assert visitor.find("#counted").text == "1 message, 1 recipient" and visitor.find("#to").text == f"To: {other}."
    assert ways() == {"work-b.test"}  # counted is not done
    visitor.press("main form[method=post] button")
    assert "1 message (1 recipient) sent another way." in visitor.find(".note").text
    assert ways() == {other}
    assert any(e["do"] == "reroute" and e["confirmed"] == "yes" and f"to {other}" in e["of"] for e in site.events("web_action"))
    ask_for("as-configured")
    assert not visitor.all("#to")
    visitor.press("main form[method=post] button")
    assert "1 message (1 recipient) sent as configured." in visitor.find(".note").text
    assert ways() == {"work-b.test"}
    assert wait_for(lambda: {e["state"] for e in site.queue()} == {"deferred"}, 30, 0.2), site.queue()


def test_a_draft_is_held_against_the_record_and_nothing_comes_into_force(site, visitor):
    draft = '[[partner]]\nname = "Bank"\ndomains = ["sts-enforce.test"]\ntls = "verify"\nmx = ["mx.elsewhere.test"]\n'
    visitor.log_in("cora")
    visitor.go("/partner?name=Bank")
    written = visitor.find("#draft").get_attribute("value")
    assert 'name = "Bank"' in written and 'domains = ["sts-enforce.test"]' in written and 'tls = "verify"' in written
    visitor.press("#draft ~ .row button")
    assert visitor.find("#tried").text == "Nothing that went would have been kept back."
    visitor.find("#draft").clear()
    visitor.find("#draft").send_keys(draft)
    visitor.press("#draft ~ .row button")
    file = site.directory / "draft.toml"
    file.write_text(draft)
    replayed = site.ask("policy", "replay", "--rule", str(file), "--since", "30d")
    assert replayed["newly_failing"] == 1
    assert visitor.find("#tried").text == "1 session that went would have been kept back."
    assert replayed["hosts"][0]["reasons"][0]["text"] in visitor.text()
    assert visitor.find("#draft").get_attribute("value").strip() == draft.strip()  # to be gone on with
    assert {rule["name"]: rule["mx"] for rule in site.ask("policy", "list")["partners"]} == {"Bank": []}
    for wrong, words in (("[[partner]]\nname = Bank\n", "stand in quotes"), (draft + 'client_key = "/etc/shadow"\n', "client certificates")):
        visitor.find("#draft").clear()
        visitor.find("#draft").send_keys(wrong)
        visitor.press("#draft ~ .row button")
        assert words in visitor.text() and "/etc/shadow:" not in visitor.text()


def test_probe_now_shows_what_is_demanded_against_what_is_shown(site, visitor):
    visitor.log_in("cora")
    visitor.go("/domain?name=sts-enforce.test")
    visitor.press("main form[method=post] button")
    text = visitor.text()
    assert "Demanded against shown" in text and "deliver" in text and "days left" in text


def test_T59_from_another_machine_over_tls_alone_and_by_our_name_alone(site, visitor):
    address = own_address(site.lab)
    visitor.go("/login", f"http://{address}:{PORT}")
    assert visitor.browser.current_url == f"https://{address}:{PORT}/login"
    visitor.log_in("vera", base=f"http://{address}:{PORT}")
    assert visitor.find("h1").text == "Now"
    cookie = visitor.browser.get_cookie("__Host-sealpost")
    assert cookie["secure"] and cookie["httpOnly"] and cookie["sameSite"] == "Strict"
    assert ask(site, "/metrics", address=address)[0] == 200  # in clear, as before
    assert post(site, "/login", "name=otto&password=x", "", host="evil.test")[0] == 421


def test_nothing_in_a_page_is_forbidden_by_its_policy_and_none_is_wider_than_a_small_screen(site, visitor):
    visitor.log_in("otto")
    visitor.complaints()
    for path in (*ALL, f"/message?id={site.hostile_id}", "/reports?domain=home.test&received=1"):
        visitor.width(360)
        visitor.go(path)
        wide = visitor.browser.execute_script("return document.documentElement.scrollWidth")
        assert wide <= 360, (path, wide)
        visitor.width(None)
        assert visitor.all("main#main") and visitor.all("nav[aria-label]") and visitor.browser.title
        assert len(visitor.all("h1")) == 1, path
        assert all(e.get_attribute("scope") for e in visitor.all("th")), path
        unnamed = [e for e in visitor.all("main input:not([type=hidden]), main select") if not visitor.all(f"label[for='{e.get_attribute('id')}']")]
        assert not unnamed, path
    assert visitor.complaints() == []


def test_the_keyboard_reaches_everything_and_shows_where_it_is(site, visitor):
    visitor.log_in("otto")
    visitor.go("/queue")
    body = visitor.find("body")
    body.send_keys(Keys.TAB)
    skip = visitor.browser.switch_to.active_element
    assert skip.text == "To the content" and skip.rect["x"] >= 0
    skip.send_keys(Keys.ENTER)
    assert visitor.browser.switch_to.active_element.get_attribute("id") == "main"
    visitor.browser.switch_to.active_element.send_keys(Keys.TAB)
    field = visitor.browser.switch_to.active_element
    assert field.get_attribute("name") == "domain"
    assert field.value_of_css_property("outline-style") == "solid"


def test_T59_a_proxy_that_is_named_says_who_it_is(lab, tmp_path):
    one = Relay(lab, tmp_path / "proxied", control={
        "http": "127.0.0.1:9972", "http_proxy_from": ["127.0.0.1/32"], "http_proxy_header": "X-Remote-User", "http_proxy_role": "viewer",
    })  # fmt: skip
    with contextlib.ExitStack() as stack:
        stack.callback(one.kill)
        one.start()

        def get(path: str, *fields: str) -> str:
            with lab.connect("127.0.0.1", 9972) as connection:
                connection.sendall("\r\n".join([f"GET {path} HTTP/1.1", "Host: relay.home.test", *fields, "", ""]).encode())
                answer = b""
                while part := connection.recv(65536):
                    answer += part
            return answer.decode()

        assert get("/", "X-Remote-User: gina").startswith("HTTP/1.1 200 ")
        assert ">gina<" in get("/", "X-Remote-User: gina")
        assert "Not for you" in get("/queue", "X-Remote-User: gina")
        assert get("/").startswith("HTTP/1.1 303 ")
        assert get("/healthz").startswith("HTTP/1.1 200 ")


def test_pictures(site, visitor):
    """For who wants to see them."""
    directory = os.environ.get("SEALPOST_SCREENSHOTS")
    if not directory:
        pytest.skip("SEALPOST_SCREENSHOTS names no directory")
    where = Path(directory)
    where.mkdir(parents=True, exist_ok=True)
    visitor.cdp("Network.clearBrowserCookies")
    visitor.go("/login")
    (where / "login.png").write_bytes(visitor.browser.get_screenshot_as_png())
    visitor.log_in("otto")
    for path in (*ALL, f"/message?id={site.hostile_id}", "/reports?domain=home.test&received=1", "/reports?domain=sts-enforce.test"):
        name = re.sub(r"\W+", "-", path.split("=")[0].strip("/")) or "now"
        for scheme, pixels in (("light", 1100), ("dark", 1100), ("light", 360)):
            visitor.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            visitor.width(pixels)
            visitor.go(path)
            image = visitor.cdp("Page.captureScreenshot", captureBeyondViewport=True)
            (where / f"{name}-{scheme}-{pixels}.png").write_bytes(base64.b64decode(image["data"]))
        visitor.cdp("Emulation.setEmulatedMedia", media="print", features=[])
        visitor.width(800)
        image = visitor.cdp("Page.captureScreenshot", captureBeyondViewport=True)
        (where / f"{name}-print.png").write_bytes(base64.b64decode(image["data"]))
        visitor.cdp("Emulation.setEmulatedMedia", media="")
        visitor.width(None)
