"""What a job's form asks while it is filled in: names on the Hub, and sensible choices."""

from __future__ import annotations

import asyncio
import re
from typing import Final, cast

from tui.api import paths, publishing, submission
from tui.base.errors import RefusedError
from tui.destinations.common.errors import PublishError, Trouble
from tui.engine.engine import Engine
from tui.engine.http_api.operation import Call, Operations
from tui.engine.submission.draft import DeliveryDraft, Draft, read_draft
from tui.engine.transfers.service import TEST_FACT
from tui.simpletuner.config.load import TrainingConfig

_NO_LETTER: Final = re.compile(r"[^a-z0-9._]+")
_MOST_TRIES: Final = 20
_HUB: Final[submission.DraftOverrides] = {
    "model_card_private": True,
    "push_checkpoints_to_hub": True,
    # An upload in the background may be cut off by the end of the job.
    "push_to_hub_background": False,
    "model_card_safe_for_work": False,
}


class RecommendationRoutes:
    """Routes for forms; none of them changes anything."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add_to(self, operations: Operations) -> None:
        """Add the group's operations."""
        operations.add(paths.HUB_IDENTITY, self._namespaces)
        operations.add(paths.LOOK_AT_REPOSITORY, self._repository)
        operations.add(paths.RECOMMEND, self._recommended)

    async def _namespaces(self, call: Call[None, None]) -> publishing.HubIdentity:
        try:
            return await self._engine.hub_lookup.namespaces(call.api_base)
        except PublishError as error:
            wrong = error.kind in (Trouble.CREDENTIALS, Trouble.PERMISSION, Trouble.NAME)
            raise RefusedError(
                error.message, error.advice, status=409 if wrong else 502,
                code="no_hub_token" if wrong else "provider_error",
            ) from None  # fmt: skip

    async def _repository(
        self, call: Call[None, publishing.RepositoryQuery]
    ) -> publishing.RepositoryLook:
        private = call.query.get("private", "true") != "false"
        look = await self._engine.hub_lookup.look(
            call.api_base, call.query.get("name", ""), private=private
        )
        row = {"repo": look.repo, "state": look.state, "level": look.level, "words": look.words,
               "advice": look.advice}  # fmt: skip
        return cast("publishing.RepositoryLook", row)

    async def _recommended(self, call: Call[submission.Draft, None]) -> submission.Recommended:
        """The way that is most likely to work."""
        draft = read_draft(call.body)
        config = await asyncio.to_thread(self._engine.preparer.load, draft)
        base = call.api_base
        found = await self._hub(base, draft, config) or self._s3() or self._local(base)
        if found is None:
            raise RefusedError(
                "No way for the results is ready.",
                "Store a Hugging Face token with write access, add an S3 destination, or set a "
                "public URL for the listener.",
                status=409,
                code="no_delivery",
            )
        wanted = draft.model_copy(
            update={"delivery": DeliveryDraft(**found["delivery"]), "fix_delivery": False}
        )
        # By release, pictures and GPUs, as the check does: a change must hold there.
        outlook = (await self._engine.preparer.prepare(base, wanted)).outlook
        if outlook.schedule is not None and outlook.schedule.promise == "no" and outlook.mends:
            mend = outlook.mends[0]
            found["overrides"] = cast("submission.DraftOverrides", dict(mend.overrides))
            found["words"] += f" So that the final weights are sent: {mend.words}."
        return found

    async def _hub(
        self, base: str, draft: Draft, config: TrainingConfig
    ) -> submission.Recommended | None:
        """A private repository of one's own: the one that is named, else a new one."""
        lookup = self._engine.hub_lookup
        try:
            who = await lookup.identity(base)
        except PublishError:
            return None
        own = draft.delivery.hub_model_id or config.hub_model_id or ""
        names = [own] if own else []
        owner = next((one.name for one in who.namespaces if one.writable is not False), "")
        if owner:
            slug = _slug(draft.name or config.run_name or config.name)
            names += [f"{owner}/{slug}{'' if at < 2 else f'-{at}'}" for at in range(1, _MOST_TRIES)]
        for name in names:
            look = await lookup.look(base, name)
            # Of another run's repository nothing is known: only one that was named is written to.
            if (look.state == "free" and look.level != "error") or (
                look.state == "ours" and name == own
            ):
                return {
                    "delivery": {"kind": "hub", "hub_model_id": look.repo},
                    "overrides": _HUB,
                    "words": f"To the Hub: {look.repo}, private, checkpoints as well.",
                }
            if look.state == "unknown" and name != own:
                return None
        return None

    def _s3(self) -> submission.Recommended | None:
        """A bucket whose last test passed, else the only one."""
        rows = [row for row in self._engine.transfers.places.list() if row["kind"] == "s3"]
        fine = [row for row in rows if self._passed(row["name"])]
        chosen = fine[0] if fine else rows[0] if len(rows) == 1 else None
        if chosen is None:
            return None
        words = f"To the bucket {chosen['options']['bucket']}, with the keys of {chosen['name']}."
        return {
            "delivery": {"kind": "s3", "destination": chosen["name"]},
            "overrides": {},
            "words": words,
        }

    def _passed(self, name: str) -> bool:
        fact = self._engine.reader.fact(f"{TEST_FACT}{name}")
        return bool(fact is not None and fact.value and fact.value.get("ok"))

    def _local(self, base: str) -> submission.Recommended | None:
        if self._engine.listening.storage_url(base) is None:
            return None
        return {
            "delivery": {"kind": "local"},
            "overrides": {},
            "words": "To this machine, by the listener.",
        }


def _slug(name: str) -> str:
    """A repository's name from a run's."""
    text = _NO_LETTER.sub("-", name.lower()).strip("-._")[:80].strip("-._")
    return text or "my-lora"
