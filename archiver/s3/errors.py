"""What an S3 store, or the way to it, refuses, said in the words of the error tree.

Laws: errors are told by meaning, never by the wording of one vendor; a message names endpoint, bucket, key, operation
and request id, as the store's operator will ask for them; a missing bucket, or a 404 of a web server that is no store,
is never a missing object.

>>> s3_error(error, Subject("https://s3.example", "vault", "README.txt", "PutObject")).code
'store-denied'
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from botocore import exceptions as aws
from botocore.parsers import ResponseParserError

from archiver.errors import KeyExistsError, NotStoredError, WorldError, printable
from archiver.late import dataclass

__all__ = [
    "CONFLICTS",
    "DAMAGED",
    "NO_LOCK",
    "REFUSALS",
    "Refusal",
    "Subject",
    "asked",
    "code_of",
    "no_store",
    "s3_error",
]

Refusal = aws.ClientError | aws.BotoCoreError | ResponseParserError
REFUSALS: Final = (aws.ClientError, aws.BotoCoreError, ResponseParserError)

CONFLICTS: Final = {"ConditionalRequestConflict", "OperationAborted", "409"}
_MISSING: Final = {"NoSuchKey", "NoSuchVersion", "MethodNotAllowed"}  # the last: a delete marker, by its version id
_GETS: Final = {"HeadObject", "GetObject", "GetObjectRetention", "PutObjectRetention", "PutObjectLegalHold"}
NO_LOCK: Final = {"NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError"}
DAMAGED: Final = {"BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"}

_EXISTS: Final = {"PreconditionFailed", "412"}
_CODES: Final[dict[str, frozenset[str]]] = {
    "store-no-bucket": frozenset({"NoSuchBucket"}),
    "store-clock-skew": frozenset({"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"}),
    "store-credentials": frozenset(
        {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired"}
    ),
    "store-throttled": frozenset(
        {"SlowDown", "Throttling", "ThrottlingException", "TooManyRequests", "RequestLimitExceeded"}
        | {"ServiceUnavailable", "503", "429"}
    ),
    "store-region": frozenset(
        {
            "PermanentRedirect",
            "TemporaryRedirect",
            "AuthorizationHeaderMalformed",
            "301",
            "IllegalLocationConstraintException",
        }
    ),
    "store-full": frozenset({"QuotaExceeded", "InsufficientStorage", "507"}),
    "store-denied": frozenset({"AccessDenied", "AllAccessDisabled", "UserSuspended", "AccountProblem", "403"}),
}
_HINTS: Final[dict[str, str]] = {
    "store-no-bucket": "check the bucket's name and the endpoint; a bucket is made by its owner, with Object Lock on",
    "store-clock-skew": "set this machine's clock (chronyc tracking, timedatectl), then run the same command again",
    "store-credentials": "check the profile and its keys, or log in again (aws sso login)",
    "store-throttled": "the store asks for patience; run the same command again later",
    "store-region": "name the bucket's region with region: in the policy, or --region",
    "store-full": "raise the bucket's quota, then run the same command again",
    "store-denied": "these credentials lack a permission here; see `archiver doctor policy writer`",
    "store-unreachable": "check the endpoint, the network and the proxy, then run the same command again",
    "store-error": "run the same command again; if it stays, give the request id to the store's operator",
}
_NO_CREDENTIALS: Final = (
    aws.NoCredentialsError,
    aws.PartialCredentialsError,
    aws.CredentialRetrievalError,
    aws.ProfileNotFound,
    aws.TokenRetrievalError,
    aws.SSOError,
    aws.LoginError,
    aws.MetadataRetrievalError,
)
_NO_WAY: Final = (aws.HTTPClientError, aws.ConnectionError, aws.IncompleteReadError)


@dataclass(frozen=True)
class Subject:
    """What was asked of whom."""

    endpoint: str
    bucket: str
    key: str
    operation: str

    def __str__(self) -> str:
        """Spell it for a message."""
        return f"{self.operation} s3://{self.bucket}/{printable(self.key)} at {self.endpoint}"


@contextmanager
def asked(subject: Subject) -> Iterator[None]:
    """Turn each refusal within a block into an error of this program."""
    try:
        yield
    except REFUSALS as error:
        raise s3_error(error, subject) from error


def code_of(error: Refusal) -> str:
    """Return the store's own code, "" when there was no answer. A HEAD has only the status as its code."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, aws.ClientError) else ""


def s3_error(error: Refusal, subject: Subject) -> WorldError:
    """Return what a refusal means."""
    if not isinstance(error, aws.ClientError):
        return _no_answer(error, subject)
    found, request = code_of(error), error.response.get("ResponseMetadata", {}).get("RequestId") or "none"
    said = error.response.get("Error", {}).get("Message") or "no message"
    text = f"{subject}: {found or 'no code'}: {said} (request id {request})"
    if found in _EXISTS and subject.operation == "PutObject":
        return KeyExistsError("key-exists", text)
    if found in _MISSING and subject.operation in _GETS:
        return NotStoredError("not-stored", text)
    code = next((code for code, names in _CODES.items() if found in names), "store-error")
    return WorldError(code, text, hint=_HINTS[code])


def no_store(subject: Subject, expected: str) -> WorldError:
    """Return the error for an answer of 200 that no S3 store gives: a proxy, a portal or a web server made it."""
    return WorldError(
        "store-no-store",
        f"{subject}: expected {expected}, found an answer without, which no S3 store gives",
        hint="run the same command again; if it stays, check the endpoint and what stands before it: a proxy, a portal",
    )


def _no_answer(error: aws.BotoCoreError | ResponseParserError, subject: Subject) -> WorldError:
    code = "store-error"
    if isinstance(error, _NO_CREDENTIALS):
        code = "store-credentials"
    elif isinstance(error, _NO_WAY):
        code = "store-unreachable"
    return WorldError(code, f"{subject}: {error}", hint=_HINTS[code])
