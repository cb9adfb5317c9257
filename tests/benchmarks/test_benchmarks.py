"""The benchmarks run, on hardly anything, and what they print has its form; how fast it was does not matter here."""

from __future__ import annotations

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

BENCH = Path(__file__).with_name("bench.py")
sys.path.insert(0, str(BENCH.parent))

from corpora import make  # noqa: E402 - the benchmarks are no package


def digest(folder: Path) -> str:
    found = sha256()
    for place in sorted(folder.rglob("*")):
        found.update(str(place.relative_to(folder)).encode())
        if place.is_file():
            found.update(place.read_bytes())
    return found.hexdigest()


def bench(*arguments: str | Path) -> None:
    done = subprocess.run([sys.executable, BENCH, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    peers = ["--only", "archiver", "--only", "cp"]
    bench("run", "mixed", "--scale", "0.0005", "--rounds", "1", *peers, "--below", folder, "-o", folder / "run.json")
    line = ["--base", "0.0005", "--rounds", "1", "--job", "first"]
    bench("line", "mixed", *line, "--below", folder, "-o", folder / "line.json")
    return folder


def test_a_contest_tells_seconds_ratios_machine_and_versions(results):
    (told,) = json.loads((results / "run.json").read_text())
    assert told["format"] == "archiver-benchmark-1"
    assert told["kind"] == "contest"
    assert {"processor", "cores", "memory_gib", "system", "load"} == told["machine"].keys()
    assert {"sha256_mb", "zstd_3_mb", "unzstd_mb", "records_k"} == told["limits"].keys()
    assert min(told["limits"].values()) > 0
    assert {"archiver", "python"} <= told["versions"].keys()
    assert told["corpus"]["files"] == 9
    assert list(told["results"]) == ["archiver", "cp"]
    assert list(told["results"]["archiver"]["jobs"]) == ["first", "unchanged", "verify", "restore"]
    assert list(told["results"]["cp"]["jobs"]) == ["first", "verify", "restore"]
    assert list(told["ratios"]["cp"]) == ["first", "verify", "restore"]
    for result in told["results"].values():
        assert result["stored_bytes"] > 0
        for job in result["jobs"].values():
            assert len(job["wall_s"]["all"]) == 1
            assert job["wall_s"]["median"] > 0
            assert job["beside_s"]["median"] >= 0
            assert job["rss_mib"] > 0


def test_a_line_tells_three_points_and_how_far_they_are_from_it(results):
    (told,) = json.loads((results / "line.json").read_text())
    assert told["kind"] == "line"
    assert [point["factor"] for point in told["points"]] == [1, 4, 16]
    assert told["points"][2]["corpus"]["files"] > told["points"][0]["corpus"]["files"]
    assert {"begin_s", "s_per_gb", "residual", "growth"} == told["lines"]["first"]["cpu_s"].keys()


@pytest.mark.parametrize("name", ["mixed", "small", "big", "chat"])
def test_a_corpus_is_the_same_wherever_it_is_made(tmp_path, name):
    one, other = (make(name, tmp_path / place, scale=0.0002) for place in ("one", "other"))
    assert digest(one.path) == digest(other.path)
    assert (one.files, one.bytes) == (other.files, other.bytes)
    assert one.bytes > 0


def test_results_and_lines_become_one_picture(results):
    bench("picture", results / "run.json", results / "line.json", "-o", results / "speed.svg")
    drawn = ET.parse(results / "speed.svg").getroot()
    words = [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert any(word.startswith("mixed: 9 files") for word in words)
    assert any("off a straight line" in word for word in words)
