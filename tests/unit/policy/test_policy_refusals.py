"""Every refusal names file, line and column, and says what to write instead."""

# ruff: noqa: E501 - a message stands on one line, as a person sees it

from __future__ import annotations

import pytest

from archiver.errors import Exit
from archiver.model.policy_reading import parse_policy
from archiver.model.policy_yaml import PolicyError


def refusals(bench, old="", new="", *, add=""):
    with pytest.raises(PolicyError) as refused:
        bench.read(old, new, add=add)
    assert refused.value.exit_status == Exit.USAGE
    assert refused.value.code == "policy-refused"
    prefix = f"{bench.path}:"
    lines = refused.value.message.split("\n")
    assert all(line.startswith(prefix) for line in lines)
    return [line.removeprefix(prefix) for line in lines]


DATE = "is read as a date, in a zone that nobody stated"
YES_NO = "is a yes or no to some readers of YAML"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"2026-01-08"', "2026-01-08",
         f'7:13: matters[0].issued: 2026-01-08 without quotes {DATE}; write "2026-01-08", or for an instant such as "2027-01-01T12:00:00Z"'),
        ('"2027-01-01T12:00:00Z"', "2027-01-01T12:00:00Z",
         f'10:21: matters[0].hold.retain_until: 2027-01-01T12:00:00Z without quotes {DATE}; write the text in quotes, an instant with its offset, such as "2027-01-01T12:00:00Z"'),
        ('"2027-01-01T12:00:00Z"', "2026-12-31 23:59:59",
         f'10:21: matters[0].hold.retain_until: 2026-12-31 23:59:59 without quotes {DATE}; write the text in quotes, an instant with its offset, such as "2027-01-01T12:00:00Z"'),
        ("legal_hold: true", "legal_hold: on",
         f'12:19: matters[0].hold.legal_hold: on without quotes {YES_NO}; write true, or "on" for the text'),
        ("legal_hold: true", "legal_hold: True",
         f'12:19: matters[0].hold.legal_hold: True without quotes {YES_NO}; write true, or "True" for the text'),
        ("title: Commission retention order, Grok", "title: NO",
         f'5:12: matters[0].title: NO without quotes {YES_NO}; write false, or "NO" for the text'),
        ("title: Commission retention order, Grok", "title: y",
         f'5:12: matters[0].title: y without quotes {YES_NO}; write true, or "y" for the text'),
        ("version: 1\n", "version: 1:30\n",
         '1:10: version: 1:30 without quotes is a number to base 60 in YAML 1.1; write a plain number such as 90, or "1:30" for the text'),
        ("version: 1\n", "version: 01\n",
         '1:10: version: 01 without quotes is a number to another base in YAML 1.1; write a plain number such as 90, or "01" for the text'),
        ("title: Commission retention order, Grok", "title: 0777",
         '5:12: matters[0].title: 0777 without quotes is a number to another base in YAML 1.1; write a plain number such as 90, or "0777" for the text'),
        ("archive: eu-dsa-grok", "archive: 1.5",
         '2:10: archive: 1.5 without quotes is a number or a special value to some readers of YAML; write a plain number such as 90, or "1.5" for the text'),
        ("archive: eu-dsa-grok", "archive: 1e3",
         '2:10: archive: 1e3 without quotes is a number or a special value to some readers of YAML; write a plain number such as 90, or "1e3" for the text'),
        ("archive: eu-dsa-grok", "archive: 2026",
         '2:10: archive: expected text, found 2026; write "2026"'),
        ("archive: eu-dsa-grok", "archive:",
         '2:9: archive: expected text, found nothing; write archive: "eu-dsa-grok"'),
        ("archive: eu-dsa-grok", "archive: &a eu-dsa-grok",
         "2:10: archive: the anchor &a is not accepted; write the value without it"),
        ("archive: eu-dsa-grok", "archive: !!str eu-dsa-grok",
         "2:10: archive: the tag tag:yaml.org,2002:str is not accepted; write the value without it"),
        ("archive: eu-dsa-grok", "archive: !!python/name:os.system eu-dsa-grok",
         "2:10: archive: the tag tag:yaml.org,2002:python/name:os.system is not accepted; write the value without it"),
        ("archive: eu-dsa-grok\n", "archive: eu-dsa-grok\narchive: other\n",
         "3:1: archive: the key archive stands here twice, first in line 2; write it once"),
        ("archive: eu-dsa-grok", '"archive": eu-dsa-grok\narchive: eu-dsa-grok',
         "3:1: archive: the key archive stands here twice, first in line 2; write it once"),
        ("archive: eu-dsa-grok\n", 'archive: "a\\0b"\n',
         "2:10: archive: expected text, found NUL or an escape of half a character; write the character itself in UTF-8"),
        ("retain_until:", "retain_untl:",
         "10:7: matters[0].hold.retain_untl: retain_untl is not a key here; write retain_until, if that was meant"),
        ("      legal_hold: true\n", "",
         "9:7: matters[0].hold.legal_hold: the key is missing; write legal_hold: true"),
        ("legal_hold: true", "legal_hold: false",
         "12:19: matters[0].hold.legal_hold: expected true, found false: a date alone would end without a release"),
        ("legal_hold: true", "legal_hold: 1",
         "12:19: matters[0].hold.legal_hold: expected true or false, found 1; write legal_hold: true"),
        ("mode: compliance", "mode: governance",
         '11:13: matters[0].hold.mode: expected compliance, found "governance": nothing weaker is accepted'),
        ("version: 1\n", "version: 2\n", "1:10: version: expected 1, found 2: this program reads version 1"),
        ("version: 1\n", "version: true\n", "1:10: version: expected a whole number, found true; write version: 1"),
        ("kind: documents", "kind: document",
         '15:11: sources[0].kind: expected documents or model_logs, found "document"; write documents'),
        ('"2027-01-01T12:00:00Z"', '"2026-12-31"',
         ('10:21: matters[0].hold.retain_until: found "2026-12-31": a day is not an instant and would lose the last day; '
         'write "2027-01-01T12:00:00Z", the end of 2026-12-31 in the last time zone')),
        ('"2027-01-01T12:00:00Z"', '"2026-12-31T24:00:00Z"',
         '10:21: matters[0].hold.retain_until: found "2026-12-31T24:00:00Z": hours go from 00 to 23; write "2027-01-01T00:00:00Z"'),
        ('"2027-01-01T12:00:00Z"', '"2026-12-31T23:59:59"',
         ('10:21: matters[0].hold.retain_until: found "2026-12-31T23:59:59": the offset is missing; '
         'write "2026-12-31T23:59:59Z" for UTC, or an offset such as +01:00')),
        ('"2027-01-01T12:00:00Z"', '"2207-01-01T12:00:00Z"',
         ("10:21: matters[0].hold.retain_until: expected at most 100 years from 2026-01-08, found 2207-01-01T12:00:00Z; "
         "a lock cannot be shortened; write the year as ordered")),
        ("archive: eu-dsa-grok", "archive: EU",
         '2:10: archive: expected 1 to 63 of a-z 0-9 . - beginning with a letter or digit, found "EU"'),
        ("id: mail", "id: my.mail",
         '14:9: sources[0].id: expected 1 to 63 of a-z 0-9 - beginning with a letter or digit, found "my.mail"'),
        ("id: logs", "id: mail",
         "19:9: sources[1].id: mail is the name in line 14 already (upper and lower case count as the same); write another name"),
        ("matters: [EU-DSA-GROK]", "matters: [EU-DSA-GROC]",
         "17:15: sources[0].matters[0]: there is no matter EU-DSA-GROC in this policy; write EU-DSA-GROK"),
        ("matters: [EU-DSA-GROK]", "matters: [EU-DSA-GROK, EU-DSA-GROK]",
         "17:28: sources[0].matters[1]: EU-DSA-GROK stands here twice; write it once"),
        ("matters: [EU-DSA-GROK]", "matters: []",
         '17:14: sources[0].matters: expected at least one entry, found none; write matters: ["EU-DSA-GROK"]'),
        ("matters: [EU-DSA-GROK]", "matters: EU-DSA-GROK",
         '17:14: sources[0].matters: expected a list, found "EU-DSA-GROK"; write matters: ["EU-DSA-GROK"]'),
        ('include: ["**"]', "include: mail/*",
         '18:14: sources[0].include: expected a list, found "mail/*"; write include: ["mail/*"]'),
        ('include: ["**"]', 'include: ["/mail/**"]',
         '18:15: sources[0].include[0]: found "/mail/**": globs are relative to the location; write "mail/**"'),
        ('include: ["**"]', 'include: ["**"]\n    modified: {}',
         "19:5: sources[0].modified: expected since, before or both, found neither; write a time, or leave it out"),
        ('include: ["**"]', 'include: ["**"]\n    modified: {since: "2026-01-01T00:00:00Z", before: "2026-01-01T00:00:00Z"}',
         "19:5: sources[0].modified: nothing is since and before these times; write since the earlier of the two"),
        ('include: ["**"]', 'include: ["**"]\n    event_time: {since: "2026-01-01T00:00:00Z"}',
         "19:5: sources[0].event_time: documents have no events, only records of model_logs have; write modified, for the time of a file"),
        ('include: ["**"]', 'include: ["**"]\n    only_custodians: [Roe]',
         "19:23: sources[0].only_custodians[0]: there is no custodian Roe at this source; write one of `custodians`, with paths"),
        ('include: ["**/*.jsonl"]', 'include: ["**"]\n    known_hashes: [{list: l.sha256, reason: known}]',
         "24:5: sources[1].known_hashes: a log is never passed over by its hash: it grows; write a source of documents"),
        ('include: ["**"]', 'include: ["**"]\n    where: {gen_ai_request_model: ["grok-*"]}',
         "19:13: sources[0].where.gen_ai_request_model: documents have no records to select, only model_logs have; write the source without `where`"),
        ('include: ["**/*.jsonl"]', 'include: ["**"]\n    where: {gen_ai_request_modell: ["grok-*"]}',
         "24:13: sources[1].where.gen_ai_request_modell: expected a column of model_logs, found gen_ai_request_modell; write gen_ai_request_model"),
        ('include: ["**/*.jsonl"]', 'include: ["**"]\n    where: {parse_status: [ok]}',
         "24:13: sources[1].where.parse_status: parse_status selects nothing: what could not be read is always kept; write `where` without it"),
        ('include: ["**/*.jsonl"]', 'include: ["**"]\n    where: {user_id: []}',
         "24:22: sources[1].where.user_id: expected at least one entry, found none"),
        ('include: ["**/*.jsonl"]', 'include: ["**"]\n    where: {user_id: ["[b-a]"]}',
         '24:23: sources[1].where.user_id[0]: found "[b-a]": its [ ] is no set of characters; write [[] for the character itself'),
        ('include: ["**/*.jsonl"]', 'include: ["**"]\n    keywords: ["grok(?=x)"]',
         '24:16: sources[1].keywords[0]: found "grok(?=x)", which is no regular expression: invalid perl operator: (?=; write it in the dialect of RE2: no look-around, no back references'),
        ('include: ["**/*.jsonl"]', 'include: ["**"]\n    keywords: ["x*"]',
         '24:16: sources[1].keywords[0]: found "x*", which is found in every text; write what must be there at least'),
        ('include: ["**/*.jsonl"]', 'include: ["**"]\n    keywords: [""]',
         '24:16: sources[1].keywords[0]: expected a regular expression of 1 to 1024 characters, found ""'),
        ('include: ["**"]', 'include: ["**"]\n    dialect: auto',
         "19:14: sources[0].dialect: documents have no dialect, only model_logs have; write the source without it"),
        ('include: ["**/*.jsonl"]', 'include: ["**"]\n    dialect: OpenAI',
         '24:14: sources[1].dialect: expected auto, or the name of a dialect in a-z 0-9 . _ -, found "OpenAI"'),
        ("./evidence/mail", "s3://Bucket",
         '16:15: sources[0].location: expected s3://bucket/prefix, found "s3://Bucket"; write "s3://my-bucket/eu-dsa-grok"'),
        ("./evidence/mail", "./evidence/mail\n    profile: reader",
         "17:14: sources[0].profile: profile belongs to an s3:// location; write it left out"),
        ("./evidence/mail", "https://intranet/mail",
         "16:15: sources[0].location: expected a path, file:// or s3://, found https://; write a folder, as a path or file://"),
        ("./evidence/mail", "file://server/mail",
         '16:15: sources[0].location: expected file:///absolute/path, found "file://server/mail"; write "file:///srv/evidence"'),
        ("./archive", "s3://B",
         '26:15: destinations[0].location: expected s3://bucket/prefix, found "s3://B"; write "s3://my-bucket/eu-dsa-grok"'),
        ("./archive", "gs://bucket/x",
         '26:15: destinations[0].location: expected a path, file:// or s3://, found gs://; write "./archive"'),
        ("    location: ./archive\n", "    location: ./archive\n    region: eu-west-1\n",
         "27:13: destinations[0].region: region belongs to an s3:// location; write it left out"),
    ],
)  # fmt: skip
def test_one_wrong_value_is_one_line(bench, old, new, message):
    assert refusals(bench, old, new) == [message]


