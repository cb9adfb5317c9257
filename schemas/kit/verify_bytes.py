"""Bytes in, values out, ValueError for what is not as FORMAT.md says: JSON, items, trees, keys, envelopes, checkpoints.

A part of `verify.py`. It needs the standard library and cryptography. Numbers in comments are sections of FORMAT.md.
"""

import base64
import hashlib
import json
import re
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils


class Fault(ValueError):  # noqa: N818 - what is wrong, with the code that a finding of it has
    def __init__(self, code, words):
        super().__init__(words)
        self.code = code


def require(good, words, code=None):
    if not good:
        raise Fault(code, words) if code else ValueError(words)


# 2 JSON, and the form of everything that is JSON. A member's type is the one that its name has in TYPES, or stands
# behind it; `?` may be null, `*` is a list, `|` parts words (`~` is a space), `!` may be left out, `+` is a statement

TYPES = """
text      tool version host user principal location device reason rule what why bucket endpoint etag request_id key name
          origin log_vkey vkey pem parquet_writer detail owner group predicateType
count     size bytes objects first items below log_size number raw_bytes log_size_at_start new_bytes
          expected_every_hours required max_delay_s from_size to_size nlink uid gid errno
instant   at retain_until from to since until observed_at read_back_at valid_from valid_until earliest latest started
          finished collected_from collected_to made
hex       sha256 keyid root merkle_root policy_sha256 instrument request log_root
decimal   dev ino atime_ns mtime_ns ctime_ns btime_ns
positive  count records revision max_silence_hours length table_version
flag      legal_hold demo_keys
matter    matter
archive   archive
half      archive_id salt
stamp     id snapshot
base64    sig payload raw statement
"""
FORMS = """
envelope   payload payloadType:application/vnd.in-toto+json signatures:signature*
signature  keyid sig
payload    _type:https://in-toto.io/Statement/v1 subject:subject* predicateType predicate:object
subject    name digest:digest
digest     sha256
common     archive archive_id id:text at by:by
by         tool version host user principal? clock_offset_s:integer?
held       retain_until mode:COMPLIANCE legal_hold
receipt    store:s3|folder endpoint? bucket key version? etag? size sha256? basis:store|signed-payload|read-back
           mode:COMPLIANCE|GOVERNANCE|NONE? retain_until? legal_hold? request_id? read_back_at
lock       key legal_hold mode:COMPLIANCE|GOVERNANCE|NONE retain_until?
let_go     key released:true
entry      key:key sha256
+archive   id origin log_vkey format:one hash:sha-256 tree:rfc6962 leaf:archiver-leaf-v1 keys:named* policy_sha256
           demo_keys continues:before?
named      keyid role:statement|log|approver pem
before     origin size root
+policy    id revision sha256 previous:hex? matters:order* sources:place* changes:text* expected_every_hours
order      id:matter retain_until mode:COMPLIANCE legal_hold instrument?
place      id:source kind:documents|model_logs location matters:matter*
+batch     id:batch_id source:any_source snapshot table:table table_version number records items:positive raw_bytes
           merkle_root collected_from collected_to parquet_writer encryption:none policy_sha256 matters:matter*
           hold:held receipts:receipt*
+snapshot  id previous:stamp? started finished log_size_at_start status:complete|incomplete|aborted sources:account*
           batches:batches
account    id:source location device? counts:counts excluded:exclusion* bytes new_bytes selected!:selected_*
           unjudged!:unread*
unread     rule:words reason:words items:positive bytes
selected_  select:select records:count bytes kept:kept unjudged:unjudged* passed_over:passed* items:positive
selection  select:select records:count bytes kept:kept unjudged:unjudged* passed_over:passed*
kept       records:count bytes
unjudged   reason:reason records:positive bytes
passed     rule:words reason:words records:positive bytes
counts     seen:count captured:count unchanged:count changed_during_read:count failed:count excluded:count
           recorded:count absent:count
exclusion  rule reason items:positive bytes
+receipt   id receipts:receipt*
+incident  id what decision:adopted|not~evidence|unexplained objects:met*
met        key version? sha256
+hold      id matter instrument scope:all|sources|batches from to mode:COMPLIANCE legal_hold:true counts:locks
locks      objects bytes below earliest? latest?
+approval  id keyid kind:release sha256
+release   id matter instrument request log_size approvals:approver* counts:released
approver   id keyid
released   objects bytes
request    format:urn:archiver:release-request:v1 archive archive_id origin matter instrument log_size log_root
           batches:count objects bytes at
+verification  id what:words why? verdict:ok|partial|failed counts:numbers
+access    id what:words why? verdict:begun|ok|partial|failed counts:numbers
+timestamp  id authority:authority url:text log_size:positive log_root imprint:hex gen_time:instant serial:serial
           policy:oid certificate_until:instant
+key       id action:add|retire|revoke role:statement|log|approver keyid pem? vkey? reason:words
           compromised_since:instant?
+sealed    id:batch_id batch:batch_id destination:source key sha256 size rows:positive raw_bytes recipients:recipient*
           receipt:receipt
recipient  matter keyid
+derivation  id batch:batch_id batch_sha256:hex statement_sha256:hex table:table table_version rows:positive size
           dialects:hex parquet_writer
line       item:item kind:file|directory|symlink|fifo|socket|device|object|message|inner table:documents|model_logs?
           status:captured|unchanged|changed_during_read|damaged|failed|excluded|recorded|absent reason:reason? detail?
           errno? basis:read|stat|etag? size? sha256? parts:part* observed_at file:file?
           object!:object marks!:mark*
mark       by:marked_by handling:mark|quarantine mark:csam_suspected|ncii_suspected|personal|privileged reason:words
           records!:positive
of_s3      store:s3 key:escaped version? latest:flag deleted:flag etag? modified:instant? storage_class:text? owner?
           read:read?
read       at headers:headers tags:texts?
of_sql     store:sql system:text server:text query:text columns:column* isolation:text? snapshot:text? plan:text?
           rows:count? began:instant ended:instant?
column     name type:text?
of_pipe    store:pipe began:instant ended:instant?
part       batch:batch_id first count of!:item sealed!:true
file       dev ino nlink mode:count uid gid owner? group? atime_ns? mtime_ns? ctime_ns? btime_ns? link_target:escaped?
           holes:holes xattrs:xattrs
trust      version:one archive archive_id logs:log* statement_keys:key_* timestamps:stamps holds:minimum*
           max_silence_hours? witnesses:text*
log        origin keys:log_key* seen:seen? post_quantum!:log_key*
log_key    vkey from_size to_size?
seen       size root
key_       keyid pem roles:statement|approver* valid_from? valid_until? revoked:revoked?
revoked    since reason
stamps     required max_delay_s tsas:tsa*
tsa        id:text roots:text* qualified!:qualified
qualified  certificates:hex* valid_from valid_until? source:text
minimum    matter until mode:COMPLIANCE legal_hold
kit        format:urn:archiver:kit:v1 archive archive_id origin size root made batches:batch_id*?
proof      format:urn:archiver:proof:v1 item:text offset:count raw salt record:count hashes:hex* statement
           tlog_proof:text
range      format:urn:archiver:range-proof:v1 item:text offset:count length groups:group*
group      statement tlog_proof:text record:count rows:row* hashes:hex*
row        raw salt
"""
STAMP, TABLE = r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}", r"[a-z][a-z0-9_]{0,62}"
KEY = r"statements/([a-z][a-z0-9-]{0,62})/([A-Za-z0-9][A-Za-z0-9._-]{0,199})\.json"
PATTERNS = {
    "hex": "[0-9a-f]{64}", "half": "[0-9a-f]{32}", "archive": "[a-z0-9][a-z0-9.-]{0,62}", "stamp": STAMP,
    "table": TABLE, "source": "[a-z0-9][a-z0-9-]{0,62}", "any_source": "([a-z0-9][a-z0-9-]{0,62})?",
    "decimal": "-?(0|[1-9][0-9]*)", "serial": "0|-?[1-9][0-9]{0,79}", "counted": "[a-z][a-z0-9_-]{0,62}",
    "matter": "[A-Za-z0-9][A-Za-z0-9._-]{0,62}",
    "batch_id": f"{STAMP}-{TABLE}-[0-9]{{8}}",
    "key": KEY, "select": "[0-9a-f]{16}", "selecting": "select:[0-9a-f]{16}",
    "authority": "[A-Za-z0-9][A-Za-z0-9._-]{0,99}", "oid": r"[0-2](\.(0|[1-9][0-9]{0,39})){1,40}",
    "reason": "[a-z][a-z0-9-]{0,62}", "marked_by": "(?s:(?:path|where|moderation):.+)|hashes:[0-9a-f]{64}",
    "text": "(?s).*", "words": "(?s).+",
}  # fmt: skip
TESTS = {
    "integer": lambda v: type(v) is int, "count": lambda v: type(v) is int and 0 <= v < 2**53,
    "positive": lambda v: type(v) is int and 0 < v < 2**53, "one": lambda v: type(v) is int and v == 1,
    "flag": lambda v: type(v) is bool, "true": lambda v: v is True, "object": lambda v: type(v) is dict,
    "base64": lambda v: type(v) is str and accepts(unbase64, v), "escaped": lambda v: type(v) is str and escaped(v),
    "instant": lambda v: type(v) is str and accepts(instant, v), "item": lambda v: accepts(check_item, v),
    "numbers": lambda v: type(v) is dict and all(fits(name, "counted") and fits(v[name], "count") for name in v),
    "holes": lambda v: type(v) is list and len(v) <= 10_000 and all(fits(one, "count*") and len(one) == 2 for one in v),
    "xattrs": lambda v: type(v) is dict and all(escaped(name) and fits(v[name], "base64") for name in v),
    "headers": lambda v: type(v) is dict and all(fits(one, "escaped") for one in v.values()),
    "texts": lambda v: type(v) is dict and all(fits(one, "text") for one in v.values()),
    "batches": lambda v: type(v) is dict and all(fits(name, "table") and fits(v[name], "positive") for name in v),
}  # fmt: skip


