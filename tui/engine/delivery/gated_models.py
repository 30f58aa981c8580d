"""Checks that the token that the job will get may download its base model from the Hub."""

from __future__ import annotations

import re
from typing import Final

from tui.base.hosts import is_loopback
from tui.destinations.common.errors import PublishError, Trouble
from tui.engine.delivery.hub_repositories import HubRepositories
from tui.replicate.secret import Secret
from tui.simpletuner.checks.checks import Check
from tui.simpletuner.config.families import is_gated
from tui.simpletuner.config.training_config import TrainingConfig
from tui.simpletuner.config.values import as_text
from tui.simpletuner.facts.models import model

_REPO: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_BASE_MODEL: Final = "pretrained_model_name_or_path"


def base_model(config: TrainingConfig) -> str:
    """Return the repository of a config's base model; "" when it is not on the Hub or not known.

    A config that names none gets the one of its family and flavour, as the trainer takes it.
    """
    named = as_text(config.values.get(_BASE_MODEL))
    if named is None:
        facts = model(config.family)
        flavour = (config.flavour or facts.default_flavour or "") if facts else ""
        return facts.base_models.get(flavour, "") if facts else ""
    return named if _REPO.fullmatch(named) and not named.startswith((".", "/")) else ""


async def base_model_findings(
    repositories: HubRepositories,
    api_base: str,
    config: TrainingConfig,
    token: Secret | None = None,
) -> list[Check]:
    """Ask the Hub whether the job may read its base model; no findings when nobody can tell.

    The sandbox's Hub holds no base models, so a missing one is none of its findings.

    Args:
        repositories: asks.
        api_base: the API that runs the job.
        config: its config.
        token: the token that it gets; None for the one that is in use.
    """
    repo = base_model(config)
    if not repo:
        return []
    try:
        await repositories.readable(api_base, repo, token)
    except PublishError as error:
        if error.kind is Trouble.PERMISSION:
            message = f"the job's token may not download {repo}: {_clause(error.message)}"
            return [Check("base-model", "error", message, error.advice)]
        if error.kind is Trouble.MISSING and not is_loopback(api_base):
            message = f"{repo} does not exist on the Hub, or the job's token may not see it"
            return [Check("base-model", "warn", message, f"Check {_BASE_MODEL} and the token.")]
        return []
    if is_gated(config.family, config.flavour):
        return [Check("base-model", "ok", f"the job's token may download {repo}")]
    return []


def _clause(sentence: str) -> str:
    return sentence.rstrip(".")