@pytest.mark.parametrize(
    ("add", "message"),
    [
        ("timestamps: {required: 1}\n",
         "27:24: timestamps.required: expected at most the 0 authorities that are named, found 1; write more authorities, or a smaller number"),
        ('timestamps: {authorities: [{url: "tsa.example.com", roots: r.pem}]}\n',
         '27:34: timestamps.authorities[0].url: expected an address http:// or https://, found "tsa.example.com"'),
        ('keys: {statement: "gcpkms:a"}\n',
         '27:19: keys.statement: expected file:, pkcs11: or awskms:, found gcpkms:; write "file:keys/statement.pem"'),
        ('keys: {statement: "pkcs11:token=a;object=b?module-path=/m.so&pin-value=4711"}\n',
         "27:19: keys.statement: expected the place of the PIN, never the PIN itself; write pin-source=env:NAME"),
        ("keys: {statement: keys/a.pem}\n",
         '27:19: keys.statement: expected a key URI, found "keys/a.pem"; write "file:keys/a.pem"'),
        ('keys: {statement: "file:keys/../keys/log.pem"}\n',
         '27:7: keys.log: expected two keys, found one: the log key is used for nothing else; write "file:keys/log.pem"'),
        ("keys: {passphrase: hunter2}\n",
         "27:20: keys.passphrase: expected the place of the passphrase, never the passphrase itself; write env:NAME or file:PATH"),
        ("limits: {batch_raw_bytes: 512MB}\n",
         '27:27: limits.batch_raw_bytes: expected a size, found "512MB"; write 512MiB (MB is read in two ways, so it is not accepted)'),
        ("limits: {batch_raw_bytes: 5GiB}\n",
         "27:27: limits.batch_raw_bytes: expected 1 to 4294967296 bytes (one put takes no more), found 5368709120; write 512MiB"),
        ("limits: {batch_records: 2_000}\n",
         ('27:25: limits.batch_records: 2_000 without quotes is a number or a special value to some readers of YAML; '
         'write a plain number such as 90, or "2_000" for the text')),
        ("expected_every_hours: 0\n",
         "27:23: expected_every_hours: input should be greater than or equal to 1, found 0"),
        ('accept: [{glob: "a", reason: "b", until: "2026-06-30"}]\n',
         ('27:42: accept[0].until: found "2026-06-30": a day is not an instant and would lose the last day; '
         'write "2026-07-01T12:00:00Z", the end of 2026-06-30 in the last time zone')),
        ('sensitive: [{mark: secret, reason: r, handling: mark, paths: ["a"]}]\n',
         '27:20: sensitive[0].mark: expected csam_suspected, ncii_suspected, personal or privileged, found "secret"'),
        ("sensitive: [{mark: personal, reason: r, handling: mark}]\n",
         "27:13: sensitive[0]: expected one of paths, hashes, where, moderation, found none; write one of them; a second rule takes the other"),
        ('sensitive: [{mark: personal, reason: r, handling: mark, paths: ["a"], hashes: b}]\n',
         "27:13: sensitive[0]: expected one of paths, hashes, where, moderation, found paths and hashes; write one of them; a second rule takes the other"),
        ('sensitive: [{mark: personal, reason: r, handling: mark, paths: ["a"], sources: [post]}]\n',
         "27:81: sensitive[0].sources[0]: there is no source post in this policy; write one of mail, logs"),
        ("on: 1\n", '27:1: on: on without quotes is a yes or no to some readers of YAML; write "on"'),
        ("<<: {state: x}\n", "27:1: <<: merge keys are not accepted; write the keys themselves"),
        ("? [a, b]\n: c\n", "27:3: ?: expected text as a key, found something else"),
        ("---\nversion: 1\n", "27:1: expected one document, found a second one; write one policy per file"),
        ("stat: x\n", "27:1: stat: stat is not a key here; write state, if that was meant"),
        ("zzz: x\n",
         ("27:1: zzz: zzz is not a key here; write one of version, archive, matters, sources, destinations, keys, "
         "timestamps, limits, expected_every_hours, accept, sensitive, reasons, state")),
        ("keys: [\n", "28:1: not YAML: while parsing a flow node, expected the node content, but found '<stream end>'"),
        ("keys: {a: *b}\n", "27:11: keys.a: the alias *b is not accepted; write the value itself, or the text in quotes"),
        ("state: " + "[" * 40 + "]" * 40 + "\n", "27:24: nesting: expected at most 16 levels, found more"),
        ("state: **/x\n", ("27:9: not YAML: while scanning an alias, expected alphabetic or numeric character, but found '*'; "
         'write "**/x", with quotes')),
        ("\tstate: x\n", ("27:1: not YAML: while scanning for the next token, found character '\\t' that cannot start any token; "
         "write spaces where there is a tab")),
        ("state: \x07\n", "27:8: not YAML: expected printable characters, found U+0007; write it as an escape in double quotes"),
    ],
)  # fmt: skip
def test_one_wrong_key_is_one_line(bench, add, message):
    found = refusals(bench, add=add)
    assert message in found
    assert len(found) <= 2