def paragraphs(text):
    """Yield the words of each line that begins at the margin, with those of its indented lines."""
    return (one.split() for one in re.split(r"\n(?=\S)", text.strip()))


TYPES = {name: words[0] for words in paragraphs(TYPES) for name in words[1:]}


def typed(word):
    """Return name and type of a member as FORMS spells it."""
    name, _, form = word.partition(":")
    bare = name.rstrip("?!")
    return name.rstrip("?"), form or TYPES[bare] + name[len(bare) :]


FORMS = {words[0]: dict(map(typed, words[1:])) for words in paragraphs(FORMS)}


def fits(value, form):
    """Tell whether a value has exactly a form."""
    if form in FORMS:
        members = FORMS[form]
        if type(value) is not dict or value.keys() - {name.rstrip("!") for name in members}:
            return False
        if {name for name in members if name[-1] != "!"} - value.keys():
            return False
        return all(fits(one, members.get(name) or members[f"{name}!"]) for name, one in value.items())
    if form in TESTS:
        return bool(TESTS[form](value))
    if form in PATTERNS:
        return type(value) is str and re.fullmatch(PATTERNS[form], value) is not None
    if form[-1] == "?":
        return value is None or fits(value, form[:-1])
    if form[-1] == "*":
        return type(value) is list and all(fits(one, form[:-1]) for one in value)
    return type(value) is str and value in form.replace("~", " ").split("|")


