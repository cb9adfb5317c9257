"""The command line in the folder of an organisation, answering in JSON, and what its log then says."""

from __future__ import annotations

import base64
import json

from archiver.cli import run
from archiver.flows.reading import open_reading


class Shell:
    """The command line in the folder of an organisation."""

    def __init__(self, place, capsys, environ=None):
        self.place = place
        self.environ = environ or {}
        self.capsys = capsys

    def __call__(self, *arguments, policy=True):
        head = ["-p", str(self.place.root / "retention_policy.yaml")] if policy else []
        status = run(
            [*head, "--json", *map(str, arguments)],
            clock=self.place.clock,
            random=self.place.random,
            environ=self.environ,
        )
        out, err = self.capsys.readouterr()
        return status, json.loads(out), err

    def stated(self, *kinds):
        """Return the words of the statements of these kinds, in log order."""
        with open_reading(self.place.policy, None, clock=self.place.clock, listener=lambda _: None) as reading:
            return [one.predicate for _, one, _ in reading.archive.statements() if one.kind in kinds]

    def report(self, key):
        statement = json.loads((self.place.archive / key).read_bytes())
        subject = json.loads(base64.b64decode(statement["payload"]))["subject"][0]["name"]
        return json.loads((self.place.archive / subject).read_bytes())
