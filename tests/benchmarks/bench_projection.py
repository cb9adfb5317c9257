"""How fast the columns of logs are derived, dialect by dialect, beside DuckDB's own JSON reader on the same lines.

    python tests/benchmarks/bench_projection.py [MB] [threads]

A row for each dialect: records and megabytes in a second, and how many times DuckDB's reader takes as long. DuckDB gets
the same bytes as a file and finds out by itself what they are; it keeps no raw, rounds, and drops lines. Of text it
reads nothing. The last row is of the lists (messages, media, attributes), which are read record by record.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import pyarrow as pa

from archiver.model.dialect_chain import parse_chain
from archiver.model.dialect_events import events_of
from archiver.model.dialect_file import load_dialects
from archiver.model.dialect_reference import derive
from archiver.model.record_lists import lists_of
from archiver.sources.dialect_chain import project_chain
from archiver.sources.dialects import Engine

WORDS = "the archive keeps what was ordered and proves it later to people who do not trust it at all".split()  # noqa: SIM905
BLOCK = 8192
SAMPLES = Path(__file__).resolve().parents[2] / "schemas" / "dialects" / "samples"
DIALECTS = (
    "openai.chat",
    "docker.json-file>openai.chat",
    "openai.responses",
    "litellm.payload",
    "otel.genai",
    "langfuse.observation",
    "json.generic",
    "http.access",
    "text.opaque",
)
READ_JSON = "SELECT * FROM read_json('{path}', format='newline_delimited', ignore_errors=true)"


def chat_lines(megabytes: float) -> list[bytes]:
    """Return lines of requests and responses, the same on every run, about 1 kB each."""
    rng = random.Random(1)
    lines: list[bytes] = []
    size = 0
    while size < megabytes * 1e6:
        number = len(lines)
        prompt, answer = (" ".join(rng.choices(WORDS, k=rng.randint(5, 80))) for _ in range(2))
        record = {
            "ts": f"2026-01-08T11:{number // 60 % 60:02d}:{number % 60:02d}.{number % 1000:03d}Z",
            "request_id": f"req_{number:08d}",
            "request": {
                "model": "grok-4",
                "messages": [{"role": "user", "content": prompt + "\n\u00e9"}],
                "temperature": 0.7,
                "max_tokens": 512,
                "user": f"u-{number % 1000}",
            },
            "response": {
                "id": f"chatcmpl-{number:x}",
                "object": "chat.completion",
                "created": 1767870461 + number,
                "model": "grok-4-0709",
                "choices": [{"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}],
                "usage": {
                    "prompt_tokens": 9,
                    "completion_tokens": 4,
                    "completion_tokens_details": {"reasoning_tokens": 0},
                },
            },
            "status": 200,
        }
        lines.append(json.dumps(record, separators=(",", ":")).encode() + b"\n")
        size += len(lines[-1])
    return lines


def lines_of(name: str, megabytes: float) -> list[bytes]:
    """Return lines of a dialect: chats, or its samples again and again, each with words of its own."""
    if name in ("openai.chat", "json.generic", "text.opaque"):
        return chat_lines(megabytes)
    if name == "docker.json-file>openai.chat":
        return [docker_line(line) for line in chat_lines(megabytes * 0.8)]
    rng = random.Random(2)
    samples = (SAMPLES / f"{name}.jsonl").read_text("utf-8").splitlines()
    lines: list[bytes] = []
    size = 0
    while size < megabytes * 1e6:
        words = " ".join(rng.choices(WORDS, k=rng.randint(5, 80)))
        lines.append(samples[len(lines) % len(samples)].replace("Bonjour", words).encode() + b"\n")
        size += len(lines[-1])
    return lines


def docker_line(line: bytes) -> bytes:
    """Return a line as Docker writes it."""
    return (
        json.dumps({"log": line.decode(), "stream": "stdout", "time": "2026-01-08T11:07:41.118443515Z"}).encode()
        + b"\n"
    )


def _best(work, runs: int = 3) -> float:
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def say(text: str) -> None:
    """Write one line."""
    sys.stdout.write(text + "\n")


def measure(name: str, lines: list[bytes], threads: int) -> str:
    """Measure one dialect and DuckDB on the same lines, and return the row of the table."""
    size = sum(map(len, lines)) / 1e6
    raw = pa.array(lines, pa.large_binary())
    blocks = [raw.slice(at, BLOCK) for at in range(0, len(raw), BLOCK)]
    chain = parse_chain(load_dialects(), name)
    assert chain is not None
    with Engine(threads=threads) as engine:
        seconds = _best(lambda: [project_chain(engine, chain, block) for block in blocks])
    return row(name, len(lines), size, seconds, None if is_text(lines) else duckdb_seconds(lines, threads))


def duckdb_seconds(lines: list[bytes], threads: int) -> float:
    """Return how long DuckDB's reader takes for the same bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.jsonl"
        path.write_bytes(b"".join(lines))
        with duckdb.connect(":memory:", config={"threads": threads}) as plain:
            return _best(lambda: plain.sql(READ_JSON.format(path=path)).to_arrow_table())


def is_text(lines: list[bytes]) -> bool:
    """Say whether a log is none of JSON lines."""
    return not lines[0].startswith(b"{")


def row(name: str, records: int, size: float, seconds: float, theirs: float | None) -> str:
    """Return a row of the table; the ratio is above 1 where DuckDB's reader takes longer."""
    ratio = "" if theirs is None else f"{size / theirs:12.1f} {theirs / seconds:8.2f}"
    return f"{name:30} {records / seconds:12,.0f} {size / seconds:8.1f} {ratio}"


def main() -> None:
    """Measure and print."""
    megabytes = float(sys.argv[1]) if len(sys.argv) > 1 else 100
    threads = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    say(f"{megabytes:.0f} MB of each, {threads} thread(s)")
    say(f"{'dialect':30} {'records/s':>12} {'MB/s':>8} {'DuckDB MB/s':>12} {'ratio':>8}")
    for name in DIALECTS:
        say(measure(name, lines_of(name, megabytes), threads))
    few = chat_lines(min(megabytes, 2))
    size = sum(map(len, few)) / 1e6
    chat = (load_dialects()["openai.chat"],)
    say(row("reference, openai.chat", len(few), size, _best(lambda: [derive(chat[0], one) for one in few]), None))
    lists = _best(lambda: [lists_of(event) for one in few for event in events_of(chat, one)])
    say(row("lists, openai.chat", len(few), size, lists, None))


if __name__ == "__main__":
    main()
