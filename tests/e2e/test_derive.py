"""Derived tables: old logs read with other dialects, beside the evidence; found right, wrong or not to be derived."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from archiver.cli import run
from archiver.errors import UsageError, WorldError
from archiver.events import Advanced, Stage
from archiver.flows import session
from archiver.flows.derivation.derivation import Wanted, derive
from archiver.flows.derivation.events import rederive
from archiver.flows.derive import IndexDeriver
from archiver.flows.setup import add_destinations
from archiver.flows.state import StateFolder
from archiver.judge.verify import Options, verify
from archiver.model.dialect_chain import parse_chain
from archiver.model.dialect_events import events_of
from archiver.model.dialect_file import load_dialects
from archiver.model.record_lists import lists_of
from archiver.stores.folder import FolderStore
from tests.e2e.test_destinations import TWO, down, whole
from tests.e2e.test_lost_state import lose_state

SAMPLES = Path(__file__).resolve().parents[2] / "schemas" / "dialects" / "samples"
INDEX = Options(only=frozenset({"index"}))
NEW = {
    "dialect": "acme.line",
    "version": 1,
    "title": "What a gateway of Acme writes",
    "records": "text",
    "line": {"pattern": "acme (?P<id>[a-z0-9]+) (?P<model>\\S+)"},
    "recognise": {"priority": 300, "any": [[]]},
    "columns": {
        "request_id": {"type": "string", "path": "$.id"},
        "gen_ai_request_model": {"type": "string", "path": "$.model"},
    },
}
CUT = b"""\
2026-01-08T11:07:41.1Z stdout P {"request_id":"q1","model":"gr
2026-01-08T11:07:41.2Z stderr F {"request_id":"q2"}
2026-01-08T11:07:41.3Z stdout P ok
2026-01-08T11:07:41.4Z stdout F -4"}
2026-01-08T11:07:41.5Z stdout P {"request_id":"never ended
"""
EVENTS = b'{"messageType":"DATA_MESSAGE","logGroup":"g","logStream":"s","logEvents":[%s]}\n' % b",".join(
    b'{"timestamp":1767870461118,"message":"{\\"request_id\\":\\"e%d\\"}"}' % number for number in range(3)
)
NO_EVENTS = b'{"messageType":"DATA_MESSAGE","logGroup":"g","logStream":"s","logEvents":[]}\n'


def made(place, dialects=None, *, dry_run=False, **wanted):
    place.later(minutes=1)
    return derive(
        place.policy,
        Wanted(dialects, **wanted),
        dry_run=dry_run,
        clock=place.clock,
        random=place.random,
        environ={},
        listener=place.listener,
    )


def judged(place, options=None, archive="archive", again=rederive):
    store = FolderStore(place.root / archive, location=f"./{archive}", clock=place.clock)
    derivers = {"derive": IndexDeriver(), "rederive": again} if options is INDEX else {}
    return verify(store, place.trust.read_bytes(), options=options, clock=place.clock, **derivers)


def bad(report):
    return [(one.code, one.severity, one.subject) for one in report.findings if one.severity != "note"]


def tables(place):
    files = sorted(place.archive.glob("derived/model_log_events/*/*.parquet"))
    plain = [pq.read_table(file).drop_columns("event_time") for file in files]  # no datetime holds its nanoseconds
    rows = [row for table in plain for row in table.to_pylist()]
    return sorted(rows, key=lambda row: (row["batch"], row["record"], row["event"] or 0))


@pytest.fixture
def logs(organisation):
    """An organisation with logs of several kinds: a text that nothing reads yet, cut lines, batches of events."""
    (organisation.logs / "acme.log").write_bytes(b"acme a1 grok-4\nacme a2 grok-3\n")
    (organisation.logs / "cut.log").write_bytes(CUT)
    (organisation.logs / "events.jsonl").write_bytes(EVENTS * 2 + NO_EVENTS)
    organisation.take()
    return organisation


@pytest.fixture
def acme(tmp_path):
    (tmp_path / "dialects").mkdir()
    (tmp_path / "dialects" / "acme.json").write_text(json.dumps(NEW))
    return tmp_path / "dialects"


def test_every_sample_of_every_dialect_is_derived_as_the_reference_derives_it(organisations):
    place = organisations(records=30)
    for file in SAMPLES.glob("*.jsonl"):
        if not file.name.endswith((".rows.jsonl", ".lists.jsonl")):
            (place.logs / file.name).write_bytes(file.read_bytes())
    place.take()
    done = made(place)
    assert bad(judged(place, INDEX)) == []
    found = {}
    for row in tables(place):
        found.setdefault((row["batch"], row["record"]), []).append(row)
    dialects, whole = load_dialects(), 0
    for batch in done.derived:
        evidence = pq.read_table(place.archive / f"data/model_logs/date={batch.batch[:8]}/{batch.batch}.parquet")
        for record in evidence.select(["record", "raw", "dialect"]).to_pylist():
            rows = found.pop((batch.batch, record["record"]))
            if rows[0]["records"] is not None:
                continue
            whole += 1
            wanted = list(events_of(parse_chain(dialects, rows[0]["dialect"]), record["raw"]))
            assert [row["pointer"] for row in rows] == [event.pointer for event in wanted] or not wanted
            assert [row["request_id"] for row in rows if wanted] == [event.row["request_id"] for event in wanted]
            for row, event in zip(rows, wanted, strict=False):
                assert {name: row[name] for name in lists_of(event)} == lists_of(event)
            assert rows[0]["dialect"] == record["dialect"], "with the same dialects each log is recognised as before"
    assert (found, whole > 70) == ({}, True)


def test_a_new_dialect_reads_old_lines_and_says_what_it_read(logs, acme):
    assert [row["request_id"] for row in tables(logs)] == []
    assert made(logs, acme, dry_run=True).derived[0].key is None
    assert tables(logs) == [], "a dry run writes nothing"
    before = sorted(path for path in logs.archive.rglob("data/**/*") if path.is_file())
    done = made(logs, acme)
    assert sorted(path for path in logs.archive.rglob("data/**/*") if path.is_file()) == before
    rows = [row for row in tables(logs) if row["dialect"] == "acme.line"]
    assert [(row["request_id"], row["gen_ai_request_model"]) for row in rows] == [("a1", "grok-4"), ("a2", "grok-3")]
    assert (len(done.derived), done.before, bad(judged(logs)), bad(judged(logs, INDEX))) == (1, 0, [], [])
    assert [made(logs, acme).before, len(made(logs, acme, again=True).derived), len(made(logs).derived)] == [1, 1, 1]
    logs.take()
    assert bad(judged(logs)) == [], "the next snapshot finds nothing in its way"


def test_a_cut_text_is_joined_and_a_batch_exploded_and_every_record_has_a_row_to_join_it_by(logs):
    made(logs)
    rows = tables(logs)
    cut = [row for row in rows if row["dialect"].startswith("cri.log")]
    assert [(row["content_status"], row["request_id"]) for row in cut] == [
        ("fragment", None), ("unknown", "q2"), ("fragment", None), ("unknown", "q1"), ("fragment", None),
    ]  # fmt: skip
    whole = cut[3]
    assert (whole["gen_ai_request_model"], whole["event_time_raw"]) == ("grok-4", "2026-01-08T11:07:41.1Z")
    assert whole["records"] == [cut[0]["record"], cut[2]["record"], whole["record"]]
    events = [row for row in rows if row["dialect"].startswith("aws.cloudwatch")]
    assert [(row["event"], row["pointer"], row["request_id"]) for row in events] == [
        *[(number, f"/logEvents/{number}", f"e{number}") for number in range(3)] * 2, (None, None, None),
    ]  # fmt: skip
    assert sorted({row["record"] for row in rows}) == list(range(10))
    query = f"""
        SELECT e.request_id, l.raw FROM read_parquet('{logs.archive}/derived/model_log_events/*/*.parquet') e
        JOIN read_parquet('{logs.archive}/data/model_logs/*/*.parquet', filename = true) l
        ON l.record = e.record AND parse_filename(l.filename, true) = e.batch WHERE e.event > 1"""
    found = duckdb.sql(query).fetchall()
    assert [(name, raw[:30]) for name, raw in found] == [("e2", EVENTS[:30])] * 2


def test_what_was_said_and_what_no_column_tells_is_asked_for_in_sql(logs):
    chat = '{"model":"grok-4","messages":[{"role":"user","content":"Bonjour"}],"n":2,"tier":"9223372036854775808"}'
    (logs.logs / "chat.jsonl").write_text(chat + "\n")
    logs.take()
    made(logs)
    table = f"read_parquet('{logs.archive}/derived/model_log_events/*/*.parquet')"
    said = f"SELECT m.role, p.text FROM {table} e, unnest(e.gen_ai_input_messages) a(m), unnest(m.parts) b(p)"
    assert duckdb.sql(said).fetchall() == [("user", "Bonjour")]
    rest = f"SELECT t.place, t.value_json FROM {table} e, unnest(e.attributes) a(t) WHERE t.key = 'tier'"
    assert duckdb.sql(rest).fetchall() == [("/tier", '"9223372036854775808"')]


def test_items_that_run_over_several_batches_keep_their_dialect(organisations):
    place = organisations(records=2)
    (place.logs / "usage.csv").write_text("request_id,model\n" + "".join(f"r{n},grok-4\n" for n in range(3)))
    place.take()
    made(place)
    assert [row["request_id"] for row in tables(place)] == [None, *(f"r{number}" for number in range(3))]
    assert bad(judged(place, INDEX)) == []


def test_a_verifier_that_cannot_derive_says_so_and_still_proves_the_evidence(logs, acme, monkeypatch):
    made(logs, acme)
    report = judged(logs, INDEX, again=None)
    assert [(code, severity) for code, severity, _ in bad(report)] == [("index-differs", "unknown")]
    assert (report.verdict, int(report.exit)) == ("partial", 3)

    def older(*_):
        raise UsageError("dialect-file", "dialect 7: a member of a later version")

    assert [one[:2] for one in bad(judged(logs, INDEX, again=older))] == [("index-differs", "unknown")]
    assert bad(judged(logs)) == []

    def otherwise(*arguments):
        for batch in rederive(*arguments):
            place = batch.schema.get_field_index("request_id")
            yield batch.set_column(place, batch.schema.field(place), pa.nulls(batch.num_rows, pa.string()))

    found = bad(judged(logs, INDEX, again=otherwise))
    assert {one[:2] for one in found} == {("index-differs", "failed")}
    assert "record 0, request_id" in found[0][2]


class Cut:
    """A store that answers nothing more after so many puts; with `kept` the last one was done all the same."""

    def __init__(self, inner, left, *, kept):
        self.inner, self.left, self.kept = inner, left, kept

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def put(self, *arguments, **named):
        self.left -= 1
        if self.left < 0:
            raise WorldError("store-unreachable", "the connection was cut")
        receipt = self.inner.put(*arguments, **named)
        if self.left == 0 and self.kept:
            raise WorldError("store-unreachable", "the connection was cut")
        return receipt


def test_a_run_that_is_cut_anywhere_is_finished_by_the_next_one(logs, monkeypatch):
    real = session.destination_store
    for step in range(5):  # table, dialects, statement, entry, checkpoint
        with monkeypatch.context() as patch:
            patch.setattr(session, "destination_store", lambda *one, at=step: Cut(real(*one), at, kept=at % 2 == 1))
            with pytest.raises(WorldError, match="was cut"):
                made(logs, again=True)
        assert (made(logs).before, bad(judged(logs))) == (1, []), f"step {step}"
        assert list(StateFolder(logs.policy.state).spool.iterdir()) == [], f"step {step}"
        assert len(list(logs.archive.glob("statements/derivation/*.json"))) == step + 1


@pytest.mark.parametrize(("step", "before"), [(1, 0), (3, 1)], ids=["a table", "its statement"])
def test_what_was_stored_before_the_state_was_lost_is_named_or_entered(logs, monkeypatch, step, before):
    real = session.destination_store
    with monkeypatch.context() as patch:
        patch.setattr(session, "destination_store", lambda *one: Cut(real(*one), step, kept=True))
        with pytest.raises(WorldError, match="was cut"):
            made(logs)
    lose_state(logs)
    logs.take()
    assert (made(logs).before, bad(judged(logs))) == (before, [])


def test_several_destinations_have_the_same_table_also_one_that_was_down(logs, monkeypatch):
    logs.write_policy(lambda text: text.replace("  - {id: vault, location: ./archive}\n", TWO))
    add_destinations(logs.policy, clock=logs.clock)
    logs.take()
    with monkeypatch.context() as patch:
        down(logs, patch, "second")
        done = made(logs)
        assert [one.id for one in done.left_behind] == ["second"]
    logs.take()
    assert whole(logs, "archive") == whole(logs, "second")
    assert bad(judged(logs, INDEX, archive="second")) == []


def test_what_means_nothing_is_refused_before_anything_is_done(logs, acme):
    no_column = {**NEW, "columns": {"no_such": {"type": "string", "path": "$.x"}}}
    for text, name in (("{", "acme"), (json.dumps(no_column), "acme"), (json.dumps(NEW), "twice")):
        (acme / "acme.json").write_text(json.dumps(NEW))
        (acme / f"{name}.json").write_text(text)
        with pytest.raises(UsageError) as refusal:
            made(logs, acme)
        assert refusal.value.code == "dialect-file"
    with pytest.raises(UsageError, match=r"found no \*\.json"):
        made(logs, logs.papers)
    for named in ({"sources": ("papers",)}, {"snapshots": ("x",)}, {"batches": ("x",)}):
        with pytest.raises(UsageError, match="batches of model_logs"):
            made(logs, **named)
    assert tables(logs) == []


def test_the_command_says_what_it_did_and_lists_show_it(logs, acme, capsys):
    policy = ["-p", str(logs.root / "retention_policy.yaml")]
    assert run([*policy, "--json", "derive", "--dialects", str(acme)], clock=logs.clock) == 0
    answer = json.loads(capsys.readouterr().out)
    (table,) = answer["derived"]
    assert (table["rows"], table["records"], answer["before"]) == (14, 10, 0)
    assert (logs.archive / table["key"]).stat().st_size == table["size"]
    assert run([*policy, "derive", "--dialects", str(acme)], clock=logs.clock) == 0
    assert "nothing to derive" in capsys.readouterr().out
    assert run([*policy, "list", "statements", "--kind", "derivation"], clock=logs.clock) == 0
    assert table["id"] in capsys.readouterr().out
    assert run([*policy, "-q", "show", f"derivation/{table['id']}"], clock=logs.clock) in (0, 2)


def test_the_bar_goes_on_record_by_record_and_ends_at_the_number_it_named(logs):
    heard = []
    logs.listener = heard.append
    made(logs)
    total = sum(row.records for row in made(logs, again=True).derived)
    begins = [place for place, event in enumerate(heard) if isinstance(event, Stage) and event.name == "derive"]
    assert [heard[begin].total for begin in begins] == [total, total]
    done = [event.amount for event in heard[begins[0] : begins[1]] if isinstance(event, Advanced)]
    assert sum(done) == total > 1
