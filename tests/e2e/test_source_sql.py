"""Queries as sources, on a real PostgreSQL and SQLite files: no value is bent, and no password leaves its place."""

from __future__ import annotations

import json
import sqlite3

import pytest
from other_verifiers import others_say
from postgres_server import PASSWORD

from archiver.events import silent
from archiver.flows.reading import finished_snapshot, items_of, open_reading
from archiver.flows.restore.restore import restore
from archiver.model.policy_yaml import PolicyError
from archiver.proof import canonical

SECRET = "ARCHIVER_TEST_DATABASE_PASSWORD"
VALUES = {  # type, how it is written, how it stands in the line
    "numeric": ["'NaN'", "NaN", "123456789012345678901234567890.1230", "123456789012345678901234567890.1230"],
    "float8": ["'-Infinity'", "-Infinity", "0.1", "0.1", "1e300", "1e+300"],
    "bigint": ["9223372036854775807", "9223372036854775807"],
    "integer": ["-7", -7, "NULL", None],
    "boolean": ["true", True, "false", False],
    "timestamptz": ["'infinity'", "infinity", "'2026-01-07 12:00:00.123456+02'", "2026-01-07 10:00:00.123456+00"],
    "date": ["'4713-01-01 BC'", "4713-01-01 BC"],
    "bytea": [r"'\x00ff'", r"\x00ff", "''", r"\x"],
    "json": ["""'{"b":1, "a":1e400,"a":3}'""", '{"b":1, "a":1e400,"a":3}'],
    "int[]": ["'{1,NULL,3}'", "{1,NULL,3}", "'{}'", "{}"],
    "char(4)": ["'ab'", "ab  "],
    "text": ["''", "", "E'tab\\t\\u00e9\\U0001F600'", "tab\té😀"],
    "interval": ["'1 day 2 hours'", "1 day 02:00:00"],
}


def use(place, location: str, query: str, more: str = "") -> None:
    """Make the logs of an organisation the result of a query."""
    words = f"location: {json.dumps(location)}\n    query: {json.dumps(query)}{more and chr(10)}    {more}"
    place.write_policy(lambda text: text.replace("location: ./logs", words))


def line_of(place):
    with open_reading(place.policy, None, clock=place.clock, listener=silent) as reading:
        lines = items_of(reading.archive, finished_snapshot(reading.archive, None))
        return next(line for line in lines if line.item.source == "logs")


def rows_of(place, target) -> list[dict[str, object]]:
    with open_reading(place.policy, None, clock=place.clock, listener=silent) as reading:
        restore(reading, to=target, source="logs", listener=silent)
    lines = (target / "logs" / "rows.jsonl").read_bytes().splitlines(keepends=True)
    values = [json.loads(line) for line in lines]
    assert [canonical.encode(value) + b"\n" for value in values] == lines
    return values


@pytest.fixture
def place(organisation, monkeypatch):
    (organisation.papers / "memo.txt").write_bytes(b"memo")
    monkeypatch.setenv(SECRET, PASSWORD)
    return organisation


@pytest.fixture
def asking(place, postgres):
    """An organisation whose logs are the result of a query to PostgreSQL."""
    postgres.sql(
        "DROP SCHEMA public CASCADE; CREATE SCHEMA public;"
        "CREATE TABLE chats(id int PRIMARY KEY, model text, body json);"
        """INSERT INTO chats SELECT n, 'grok-4', '{"n":1}' FROM generate_series(1, 3000) AS n"""
    )
    use(place, postgres.location, "SELECT * FROM chats ORDER BY id", f"password: env:{SECRET}")
    return place


def test_postgresql_no_value_is_bent(place, postgres, verified, tmp_path):
    selected, expected = [], {}
    for kind, words in VALUES.items():
        for number, (written, value) in enumerate(zip(words[::2], words[1::2], strict=True)):
            name = f"{kind} {number}"
            selected.append(f'({written})::{kind} AS "{name}"')
            expected[name] = value
    use(place, postgres.location, f"SELECT {', '.join(selected)}", f"password: env:{SECRET}")
    assert place.take().exit == 0
    assert rows_of(place, tmp_path / "back") == [expected]
    types = {column["name"]: column["type"] for column in line_of(place).object["columns"]}
    assert (types["char(4) 0"], types["int[] 0"]) == ("character", "integer[]")
    verified(place)
    assert others_say(place.archive, place.trust) == [(set(), 0)] * 2


def test_postgresql_the_line_says_what_was_asked_how_and_of_which_state(asking):
    assert asking.take().exit == 0
    line = line_of(asking)
    said = line.object
    assert (line.kind, line.status, line.basis, said["rows"]) == ("object", "captured", "read", 3000)
    assert said["isolation"] == "repeatable read, read only"
    assert said["query"] == "SELECT * FROM chats ORDER BY id"
    assert "public.chats" in said["plan"]
    assert said["snapshot"].count(":") == 2
    assert said["server"].startswith("PostgreSQL ")


