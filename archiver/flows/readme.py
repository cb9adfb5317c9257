"""The README of an archive: what it is, and how to check it by hand with openssl and a shell."""

from __future__ import annotations

from archiver import __version__
from archiver.flows.writing import Session
from archiver.model.instant import format_instant

__all__ = ["readme"]


def readme(session: Session) -> bytes:
    """Return the README of an archive: what it is, and how to check it by hand."""
    until = format_instant(session.retain_until())
    return f"""This folder is an evidence archive. Keep everything in it as it is, at least until {until}.

archive   {session.policy.archive}
log       {session.origin}
written by archiver {__version__}, archive format 1

What is here

  data/         the evidence, as Parquet files: every row holds exact bytes (raw) of an item at an offset
  derived/      what dialects read in logs once more; made from data/, and no evidence
  statements/   signed facts about the evidence (DSSE envelopes around in-toto statements)
  log/          the append-only log of all statements: entries, signed checkpoints, tiles
  policies/     the retention policies that were in force; instruments/ the orders behind them

How to verify all of it

  archiver verify --archive THIS_FOLDER --trust trust.json

The trust file comes from the operator by another way than this archive; nothing found in here is trusted.

How to check one batch by hand, in a folder of your own: A is the path of this one

  1. Take $A/statements/batch/ID.json. Its payload is base64:        jq -j .payload ID.json | base64 -d > payload
  2. Check the signature over the pre-authentication encoding:
       T=application/vnd.in-toto+json
       {{ printf 'DSSEv1 %d %s %d ' ${{#T}} $T $(wc -c < payload); cat payload; }} > pae
       jq -j '.signatures[0].sig' ID.json | base64 -d > sig
       openssl dgst -sha256 -verify key.pem -signature sig pae
     key.pem is the statement key of the trust file, never one from this archive.
  3. Compare the evidence with subject.digest.sha256 of the payload:      sha256sum $A/data/TABLE/date=DATE/ID.parquet

How to check its place in the log

  4. Find the entry that names it:      grep -l 'statements/batch/ID.json' $A/log/entries/*
     It must end with the SHA-256 of the statement:      sha256sum $A/statements/batch/ID.json
  5. Check the newest checkpoint, three lines and a signature. VKEY is the log's key in the trust file.
       {{ printf '\\060\\052\\060\\005\\006\\003\\053\\145\\160\\003\\041\\000'
         printf %s "$VKEY" | sed 's/^[^+]*+[^+]*+//' | base64 -d | tail -c 32; }} |
         openssl pkey -pubin -inform DER -out log.pem
       f=$A/log/checkpoints/SIZE
       sed '/^$/,$d' $f > text
       tail -n 1 $f | sed 's/.* //' | base64 -d | tail -c 64 > sig
       openssl pkeyutl -verify -pubin -inkey log.pem -rawin -in text -sigfile sig
  6. The third line is the root of the tree over the entries below SIZE (RFC 6962 section 2.1, in base64).
     `verify.sh` of an auditor's kit (archiver audit-kit) computes it with openssl alone.

How to check when it was there

  7. A timestamp over a checkpoint proves all entries below its size; root.pem is the authority's, in the trust file:
       openssl ts -verify -data $A/log/checkpoints/SIZE -in $A/timestamps/SIZE/NAME.tsr -CAfile root.pem
     When its certificates have ended since, add -attime and the token's own time in seconds since 1970.

The format is published with the program as schemas/FORMAT.md.
""".encode()