def accepts(function, value):
    try:
        return function(value) is not None
    except ValueError:
        return False


def canonical(value, depth=0):
    """Write JSON as RFC 8785 does; refuse numbers of 2^53 and nesting beyond 64."""
    nested = isinstance(value, (dict, list))
    require(depth < 64 + (not nested), "nested deeper than 64")
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{canonical(name, depth)}:{canonical(value[name], depth + 1)}" for name in names) + "}"
    if isinstance(value, list):
        return "[" + ",".join(canonical(one, depth + 1) for one in value) + "]"
    require(not isinstance(value, (int, float)) or abs(value) < 2**53, "a number of 2^53 or more")
    if isinstance(value, float):
        text = format(Decimal(repr(value)), "f") if abs(value) >= 1e-6 else repr(value).replace("e-0", "e-")
        return "0" if value == 0 else re.sub(r"\.0$", "", text)
    return json.dumps(value, ensure_ascii=False)


def once(pairs):
    require(len(dict(pairs)) == len(pairs), "a member is given twice")
    return dict(pairs)


def parse(data, form, limit=65_535, any_layout=False):
    require(len(data) <= limit, f"longer than {limit} bytes")
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=once, parse_constant=lambda word: require(0, word))
        text = canonical(value).encode("utf-8")
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    require(any_layout or text == data, "not canonical JSON")
    require(fits(value, form), f"not exactly the members and types of {form.strip('+_')}")
    return value


