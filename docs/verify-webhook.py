# SPDX-License-Identifier: Apache-2.0
"""Who takes events from sealpost asks this before it believes a request. Standard Webhooks; its libraries do the same."""

import base64
import hashlib
import hmac
import time


def is_genuine(headers, body: bytes, secret: str, now: float | None = None) -> bool:
    """`headers` by names in lower case; `secret` is the line "whsec_..." that the relay has, too."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    fresh = abs((now or time.time()) - int(headers["webhook-timestamp"])) < 300  # what was overheard is not told again later
    return fresh and any(hmac.compare_digest(wanted, one) for one in headers["webhook-signature"].split())