@pytest.mark.parametrize(
    ("add", "message"),
    [
        ('  - {id: second, location: "./archive/second"}\n',
         "27:28: destinations[1].location: it and the destination "),
        ("  - {id: VAULT, location: ./second}\n", "27:10: destinations[1].id: expected 1 to 63 of a-z 0-9 -"),
        ("  - {id: vault, location: ./second}\n", "27:10: destinations[1].id: vault is the name in line 25 already"),
        ("  - {id: one, location: s3://bucket/a}\n  - {id: two, location: s3://bucket/b}\n",
         "28:25: destinations[2].location: the bucket bucket is the destination in line 27 already"),
        ("  - {id: second, location: ./second, read_back: half}\n",
         '27:49: destinations[1].read_back: expected head or full, found "half"'),
    ],
)  # fmt: skip
def test_destinations_are_apart(bench, add, message):
    (line,) = refusals(bench, add=add)
    assert line.startswith(message)


@pytest.mark.parametrize(
    ("old", "new", "add", "message"),
    [
        ("./evidence/mail", "./archive/data", "", "16:15: sources[0].location: the source lies inside the archive"),
        ("./evidence/mail", "./archive", "", "16:15: sources[0].location: the source lies inside the archive"),
        ("./archive", "./evidence/mail/archive", "",
         "16:15: sources[0].location: the archive lies inside this source, which would take itself"),
        ("./evidence/mail", ".", "",
         "16:15: sources[0].location: the archive lies inside this source, which would take itself"),
        ("./evidence/mail", "./.archiver/spool", "", "16:15: sources[0].location: the source lies inside the state folder"),
        ("", "", "state: ./evidence/mail/.state\n",
         "16:15: sources[0].location: the state folder lies inside this source, which would take itself"),
        ("", "", "state: ./archive/.state\n",
         "26:15: destinations[0].location: the archive and the state folder lie in each other"),
        ("", "", 'keys: {log: "file:evidence/logs/log.pem"}\n', "27:13: keys.log: the private log key lies inside the source"),
        ("", "", 'keys: {log: "pkcs11:token=a;object=b?module-path=/m.so&pin-source=file:archive/pin"}\n',
         "27:13: keys.log: the PIN lies inside the archive"),
        ("", "", 'keys: {log: "file:archive/log.pem"}\n', "27:13: keys.log: the private log key lies inside the archive"),
        ("", "", 'keys: {passphrase: "file:evidence/mail/p"}\n',
         "27:20: keys.passphrase: the passphrase lies inside the source"),
    ],
)  # fmt: skip
def test_nothing_archives_itself_or_a_secret(bench, old, new, add, message):
    assert any(line.startswith(message) for line in refusals(bench, old, new, add=add))


