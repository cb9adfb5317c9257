"""How fast the columns of a log are derived, beside DuckDB's own JSON reader on the same lines.

    python tests/benchmarks/bench_projection.py [MB] [threads]

DuckDB's reader gets the same file and is asked for as many typed columns; it keeps no raw, rounds, and drops lines.
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

from archiver.model.dialect_file import load_dialects
from archiver.model.dialect_reference import derive
from archiver.sources.dialects import Engine

WORDS = "the archive keeps what was ordered and proves it later to people who do not trust it at all".split()  # noqa: SIM905
BLOCK = 8192
READ_JSON = """SELECT ts, request_id, request.model, request.temperature, request.max_tokens, request.user, response.id,
 response.model, response.object, response.created, response.choices[1].finish_reason, response.usage.prompt_tokens,
 response.usage.completion_tokens, response.usage.completion_tokens_details.reasoning_tokens, status
 FROM read_json('{path}', format='newline_delimited', columns={{ts: 'VARCHAR', request_id: 'VARCHAR', status: 'BIGINT',
 request: 'STRUCT(model VARCHAR, temperature DOUBLE, max_tokens BIGINT, "user" VARCHAR)',
 response: 'STRUCT(id VARCHAR, model VARCHAR, object VARCHAR, created BIGINT, choices STRUCT(finish_reason VARCHAR)[],
 usage STRUCT(prompt_tokens BIGINT, completion_tokens BIGINT,
 completion_tokens_details STRUCT(reasoning_tokens BIGINT)))'}})"""


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


def main() -> None:
    """Measure and print."""
    megabytes = float(sys.argv[1]) if len(sys.argv) > 1 else 100
    threads = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    lines = chat_lines(megabytes)
    size = sum(map(len, lines)) / 1e6
    raw = pa.array(lines, pa.large_binary())
    blocks = [raw.slice(at, BLOCK) for at in range(0, len(raw), BLOCK)]
    dialects = load_dialects()
    with tempfile.TemporaryDirectory() as folder, Engine(threads=threads) as engine:
        path = Path(folder) / "log.jsonl"
        path.write_bytes(b"".join(lines))
        with duckdb.connect(":memory:", config={"threads": threads}) as plain:
            reader = size / _best(lambda: plain.sql(READ_JSON.format(path=path)).to_arrow_table())
        say(f"{size:.0f} MB, {len(lines)} lines of {1e6 * size / len(lines):.0f} B, {threads} thread(s)")
        say(f"{'duckdb read_json':24} {reader:7.1f} MB/s")
        for name in ("openai.chat", "json.generic", "text.opaque"):
            dialect = dialects[name]
            speed = size / _best(lambda d=dialect: [engine.project(d, block) for block in blocks])
            say(f"{name:24} {speed:7.1f} MB/s  ratio {speed / reader:.2f}")
        few = lines[:2000]
        slow = sum(map(len, few)) / 1e6 / _best(lambda: [derive(dialects["openai.chat"], one) for one in few])
        say(f"{'reference, openai.chat':24} {slow:7.1f} MB/s  ratio {slow / reader:.2f}")


if __name__ == "__main__":
    main()