def test_postgresql_the_same_rows_are_stored_once_and_new_ones_are_added(asking, postgres, verified):
    asking.take()
    assert (asking.take().stored_bytes, line_of(asking).status) == (0, "unchanged")
    postgres.sql("""INSERT INTO chats VALUES (3001, 'grok-4', NULL)""")
    done = asking.take()
    assert done.stored_bytes == len(b'{"body":null,"id":3001,"model":"grok-4"}\n')
    assert line_of(asking).reason == "grown"
    verified(asking)


def test_postgresql_a_query_that_would_change_something_changes_nothing(asking, postgres):
    use(asking, postgres.location, "SELECT nextval('counter') AS n", f"password: env:{SECRET}")
    postgres.sql("CREATE SEQUENCE counter; GRANT ALL ON SEQUENCE counter TO public")
    done = asking.take()
    assert (done.exit, line_of(asking).reason) == (3, "query-failed")
    assert "read-only transaction" in line_of(asking).detail
    assert postgres.sql("SELECT is_called FROM counter").strip() == "f"


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda text: text.replace("chats ORDER", "nothing ORDER"), 'relation "nothing" does not exist'),
        (lambda text: text.replace("/evidence", "/nowhere"), 'database "nowhere" does not exist'),
        (lambda text: text.replace("SELECT * FROM", "SELECT id, id FROM"), "found id more than once"),
        (lambda text: text.replace(f"env:{SECRET}", "env:NOT_SET"), "expected it in env:NOT_SET"),
        (lambda text: text.replace("reader@", "stranger@"), "password authentication failed"),
    ],
)
def test_postgresql_that_does_not_answer_is_never_fine_and_no_password_is_said(asking, capfd, edit, said):
    text = (asking.root / "retention_policy.yaml").read_text(encoding="utf-8")
    asking.write_policy(lambda _: edit(text))
    heard = []
    asking.listener = heard.append
    done = asking.take()
    assert done.exit == 3
    assert said in done.reasons[0]
    told = f"{heard}{done}{capfd.readouterr()}"
    assert PASSWORD not in told
    assert PASSWORD.encode() not in b"".join(path.read_bytes() for path in asking.root.rglob("*") if path.is_file())


def test_sqlite_no_value_is_bent(place, verified, tmp_path):
    file = place.root / "chats.db"
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE mixed(n INTEGER PRIMARY KEY, x)")
        values = [1, 2**53, -(2**63), 0.1, 1e300, float("inf"), "text\0 é", "", b"\x00\xff", b"", None]
        database.executemany("INSERT INTO mixed(x) VALUES (?)", [(value,) for value in values])
        database.execute("INSERT INTO mixed(x) VALUES (CAST(x'ff41' AS TEXT))")
    database.close()
    use(place, "sqlite://chats.db", "SELECT x FROM mixed ORDER BY n")
    assert place.take().exit == 0
    assert [row["x"] for row in rows_of(place, tmp_path / "back")] == [
        1, {"integer": "9007199254740992"}, {"integer": "-9223372036854775808"}, {"real": "0.1"},
        {"real": "1e+300"}, {"real": "inf"}, "text\0 é", "", {"blob": "AP8="}, {"blob": ""}, None, {"text": "/0E="},
    ]  # fmt: skip
    said = line_of(place).object
    assert (said["system"], said["rows"], said["columns"]) == ("sqlite", 12, [{"name": "x", "type": None}])
    assert "SCAN mixed" in said["plan"]
    verified(place)


def test_a_result_beyond_what_a_person_would_be_asked_about_is_not_kept(place):
    with sqlite3.connect(place.root / "chats.db") as database:
        numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 9000)"
        database.execute(f"CREATE TABLE chats AS {numbers} SELECT i, 'text of a chat' AS body FROM n")
    database.close()
    use(place, "sqlite://chats.db", "SELECT * FROM chats ORDER BY i")
    text = (place.root / "retention_policy.yaml").read_text(encoding="utf-8")
    place.write_policy(lambda _: text.replace("confirm_above_bytes: 100GiB", "confirm_above_bytes: 100KiB"))
    done = place.take()
    assert (done.exit, line_of(place).status, line_of(place).reason) == (3, "failed", "too-large")


def test_sqlite_is_only_read(place):
    use(place, "sqlite://missing.db", "SELECT 1 AS one")
    done = place.take()
    assert (done.exit, (place.root / "missing.db").exists()) == (3, False)
    assert any("missing.db: No such file or directory" in reason for reason in done.reasons)


@pytest.mark.parametrize(
    ("location", "more", "said"),
    [
        (
            "postgresql://reader:hunter2@db/chats",
            "",
            "expected postgresql://USER@HOST:PORT/DATABASE without",
        ),
        ("postgresql://reader@db/chats?password=hunter2", "", "expected a location without a password and its like"),
        ("sqlite://chats.db", "password: env:NAME", "a password belongs to the user of a postgresql:// location"),
        ("postgresql://reader@db/chats", "password: hunter2", "expected the place of the passphrase"),
        ("./logs", "", 'query belongs to a postgresql:// or sqlite:// location; write location: "sqlite://./logs"'),
    ],
)
def test_a_policy_holds_no_password(place, location, more, said):
    use(place, location, "SELECT 1 AS one", more)
    with pytest.raises(PolicyError) as refused:
        _ = place.policy
    assert said in str(refused.value)
    assert "hunter2" not in str(refused.value)
