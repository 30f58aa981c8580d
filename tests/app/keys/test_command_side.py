"""What the app can do and what the command line can do are the same; exceptions have a reason."""

from __future__ import annotations

import re
import shlex

from tests.cli.grammar import verbs
from tui.app.keys.keymap import ALL
from tui.cli.main import build_parser

NO_ACTION = {
    "whole screens show it, or a form of one sets it": {
        "metrics",
        "export",
        "hardware",
        "versions show",
        "versions",
        "limit show",
        "limit set",
        "limit off",
        "rates show",
        "rates set",
        "rates reset",
        "settings get",
        "settings set",
        "settings unset",
        "versions compare",
        "versions pin",
        "versions follow",
        "token set",
        "token status",
        "token validate",
        "token delete",
        "staged",
        "staged remove",
        "destinations list",
        "destinations edit",
        "destinations keys",
        "destinations remove",
        "transfers",
        "transfers resume",
        "transfers top",
        "api-key create",
        "api-key add",
        "api-key list",
        "api-key revoke",
        "storage-key create",
        "storage-key list",
        "storage-key revoke",
        "rename",
        "tag",
        "unpin",  # the note's form, and the pin's own key once more
    },
    "a sweep is a line of the list, and the list's own keys do it": {
        "sweep",
        "sweep list",
        "sweep show",
        "sweep cancel",
        "sweep resume",
        "queue",
    },
    "the program around the app": {
        "demo",
        "sandbox",
        "serve",
        "engine",
        "engine status",
        "engine stop",
        "engine restart",
        "engine logs",
        "completion bash",
        "completion zsh",
        "completion fish",
        "completion man",
        "settings edit",
        "proxy nginx",
        "proxy caddy",
        "proxy traefik",
        "proxy firewall",
    },
}
NO_COMMAND = {
    "what is drawn, and where": r"(move|chart|pictures|runs)\.\w+|"
    r"jobs\.(columns|filters|save_filter)|"
    r"\w+\.(next|previous|left|right|back|mark|unmark|far_\w+|zoom_\w+|whole|smooth|less_smooth|axis|log_scale|switch|all|leave|fold|sort|"
    r"reverse|next_tab|previous_tab|line|outside|days|fewer_days)|log\.(search|only|show|more|step|"
    r"wrap|select)|app\.(cloud|publishing|palette|help|notices|theme|mouse|redraw|suspend|quit)|"
    r"(compare|new)\.compare",
    "the clipboard and programs of the desktop": r"\w+\.(copy|copy_link|copy_hash|web|open)|"
    r"publishing\.show",
    "a form, whose values are options of a command": r"\w+\.edit|new\.(request|starter|recommend|"
    r"stop|clear|clear_all|editor|save_as|data|example)|publishing\.(limit|filter)|jobs\.clear",
    "one action for each of several": r"jobs\.delete_marked|publishing\.(test_all|delete)|"
    r"cloud\.check",
}


def said(command: str) -> list[str]:
    """The words behind the program's name, with a name for each placeholder."""
    words = shlex.split(command.partition(" | ")[0].partition(" > ")[0].replace("{job}", "x"))
    return words[1:]


def test_every_command_line_that_the_app_shows_can_be_given() -> None:
    for action in ALL:
        if action.command:
            assert build_parser().parse_args(said(action.command)).command, action.id


def test_every_verb_is_in_the_palette_or_has_a_reason() -> None:
    lines = [" ".join(said(action.command)) for action in ALL if action.command]
    shown = {verb for verb in verbs() if any(f"{line} ".startswith(f"{verb} ") for line in lines)}
    excused = set().union(*NO_ACTION.values())
    assert set(verbs()) - shown - {"app"} == excused - shown
    assert excused <= set(verbs())
    # an action of a command is no excuse for the command itself
    assert not excused & shown - {"staged", "transfers"}


def test_every_action_has_a_command_or_a_reason() -> None:
    without = [action.id for action in ALL if not action.command]
    unexcused = [
        one for one in without if not any(re.fullmatch(words, one) for words in NO_COMMAND.values())
    ]
    assert not unexcused
