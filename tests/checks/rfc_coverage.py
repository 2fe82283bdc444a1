"""docs/rfc-coverage.md says where each section of an RFC is kept, and which tests hold the code to it. `--fix` writes it anew.

Made from the citations in the sources: `RFC 5321 §4.5.3.2.7`, `RFC 7672 §2.2.2, §2.2.3`, `RFC 8460 section 5.3`.
"""
import collections
import re

PAGE = "docs/rfc-coverage.md"
TITLES = {
    1035: "Domain names", 1123: "Requirements for Internet hosts", 1870: "SMTP SIZE", 1982: "Serial number arithmetic",
    2034: "SMTP ENHANCEDSTATUSCODES", 2045: "MIME: format of bodies", 2046: "MIME: media types", 2047: "MIME: encoded words",
    2119: "Key words", 2181: "Clarifications to DNS", 2231: "MIME parameters", 2308: "Negative caching of DNS",
    2920: "SMTP PIPELINING", 3030: "SMTP CHUNKING and BINARYMIME", 3207: "SMTP STARTTLS", 3339: "Timestamps",
    3461: "SMTP DSN", 3462: "multipart/report (older)", 3463: "Enhanced status codes", 3464: "Delivery status notifications",
    3492: "Punycode", 3629: "UTF-8", 3834: "Automatic responses", 3848: "Transmission types in Received", 4013: "SASLprep",
    4155: "mbox", 4180: "CSV", 4231: "HMAC-SHA-2 test vectors", 4291: "IPv6 addresses", 4422: "SASL", 4616: "SASL PLAIN", 4648: "Base64", 4865: "SMTP FUTURERELEASE", 5077: "TLS session tickets",
    4954: "SMTP AUTH", 5155: "NSEC3", 5246: "TLS 1.2", 5248: "Registry of status codes", 5280: "X.509 certificates",
    5321: "SMTP", 5322: "Message format", 5424: "Syslog", 5452: "DNS against forged answers", 5598: "Mail architecture",
    5746: "TLS renegotiation", 5802: "SCRAM", 5890: "IDNA: definitions", 5891: "IDNA: protocol", 5892: "IDNA: code points", 5893: "IDNA: bidirectional",
    5929: "TLS channel bindings", 5952: "Text of IPv6 addresses", 6066: "TLS extensions", 6125: "Names in certificates (older)",
    6152: "SMTP 8BITMIME", 6265: "Cookies", 6376: "DKIM", 6409: "Submission", 6522: "multipart/report", 6530: "Internationalised mail: overview",
    6531: "SMTPUTF8", 6532: "Internationalised headers", 6533: "Internationalised notifications", 6698: "TLSA", 6710: "SMTP MT-PRIORITY", 6901: "JSON pointer",
    5801: "GS2 mechanisms", 7515: "JWS", 7517: "JWK", 7518: "JWA", 7519: "JWT", 7662: "OAuth 2.0 introspection", 8037: "EdDSA in JOSE", 8693: "OAuth 2.0 token exchange",
    8725: "JWT best practices", 9068: "JWT access tokens", 9864: "Fully specified algorithms of JOSE",
    6749: "OAuth 2.0", 6750: "OAuth bearer tokens", 6797: "HSTS", 6840: "Clarifications to DNSSEC", 6844: "CAA (older)", 6891: "EDNS", 7208: "SPF", 7217: "Stable interface identifiers",
    7230: "HTTP/1.1 (older)", 7231: "HTTP semantics (older)", 7435: "Opportunistic security", 7489: "DMARC", 7493: "I-JSON", 7504: "SMTP 521 and 556", 7505: "Null MX", 7525: "TLS recommendations (older)",
    7613: "PRECIS: names and passwords (older)", 7616: "HTTP Digest", 7617: "HTTP Basic", 7628: "SASL OAUTHBEARER", 7671: "DANE operations", 7672: "DANE for SMTP", 7677: "SCRAM-SHA-256", 7766: "DNS over TCP", 8259: "JSON",
    8265: "PRECIS: names and passwords", 8301: "DKIM algorithms", 8314: "Implicit TLS for mail", 8410: "Ed25519 keys", 8446: "TLS 1.3", 8460: "TLS-RPT", 8461: "MTA-STS", 8463: "DKIM Ed25519",
    8616: "Internationalised e-mail authentication", 8689: "REQUIRETLS", 8996: "TLS 1.0 and 1.1 end",
    6960: "OCSP", 7633: "TLS feature extension (must-staple)",
    1428: "From 8 bits to 7", 1918: "Private IPv4 addresses", 1952: "gzip", 2253: "Text of distinguished names", 2544: "Benchmarking (its addresses)", 2781: "UTF-16", 2782: "SRV records", 3986: "URI",
    2928: "IPv6 sub-TLA (its addresses)", 3056: "6to4", 3597: "Unknown DNS records", 3720: "CRC-32C (iSCSI)", 3849: "IPv6 addresses for documentation", 3927: "IPv4 link-local addresses", 4035: "DNSSEC protocol",
    5056: "Channel binding", 5737: "IPv4 addresses for documentation", 6068: "mailto", 6598: "Shared IPv4 addresses", 6890: "Special-purpose addresses", 7301: "TLS ALPN", 7526: "6to4 anycast ends", 8017: "RSA",
    9520: "Negative caching of failed resolution", 9637: "IPv6 addresses for documentation, more",
 9051: "IMAP", 9110: "HTTP semantics", 9112: "HTTP/1.1", 9266: "TLS 1.3 channel binding", 9325: "TLS recommendations", 9422: "SMTP LIMITS", 9525: "Names in certificates", 10015: "Old key exchange of TLS 1.2 ends",
}
HEAD = """# Where each RFC is kept

Made by `tests/checks/run --fix rfc_coverage` from what the sources cite; what is not in the table is not cited, which is not the
same as not done. *Code* is below `src` or `include/sealpost`, *held by* below `tests`; a name without an ending is a header with
its source. How decisions follow from RFC 8461, 7672 and 8689 is shown case by case in [policy-tables.md](policy-tables.md).
"""
CITATION = re.compile(r"RFC\s+(\d{4,5})\b((?:[\s,]*(?:and\s+|or\s+)?(?:§\s?|sections?\s+)\d+(?:\.\d+)*)*)")
SECTION = re.compile(r"(?:§\s?|sections?\s+)(\d+(?:\.\d+)*)")
CODE = ("include/sealpost", "src")
TESTS = ("tests/unit", "tests/functional", "tests/sim", "tests/fuzz")
ENDINGS = {".hpp", ".cpp", ".py", ".tsv", ".h"}


