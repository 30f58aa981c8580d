"""Temporary keys for a part of a bucket, from the server's token service (STS).

Amazon gives them by GetFederationToken or, with a role, by AssumeRole; MinIO and Ceph by
AssumeRole. Backblaze B2 and Cloudflare R2 have no token service.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tui.base.formatting import duration
from tui.destinations.common.errors import PublishError, Trouble
from tui.destinations.s3.client import make_client
from tui.destinations.s3.errors import explain
from tui.destinations.s3.profile import S3Keys, S3Profile
from tui.replicate.known_secrets import KNOWN
from tui.replicate.secret import Secret
from tui.settings import NetworkSettings

_ANY_ROLE: Final = "arn:aws:iam::000000000000:role/staged-data"
"""MinIO requires the parameter and ignores its value."""
_NO_SERVICE_STATUS: Final = frozenset({"400", "404", "405", "501"})
_KEYS_REFUSED: Final = frozenset({"ExpiredToken", "InvalidToken", "RequestExpired"})
_NOT_ALLOWED: Final = frozenset({"AccessDenied", "NoSuchEntity"})
_TOO_LONG: Final = frozenset({"ValidationError", "InvalidArgument", "InvalidParameterValue"})
_TOO_LARGE: Final = "PackedPolicyTooLarge"
"""Amazon packs a policy and its tags into a limited space (documentation of GetFederationToken)."""
_SHORTEST: Final = timedelta(minutes=15)
"""The least that AWS gives (https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html)."""
_ELSEWHERE: Final = "Stage to the Hub or to this machine instead."


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """Temporary keys.

    Attributes:
        keys: the key pair with its session token.
        expires_at: when they end.
    """

    keys: S3Keys
    expires_at: datetime = field(compare=False)


def prefix_policy(bucket: str, prefix: str) -> str:
    """Return a policy that allows to list, read and write below a prefix, and nothing else.

    Blanks in it are escaped: Ceph 16 reads them as plus signs.

    Raises:
        PublishError: the prefix has characters that a policy takes for wildcards.
    """
    if set(prefix) & set("*?$"):
        raise PublishError(
            f"The folder {prefix} has characters that mean any text in rights to a bucket.",
            f"Use a destination whose prefix has no *, ? or $. {_ELSEWHERE}",
            Trouble.NAME,
        )
    arn = f"arn:aws:s3:::{bucket}"
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["s3:ListBucket"],
                "Resource": [arn],
                "Condition": {"StringLike": {"s3:prefix": [f"{prefix}*"]}},
            },
            {
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:PutObject"],
                "Resource": [f"{arn}/{prefix}*"],
            },
        ],
    }
    return json.dumps(policy, separators=(",", ":")).replace(" ", r"\u0020")


def session_keys(
    profile: S3Profile,
    keys: S3Keys,
    network: NetworkSettings,
    *,
    name: str,
    prefix: str,
    life: timedelta,
) -> SessionKeys:
    """Get temporary keys for a prefix of a bucket. Blocking.

    Args:
        profile: the bucket.
        keys: the user's keys, which stay here.
        network: the network settings.
        name: the session's name in the server's logs.
        prefix: the start of the keys that may be listed, read and written.
        life: how long the keys must work.

    Raises:
        PublishError: the server has no token service, the keys may not use it, or it gives no keys
            of that life.
    """
    wanted = max(life, _SHORTEST)
    common: dict[str, Any] = {
        "Policy": prefix_policy(profile.bucket, prefix),
        "DurationSeconds": int(wanted.total_seconds()),
    }
    try:
        client = make_client(profile, keys, network, service="sts")
        with contextlib.closing(client):
            if profile.is_aws and not profile.data_role:
                answer = client.get_federation_token(Name=name[:32], **common)
            else:
                answer = client.assume_role(
                    RoleArn=profile.data_role or _ANY_ROLE, RoleSessionName=name[:64], **common
                )
            given = answer["Credentials"]
            KNOWN.add(given["SecretAccessKey"], given["SessionToken"])
            expires_at = given["Expiration"].astimezone(UTC)
            result = SessionKeys(
                S3Keys(
                    given["AccessKeyId"],
                    Secret(given["SecretAccessKey"]),
                    Secret(given["SessionToken"]),
                ),
                expires_at,
            )
    except KeyError:
        raise _no_service(profile) from None
    except Exception as error:
        raise _refusal(error, profile, wanted) from error
    if expires_at < datetime.now(UTC) + life - timedelta(minutes=1):
        raise _too_short(profile, wanted)
    return result


def _refusal(error: Exception, profile: S3Profile, wanted: timedelta) -> PublishError:
    answer = getattr(error, "response", None)
    if not isinstance(answer, dict):
        return explain(error, profile)
    # Ceph writes the code of a refused token at the top of its answer.
    code = str(answer.get("Code") or answer.get("Error", {}).get("Code", ""))
    status = str(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
    if code == _TOO_LARGE:
        return PublishError(
            f"The prefix in {profile.bucket} is too long for temporary keys, which are limited to "
            "it.",
            f"Use a destination with a shorter prefix. {_ELSEWHERE}",
            Trouble.NAME,
        )
    if code in _TOO_LONG:
        return _too_short(profile, wanted)
    unnamed = not code or code == "Unknown" or code.isdecimal()
    if code in _NOT_ALLOWED or (unnamed and status == "403"):
        action = "sts:AssumeRole" if profile.data_role else "sts:GetFederationToken"
        return PublishError(
            f"The keys of {profile.bucket} may not make temporary keys.",
            f"Allow them {action}, or name a role that they may assume (data_role). {_ELSEWHERE}",
            Trouble.PERMISSION,
        )
    if status in _NO_SERVICE_STATUS and not profile.is_aws and code not in _KEYS_REFUSED:
        return _no_service(profile)
    return explain(error, profile)


def _no_service(profile: S3Profile) -> PublishError:
    place = profile.endpoint or "Amazon S3"
    return PublishError(
        f"{place} gives no temporary keys, and lasting ones are not sent: the trainer prints them "
        "into its log.",
        _ELSEWHERE,
        Trouble.REFUSED,
    )


def _too_short(profile: S3Profile, wanted: timedelta) -> PublishError:
    return PublishError(
        f"The server gives no temporary keys for {duration(wanted.total_seconds())}, which the "
        "wait in the queue and the reading of the data may take.",
        f"Let the role's sessions be longer ({profile.data_role or 'its longest session'}). "
        f"{_ELSEWHERE}",
        Trouble.REFUSED,
    )
