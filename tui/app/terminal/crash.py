"""What happens with an error that nobody handled."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tui.settings import SettingsError

if TYPE_CHECKING:
    from rich.text import Text

    from tui.settings import Home


def crash_words(home: Home) -> Text:
    """Write the traceback to `app.log`, without values and so without secrets; what to say."""
    from rich.text import Text

    path = home.root / "app.log"
    try:
        home.create()
        with path.open("a", encoding="utf-8") as file:
            path.chmod(0o600)
            file.write(f"{datetime.now(UTC).isoformat()}\n{traceback.format_exc()}\n")
        where = f"Details are in {path}."
    except SettingsError as error:
        where = f"The details could not be written to {path}: {error.message}"
    except OSError as error:
        where = f"The details could not be written to {path}: {error.strerror}."
    return Text(
        "The window stopped because of an error in simpletuner-tui. Jobs and transfers go on.\n"
        f"{where} Start it again to go on; please report the error."
    )
