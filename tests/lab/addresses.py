# SPDX-License-Identifier: Apache-2.0
"""Who lives where. The relay's namespace reaches all of it through one veth pair.

The world uses ordinary global unicast space, so that a relay with its default rule of
destinations accepts it: 44.128.0.0/16 is the amateur packet radio network's own test range, and
2d00::/8 is global unicast that IANA has given to nobody. No packet can leave: the namespaces have
no other interface.
"""

import ipaddress

WORLD_V4 = ipaddress.ip_network("44.128.0.0/16")

# What answers: the lower half of the IPv4 range; above it are the two kinds of nobody. The link must
# not be inside, or the world would take the relay's address for one of its own.
ANSWERING_V6 = ipaddress.ip_network("2d00:5ea1::/48")
ANSWERING_V4 = ipaddress.ip_network("44.128.0.0/17")
SILENT_V4 = ipaddress.ip_network("44.128.128.0/18")  # packets vanish: connections time out
UNREACHABLE_V4 = ipaddress.ip_network("44.128.192.0/19")  # the router says so

LINK_V4 = ipaddress.ip_network("44.128.254.0/24")
LINK_V6 = ipaddress.ip_network("2d00:5ea1:fe::/64")
WORLD_LINK = ("44.128.254.1", "2d00:5ea1:fe::1")
RELAY_LINK = ("44.128.254.2", "2d00:5ea1:fe::2")

# Not global unicast: a relay must not go there unless told to. The world answers all the same,
# so that a test sees the connection that should not have been made.
PRIVATE = [
    "10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
    "192.0.2.0/24", "198.18.0.0/15", "fc00::/7", "64:ff9b::/96", "2002::/16", "2001:db8::/32",
]  # fmt: skip

DNS = ("44.128.0.53", "2d00:5ea1::53")
POLICY_HOST = ("44.128.0.80", "2d00:5ea1::80")  # nginx
SCRIPTED_POLICY_HOST = ("44.128.0.81", "2d00:5ea1::81")

# Words for the `address` of an MX host in the table. A refusing address is one nobody listens on.
ODD_ADDRESSES = {
    "refused": ("44.128.0.250", "2d00:5ea1::250"),
    "silent": ("44.128.128.1",),
    "unreachable": ("44.128.192.1",),
    "private": ("10.99.0.25",),
    "loopback": ("127.0.0.1", "::1"),
    "none": (),
}
