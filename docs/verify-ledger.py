#!/usr/bin/env python3
"""Is a ledger of sealpost whole? An independent reading of docs/ledger.md, to be read before it is run.
usage: verify-ledger.py ledger.db [PUBLIC-KEY.pem [COPIED-HEADS]]      needs python3-cryptography"""
import gzip, hashlib, json, sqlite3, sys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

def sha(octets): return hashlib.sha256(octets).digest()
def bad(day, row, why): sys.exit(f"day {day}: row {row}: {why}" if row else f"day {day}: {why}")
def holds(key, octets, signature):
    try: Ed25519PublicKey.from_public_bytes(key).verify(signature, sha(octets)); return True
    except Exception: return False

db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
db.execute("BEGIN")  # one state of the file, should the relay be writing
keys, trusted = {}, set()
if len(sys.argv) > 2:
    given = load_pem_public_key(open(sys.argv[2], "rb").read()).public_bytes(Encoding.Raw, PublicFormat.Raw)
    trusted.add(hashlib.sha256(given).hexdigest()[:16])
for name, key, by, signature in db.execute("SELECT fingerprint, public_key, signed_by, signature FROM signing_key ORDER BY number"):
    keys[name] = key
    if by in trusted and by in keys and holds(keys[by], key, signature): trusted.add(name)
copies = [json.loads(line[line.index("{"):line.index("}") + 1]) for line in open(sys.argv[3]) if '{"ledger_head"' in line] if len(sys.argv) > 3 else []
previous, last, number, pruned, through, rows, newest, named = bytes(32), 0, 0, [], 0, 0, None, {}
for number, (day, text, signature, gone) in enumerate(db.execute("SELECT number, head, signature, pruned FROM day ORDER BY number"), 1):
    head, h = json.loads(text), previous
    if day != number: bad(number, last + 1, "the day is missing")
    if not holds(keys.get(head["key"], bytes(32)), text.encode(), signature): bad(day, 0, "its head is not signed")
    if head["previous"] != previous.hex() or head["day"] != day or head["first"] != last + 1: bad(day, 0, "its head does not follow from the one before")
    stored = [(first + i, s[4*i:4*i+4], p) for first, s, z in db.execute("SELECT first, hash_starts, payloads FROM block WHERE day = ? ORDER BY number", (day,))
              for i, p in enumerate(gzip.decompress(z).split(b"\n")[:-1])]
    if not head["sealed"]: stored += [(n, s.to_bytes(4, "big"), p.encode()) for n, s, p in db.execute("SELECT number, hash_start, payload FROM row ORDER BY number")]
    for expected, (n, start, payload) in enumerate(stored, head["first"]):
        h = sha(h + payload)
        if n != expected or n > head["last"] or h[:4] != start: bad(day, expected, "was changed, dropped, added or moved")
        if payload.startswith(b'{"k":"pruned"'): through = max(through, json.loads(payload)["through"])
        if payload.startswith(b'{"k":"rules"') and json.loads(payload)["set"]: named[json.loads(payload)["new"]] = (day, n)
        if any(c["day"] == day and c["last"] == n and c["hash"] != h.hex() for c in copies): bad(day, n, "is not what the copied head says")
    rows += len(stored)
    if gone: pruned.append(day)
    elif head["first"] + len(stored) - 1 != head["last"]: bad(day, head["first"] + len(stored), "is missing")
    elif h.hex() != head["hash"]: bad(day, 0, "its rows were written anew")
    if any(c["day"] == day and (c["last"] > head["last"] or c["sealed"] and c != head) for c in copies): bad(day, 0, "its head is not the copied one")
    previous, last, newest = sha(text.encode()), head["last"], head
if pruned and max(pruned) > through: bad(max(pruned), 0, "was pruned, but no row says so")
for digest, (day, n) in named.items():
    kept = db.execute("SELECT text FROM rules WHERE digest = ?", (bytes.fromhex(digest),)).fetchone()
    if not kept or sha(gzip.decompress(kept[0])).hex() != digest: bad(day, n, "names a set of rules that is not there, or not what it was")
if any(c["day"] > number for c in copies): bad(number + 1, last + 1, "a copied head tells of it, but it is not there")
if trusted and newest["key"] not in trusted: bad(number, 0, "its head is signed by a key that is not the given one")
print(f"whole: {rows} rows, {number} days, {len(pruned)} of them pruned; signed by {newest['key']}" + ("" if trusted else " (no key was given to compare it with)"))
