"""`settings`: read, change and edit the settings file."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tui.base.errors import ApiError
from tui.base.similar import did_you_mean
from tui.cli import context, exit_codes
from tui.cli.failures import wrong_usage
from tui.cli.output import say, say_json, table, tell
from tui.cli.typed import hidden_text
from tui.cli.user_editor import edit_in_editor
from tui.settings.errors import SettingsError
from tui.settings.home import Home
from tui.settings.proxy_password import split_password
from tui.settings.reading import read_text, settings_of
from tui.settings.values import Settings, as_typed, catalog, values_of


def settings(options: argparse.Namespace) -> int:
    """Show, set, take back or edit settings."""
    if options.action == "edit":
        return _edit(context.home())
    if options.action == "get":
        return _get(options)
    if not options.name or (options.action == "set") != (options.value is not None):
        raise wrong_usage("Write: settings set NAME VALUE, or: settings unset NAME.")
    if options.name not in catalog():
        raise _unknown(options.name)
    value = _value(options) if options.action == "set" else None
    try:
        cloud = context.engine().cloud
        answer = cloud.change_settings({options.name: value}, confirm=options.yes).result()
    except ApiError as error:
        if error.code == "confirm_required":
            error.advice = "If that is meant, say it with --yes."
        raise
    if options.json:
        say_json(answer)
    else:
        say(f"{options.name} = {as_typed(answer['settings'][options.name])}")
    return exit_codes.FINE


def _value(options: argparse.Namespace) -> str:
    """The value of a setting: the argument, or what is typed or piped in for a single hyphen.

    Arguments are seen by every user of the machine, and shells keep them.
    """
    value: str = options.value
    if value == "-":
        return hidden_text(f"{options.name}: ")
    proxy = value if "://" in value else f"http://{value}"
    if catalog()[options.name].spec.kind == "proxy" and split_password(proxy)[1] is not None:
        raise wrong_usage(
            "A password in an argument is seen by everybody on this machine, and the shell keeps "
            "it in its history.",
            f"Write: settings set {options.name} - (it asks, or reads standard input; the password "
            "goes to the keyring). And delete that line from the history.",
        )
    return value


def _unknown(name: str) -> ApiError:
    advice = did_you_mean(name, catalog()) or "All of them: simpletuner-tui settings get"
    return wrong_usage(f"There is no setting {name}.", advice)


# -- get -----------------------------------------------------------------------------------------


def _get(options: argparse.Namespace) -> int:
    """Print one value, or a table of all or of a section."""
    now, defaults = values_of(context.settings()), values_of(Settings())
    name = options.name or ""
    if name in now:
        say_json(now[name]) if options.json else say(as_typed(now[name]))
        return exit_codes.FINE
    chosen = {key: value for key, value in now.items() if not name or key.startswith(f"{name}.")}
    if not chosen:
        raise _unknown(name)
    if options.json:
        say_json(chosen)
        return exit_codes.FINE
    rows = [["NAME", "VALUE", "", "MEANING"]]
    for key, value in chosen.items():
        changed = "changed" if value != defaults[key] else ""
        meaning = catalog()[key].help if key in catalog() else ""
        rows.append([key, as_typed(value) or '""', changed, meaning])
    for line in table(rows):
        say(line)
    tell(f"file: {context.home().settings_file}")
    return exit_codes.FINE


# -- edit ----------------------------------------------------------------------------------------


def _edit(home: Home) -> int:
    """Open a copy in the user's editor; put it in place when it can be used."""
    import tempfile

    from tui.settings.writing import save_edited, template

    home.create()
    base = read_text(home)
    handle, name = tempfile.mkstemp(dir=home.root, prefix="edit-", suffix=".toml")
    copy = Path(name)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(base or template())
    while True:
        try:
            edit_in_editor(copy)
        except ApiError:
            copy.unlink()
            raise
        try:
            edited = copy.read_text(encoding="utf-8")
            wrong = _wrong(home, base, edited)
        except (SettingsError, UnicodeDecodeError) as error:
            wrong = [str(error)]
        if not wrong:
            break
        for line in wrong[:-1]:
            tell(f"simpletuner-tui: {line}")
        if not (sys.stdin.isatty() and _again(wrong[-1])):
            raise ApiError(
                wrong[-1], f"Nothing was changed. What you wrote is in {copy}", code="settings"
            )
    whole = save_edited(home, base, edited)
    copy.unlink()
    if edited == (base or template()):
        say("nothing changed")
    elif whole:
        say("in force within a second, in every window")
    else:
        say("in force; another program had changed the file, so only your values were written")
    return exit_codes.FINE


def _wrong(home: Home, base: str, edited: str) -> list[str]:
    """What of an edit cannot be used, except for what was wrong before."""
    from tui.settings.typed_values import read_settings
    from tui.settings.writing import changes

    path = home.settings_file
    before = {(problem.name, problem.message) for problem in settings_of(base, path).problems}
    problems = [
        problem
        for problem in settings_of(edited, path).problems
        if (problem.name, problem.message) not in before
    ]
    reported = {problem.name for problem in problems}
    changed = {
        name: tuple(value) if isinstance(value, list) else value
        for section, values in changes(base, edited, home).items()
        for key, value in values.items()
        if (name := f"{section}.{key}") not in reported
        and name in catalog()
        and not catalog()[name].is_table
    }
    _, wrong = read_settings(changed)
    return [
        *(f"line {problem.line}: {problem.name} {problem.message}" for problem in problems),
        *(f"{name} {why}" for name, why in wrong.items()),
    ]


def _again(wrong: str) -> bool:
    tell(f"simpletuner-tui: {wrong}")
    try:
        return input("Edit again? [Y/n] ").strip().lower() in ("", "y", "yes")
    except EOFError:
        return False