def test_an_archive_behind_a_link_into_a_source_is_found(bench):
    folder = bench.path.parent
    (folder / "evidence/mail/deep").mkdir(parents=True)
    (folder / "archive").symlink_to("evidence/mail/deep")
    assert "the archive lies inside this source" in refusals(bench)[0]


def test_two_sources_may_overlap(bench):
    assert len(bench.read("./evidence/mail", "./evidence").sources) == 2


def test_all_problems_are_told_at_once_in_the_order_of_the_file(bench):
    found = refusals(
        bench, "archive: eu-dsa-grok\n", "archive: EU\nstat: 1\n", add="limits: {snapshot_bytes: 1GB}\nx: on\n"
    )
    assert [line.split(":")[0] for line in found] == ["2", "3", "28", "29"]


def test_a_refused_value_is_not_refused_twice(bench):
    assert len(refusals(bench, "legal_hold: true", "legal_hold: yes")) == 1


def test_a_file_with_countless_problems_names_fifty(bench):
    found = refusals(bench, add="".join(f"k{number}: x\n" for number in range(80)))
    assert len(found) == 51
    assert found[-1] == " and 30 more"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "1:1: expected a policy, found an empty file"),
        (b"# only a comment\n", "2:1: expected a policy, found an empty file"),
        (b"- a\n", "1:1: expected a group of keys, found a list"),
        (b"just words\n", '1:1: expected a group of keys, found "just words"'),
        (b"version: 1\n  archive: \xff\n", "2:12: encoding: expected UTF-8, found the byte FF; write the file with the encoding UTF-8"),
        ("version: 1".encode("utf-16"), "1:1: encoding: expected UTF-8, found the byte FF; write the file with the encoding UTF-8"),
        (b"a: 1\n" * 300_000, "1:1: expected at most 1048576 bytes, found 1500000"),
        (b'a: "\\UFFFFFFFF"\n', None),
        (b"\tversion: 1\n", None),
        (b"%YAML 1.1\n---\n- a\n", None),
        (b"{" * 5000, None),
    ],
)  # fmt: skip
def test_a_file_that_is_no_policy_is_refused(bench, text, message):
    with pytest.raises(PolicyError) as refused:
        parse_policy(text, bench.path)
    if message is not None:
        assert refused.value.message == f"{bench.path}:{message}"


def test_rules_that_would_not_fit_into_a_statement_are_refused(bench):
    rules = "".join(f'      - {{glob: "folder-{n}/**", reason: "{"because " * 20}"}}\n' for n in range(150))
    (line,) = refusals(bench, '    include: ["**"]\n', f'    include: ["**"]\n    exclude:\n{rules}')
    assert line.startswith(
        "14:5: sources[0]: expected at most 24576 bytes of locations, excludes and custodians in all"
    )