def joined(text):
    """Comments that go on in the next line, as one: a citation may be broken there."""
    return re.sub(r"\n\s*(?://|#)?\s*", " ", text)


def citations(root, folders):
    """{(RFC, section): {place}}; section "" for the RFC as a whole."""
    found = collections.defaultdict(set)
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in ENDINGS or not path.is_file():
                continue
            relative = path.relative_to(root / (folder if folder in CODE else "tests"))
            place = str(relative.with_suffix("")) if path.suffix in {".hpp", ".cpp"} else str(relative)
            for number, sections in CITATION.findall(joined(path.read_text(encoding="utf-8", errors="replace"))):
                for section in SECTION.findall(sections) or [""]:
                    found[int(number), section].add(place)
    return found


def order(key):
    number, section = key
    return number, [int(part) for part in section.split(".") if part]


def places(names):
    by_folder = collections.defaultdict(list)
    for name in sorted(names):
        folder, _, file = name.rpartition("/")
        by_folder[folder].append(file)
    return ", ".join(
        f"`{folder}/{files[0]}`" if len(files) == 1 and folder else
        f"`{folder}/`{{{', '.join(f'`{file}`' for file in files)}}}" if folder else
        ", ".join(f"`{file}`" for file in files)
        for folder, files in by_folder.items())


def page(root):
    code, tests = citations(root, CODE), citations(root, TESTS)
    by_rfc = collections.defaultdict(list)
    for key in sorted(set(code) | set(tests), key=order):
        by_rfc[key[0]].append(key)
    parts = [HEAD]
    for number, keys in by_rfc.items():
        parts.append(f"## RFC {number}: {TITLES.get(number, '?')}\n")
        parts.append("| Section | Code | Held by |\n|---|---|---|\n" + "\n".join(
            f"| {'§' + section if section else 'all'} | {places(code[number, section])} | {places(tests[number, section])} |"
            for _, section in keys) + "\n")
    return "\n".join(parts)


def check(root):
    wanted = page(root)
    problems = [f"RFC {number} is cited and has no title; add it to tests/checks/rfc_coverage.py"
                for number in re.findall(r"^## RFC (\d+): \?$", wanted, re.MULTILINE)]
    path = root / PAGE
    if not path.exists() or path.read_text(encoding="utf-8") != wanted:
        problems.append(f"{PAGE}: does not say what the sources cite; run tests/checks/run --fix rfc_coverage")
    return f"{wanted.count(chr(10) + '| ')} lines, {wanted.count(chr(10) + '## ')} RFCs", problems


def fix(root):
    (root / PAGE).write_text(page(root), encoding="utf-8")