def unbase64(text):
    data = base64.b64decode(text, validate=True)
    require(base64.b64encode(data).decode() == text, "base64 in another spelling")
    return data


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def instant(text):
    require(re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", text), "no instant")
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")


# 5 Items

MEMBER = r"(?s)gzip|zstd|select:[0-9a-f]{16}|[a-z][a-z0-9]{0,15}:(?:0|[1-9][0-9]{0,15}):(.*)"


def escaped(text):
    """Tell whether a name is spelt in the one way that it may be."""
    name = re.sub(rb"%([0-9A-F]{2})", lambda found: bytes([int(found[1], 16)]), text.encode("utf-8"))
    again = re.sub(rb"[%\x00-\x1f\x7f]", lambda found: b"%%%02X" % found[0][0], name).decode("utf-8", "surrogateescape")
    return "".join(f"%{ord(one) - 0xDC00:02X}" if 0xDC80 <= ord(one) <= 0xDCFF else one for one in again) == text


def check_item(item):
    require(
        type(item) is dict and {"path", "source"} <= item.keys() <= {"path", "source", "members", "version"}, "item"
    )
    path, members = item["path"], item.get("members", ["gzip"])
    require(
        fits(path, "words") and fits(item.get("version", ""), "text") and fits(members, "text*"), "types of an item"
    )
    own = path == "items" and item["source"] == "" and item.keys() == {"path", "source", "version"}
    require(own or fits(item["source"], "source"), "source of an item")
    require(escaped(path) and not {"", ".", ".."} & set(path.split("/")), "path of an item")
    inner = [re.fullmatch(MEMBER, one) for one in members]
    require(inner and all(one and escaped(one[1] or "") for one in inner), "members of an item")
    return item


@lru_cache(maxsize=100_000)
def item_of(text):
    """Return the item that an item text names."""
    return check_item(parse(text.encode("utf-8"), "object", 1 << 20))


# 6, 13.1 Trees


def leaf(entry):
    return hashlib.sha256(b"\x00" + entry).digest()


def node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """An RFC 6962 tree that grows: its perfect subtrees, largest first."""

    def __init__(self, leaves=()):
        self.peaks = []
        for one in leaves:
            self.add(one)

    def add(self, hashed, size=1):
        while self.peaks and self.peaks[-1][0] == size:
            hashed, size = node(self.peaks.pop()[1], hashed), 2 * size
        self.peaks.append((size, hashed))

    def root(self):
        root = self.peaks[-1][1]
        for _, left in reversed(self.peaks[:-1]):
            root = node(left, root)
        return root


def root_over(low, high, first, leaves, path):
    """Return the root over leaves low to high. Those from `first` on are given; the path, which is used up, has the
    roots of all other subtrees, each behind what its neighbour needs: for one leaf that is an RFC 9162 inclusion path.
    """
    require(leaves and low <= first and first + len(leaves) <= high, "leaves outside the tree")
    if high - low == 1:
        return leaves[0]
    middle = low + (1 << (high - low - 1).bit_length() - 1)
    known = max(middle - first, 0)
    left = root_over(low, middle, first, leaves[:known], path) if known else None
    right = root_over(middle, high, max(first, middle), leaves[known:], path) if leaves[known:] else None
    require((left and right) or path, "too few hashes")
    return node(left or path.pop(0), right or path.pop(0))


def leaf_of(text, offset, length, salt, digest):
    """6.2 Return the leaf of a record."""
    numbers = offset.to_bytes(8, "big") + length.to_bytes(8, "big")
    return leaf(hashlib.sha256(text.encode("utf-8")).digest() + numbers + salt + digest)


# 10 Keys and envelopes; 13.3 checkpoints

P, N256 = 2**255 - 19, 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
EIGHT = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7  # y of points of order 8, as is P - EIGHT


def ed25519_key(raw):
    """Take a canonical encoding of a point of the curve that is not of low order."""
    y = int.from_bytes(raw, "little") & ~(1 << 255)
    require(len(raw) == 32 and y < P and y not in (0, 1, P - 1, EIGHT, P - EIGHT), "Ed25519 key of low order or size")
    square = (y * y - 1) * pow(-121665 * pow(121666, -1, P) * y * y + 1, -1, P) % P
    require(pow(square, (P - 1) // 2, P) == 1, "Ed25519 key that is no point")
    return ed25519.Ed25519PublicKey.from_public_bytes(raw)


def public_key(pem, keyid):
    encoding, form = serialization.Encoding, serialization.PublicFormat.SubjectPublicKeyInfo
    try:
        key = serialization.load_pem_public_key(pem.encode("utf-8"))
    except UnsupportedAlgorithm as error:
        raise ValueError("a key of another algorithm") from error
    same = (
        key.public_bytes(encoding.PEM, form).decode() == pem and sha256(key.public_bytes(encoding.DER, form)) == keyid
    )
    require(same, "PEM in another spelling, or the keyid of another key")
    if isinstance(key, ed25519.Ed25519PublicKey):
        return ed25519_key(key.public_bytes_raw())
    require(isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1", "neither P-256 nor Ed25519")
    return key


def verifies(key, signature, message):
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, message)
            return True
        r, s = utils.decode_dss_signature(signature)
        key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        return utils.encode_dss_signature(r, s) == signature and 0 < r < N256 and 0 < s <= N256 // 2
    except (InvalidSignature, ValueError):
        return False


def signed_by(key, signature, payload):
    """Tell whether a key signed a payload in its DSSE envelope."""
    return verifies(key, signature, b"DSSEv1 28 application/vnd.in-toto+json %d %s" % (len(payload), payload))


def open_envelope(data):
    """Return keyid, signature, payload bytes and payload."""
    envelope = parse(data, "envelope")
    require(len(envelope["signatures"]) == 1, "not exactly one signature")
    raw, signed = unbase64(envelope["payload"]), envelope["signatures"][0]
    return signed["keyid"], unbase64(signed["sig"]), raw, parse(raw, "payload")


def note_key(vkey, kind):
    """13.3, 13.6 Return name, key hash and key of a vkey: of a log (kind 1) or of a witness (kind 4)."""
    require(vkey.count("+") > 1, "not a vkey")
    name, short, encoded = vkey.split("+", 2)
    public = unbase64(encoded)
    mark = hashlib.sha256(name.encode("utf-8") + b"\n" + public).digest()[:4]
    require(name and public[:1] == bytes([kind]) and mark.hex() == short, "vkey of another algorithm or key")
    return name, mark, ed25519_key(public[1:])


def checkpoint_of(data, log, more=False):
    """Return size and root that a checkpoint of this log signs, else None; `more`: other signatures may follow."""
    text, _, rest = data.partition(b"\n\n")
    lines, words = text.split(b"\n"), rest.partition(b"\n")[0].split(b" ")
    others = rest.split(b"\n")[1:-1]
    if not all(re.fullmatch(rb"\xe2\x80\x94 [^ +\x00-\x1f]+ [A-Za-z0-9+/]+={0,2}", one) for one in others):
        return None
    if len(lines) != 3 or len(words) != 3 or not rest.endswith(b"\n") or (rest.count(b"\n") > 1 and not more):
        return None
    try:
        size, root, signature = int(lines[1]), unbase64(lines[2].decode()), unbase64(words[2].decode())
    except ValueError:
        return None
    names = lines[:2] == [log["origin"].encode(), b"%d" % size] and words[:2] == ["\u2014".encode(), lines[0]]
    if not names or not 0 < size < 2**53 or len(root) != 32:
        return None
    for key in log["keys"]:
        _, mark, public = note_key(key["vkey"], 1)
        ours = signature[:4] == mark and key["from_size"] <= size <= (
            size if key["to_size"] is None else key["to_size"]
        )
        if ours and verifies(public, signature[4:], text + b"\n"):
            return size, root
    return None


def check_members(kind, said, subjects):
    """11 Compare members and subjects that speak of one thing."""
    policy = lambda digest: (f"policies/{digest}.yaml", digest)
    require(subjects and len(dict(subjects)) == len(subjects), "no subjects, or one twice")
    if kind == "batch":
        identity = f"{said['snapshot']}-{said['table']}-{said['number']:08d}"
        name = f"data/{said['table']}/date={identity[:8]}/{identity}.parquet"
        require(said["id"] == identity and [one for one, _ in subjects] == [name], "id, members and subject")
        require((said["source"] == "") == (said["table"] == "items"), "source")
    elif kind == "sealed":
        table = said["batch"][24:-9]
        named = [f"data/{table}/date={said['batch'][:8]}/{said['batch']}.parquet"]
        require(said["id"] == said["batch"] and [one for one, _ in subjects] == named, "id, batch and subject")
        require(said["key"] == said["receipt"]["key"] == f"sealed/{said['batch']}.sealed", "key of the sealed object")
        require(said["recipients"], "no recipient")
    elif kind == "derivation":
        table, dialects = said["table"], said["dialects"]
        named = [f"derived/{table}/date={said['id'][:8]}/{said['id']}.parquet", f"reports/{dialects}/dialects.json"]
        require([one for one, _ in subjects] == named and subjects[1][1] == dialects, "id, dialects and subjects")
    elif kind == "policy":
        orders = {one["instrument"] for one in said["matters"]} - {None}
        named = all(name.startswith(f"instruments/{digest}/") for name, digest in subjects[1:])
        require(subjects[0] == policy(said["sha256"]) and named, "subjects are not the policy and its instruments")
        require({digest for _, digest in subjects[1:]} == orders, "instruments of the matters")
        ids = [one["id"].lower() for one in said["matters"]]
        require(len(set(ids)) == len(ids), "two matters of one id")
    elif kind == "snapshot":
        require(
            subjects == [policy(subjects[0][1])] and (said["status"] != "aborted" or not said["sources"]), "subject"
        )
    elif kind == "hold":
        orders = {digest for name, digest in subjects if name.startswith(f"instruments/{digest}/")}
        require(said["to"] >= said["from"] and said["instrument"] in orders, "dates or instrument")
    else:
        require(kind != "archive" or subjects == [policy(said["policy_sha256"])], "subject")
        require(kind != "receipt" or said["receipts"], "no receipts")
        if kind == "key":
            check_key(said, subjects)
    keys = {receipt["key"] for receipt in said.get("receipts", [])}
    require(keys <= dict(subjects).keys(), "a receipt for another object")


def check_key(said, subjects):
    """11.13 A statement about a key holds that key, and says since when it is not believed where it is revoked."""
    logs = said["role"] == "log"
    require(subjects == [(f"key:{said['keyid']}", said["keyid"])], "subject is not the key")
    require((said["pem"] is None) == logs == (said["vkey"] is not None), "pem or vkey, as the role wants")
    require((said["compromised_since"] is not None) == (said["action"] == "revoke"), "compromised_since and revoke")
    require(len(said["reason"]) <= 2000, "a reason of more than 2,000 characters")
    encoding, form = serialization.Encoding, serialization.PublicFormat.SubjectPublicKeyInfo
    if logs:
        found = sha256(note_key(said["vkey"], 1)[2].public_bytes(encoding.DER, form))
        require(found == said["keyid"], "the keyid of another key")
    else:
        public_key(said["pem"], said["keyid"])
