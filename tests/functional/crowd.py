# SPDX-License-Identifier: Apache-2.0
"""One message to each of many domains, all on their way at once: what a table of cases costs is its slowest row.

A case's domain is made by `lab.change_all`, its message submitted, and one look at the queue tells of all of them.
"""

from collections.abc import Callable, Iterable

from lab.world import Lab, wait_for
from relay import Relay


class Crowd:
    """Messages by the name of the domain they go to, without the final .test. Each says `secret`."""

    def __init__(self, lab: Lab, relay: Relay):
        self.lab = lab
        self.relay = relay
        self.ids: dict[str, str] = {}

    def submit(self, domains: Iterable[str]):
        for domain in domains:
            text = f"Subject: {domain}\r\n\r\nsecret\r\n"
            self.ids[domain] = self.relay.submit("anna@home.test", f"bob@{domain}.test", text)

    def queued(self) -> dict[str, dict]:
        """Queue entries by domain; who is not in it is delivered or bounced."""
        return {domain_of(e): e for e in self.relay.queue()}

    def attempts(self, domains: Iterable[str]) -> dict[str, int]:
        """How often each was tried to the end; 0 for one that is gone."""
        queued = self.queued()
        return {d: tried(queued[d]) if d in queued else 0 for d in domains}

    def delivered(self, domain: str) -> list:
        return self.lab.mail_of(f"{domain}.test")

    def wait_tried(self, domains: Iterable[str], least: dict[str, int] | int = 1, seconds: float = 60) -> bool:
        """Until each was tried so often, or is gone. A test that looks at the outcome says what did not happen."""
        domains = list(domains)

        wanted = least if isinstance(least, dict) else dict.fromkeys(domains, least)

        def enough() -> bool:
            queued = self.queued()
            return all(tried(queued[d]) >= wanted[d] for d in domains if d in queued)

        return wait_for(enough, seconds, 0.2)

    def wait_until(self, condition: Callable[[], bool], seconds: float = 60) -> bool:
        return wait_for(condition, seconds, 0.2)

    def outcome(self, domain: str) -> str:
        """For an assertion's message: where the mail to a domain is."""
        if self.delivered(domain):
            return "delivered"
        entry = self.queued().get(domain)
        return f"{entry['state']}: {entry['reason']}" if entry else "gone, and not delivered"


def tried(entry: dict) -> int:
    """`attempts` counts the one under way."""
    return entry["attempts"] - (entry["state"] == "active")


def domain_of(entry: dict) -> str:
    return entry["recipient"].partition("@")[2].removesuffix(".test")
