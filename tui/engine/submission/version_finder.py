"""Finds the trainer's version that a draft would run on, and whether the token is taken."""

from __future__ import annotations

import time
from typing import Final

from tui.base.errors import RefusedError
from tui.engine.credentials.replicate_clients import ReplicateClients
from tui.engine.credentials.token_judge import BAD, judge
from tui.engine.submission.draft import Draft
from tui.engine.submission.model_catalog import Choice, ModelCatalog
from tui.engine.submission.release_profiles import ReleaseProfiles
from tui.replicate.errors import ReplicateError
from tui.replicate.secret import Secret
from tui.simpletuner.checks.checks import Check, State
from tui.simpletuner.request.hardware import HardwareProfile

TOKEN_PROVED_SECONDS: Final = 30.0
"""Seconds for which a check that does not ask counts a token as valid."""


class VersionFinder:
    """Asks Replicate, or tells what is known without asking."""

    def __init__(
        self, clients: ReplicateClients, catalog: ModelCatalog, releases: ReleaseProfiles
    ) -> None:
        self._clients = clients
        self._catalog = catalog
        self._releases = releases
        self._proved_tokens: dict[str, tuple[float, tuple[Secret, str] | None]] = {}

    async def find(
        self,
        api_base: str,
        draft: Draft,
        profile: HardwareProfile,
        findings: list[Check],
        *,
        ask: bool,
    ) -> Choice | None:
        """Return the version; None when there is none, or nobody has told yet.

        Args:
            api_base: the API that would run the job.
            draft: the request.
            profile: its hardware.
            findings: what is found about token and version is added to them.
            ask: whether Replicate is asked; else what is not known is `asking`.
        """
        choice: Choice | None
        fresh = True
        try:
            client = await self._clients.get(api_base)
            token = (await self._clients.token(api_base)).secret
            proved_at, owner = self._proved_tokens.get(api_base, (0.0, None))
            if ask:
                username = (await client.account()).username
                self._proved_tokens[api_base] = (time.monotonic(), (token, username))
                findings.append(Check("token", "ok", f"token valid, @{username}", ""))
                choice = await self._catalog.choose(api_base, profile, draft.model, draft.version)
            else:
                recent = proved_at and time.monotonic() - proved_at < TOKEN_PROVED_SECONDS
                if recent and owner is not None and owner[0] == token:
                    findings.append(Check("token", "ok", f"token valid, @{owner[1]}", ""))
                else:
                    message = "whether Replicate takes the token is being asked"
                    findings.append(Check("token", "asking", message))
                choice, fresh = self._catalog.known(api_base, profile, draft.model, draft.version)
        except ReplicateError as error:
            subject = "token" if judge(error) in BAD else "replicate"
            findings.append(Check(subject, "error", error.message, error.advice))
            return None
        except RefusedError as error:
            findings.append(Check("model", "error", error.message, error.advice))
            return None
        if choice is None:
            message = "which version of the trainer runs is being asked"
            findings.append(Check("version", "asking", message))
            return None
        date = f" of {choice.created_at:%Y-%m-%d}" if choice.created_at else ""
        release = self._releases.choose(api_base, choice, draft)
        message = f"{choice.model}, version {choice.version[:8]}{date}"
        level: State = "ok" if fresh else "asking"
        findings.append(Check("version", level, message, release=release.title))
        return choice
