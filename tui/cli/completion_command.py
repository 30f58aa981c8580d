"""`completion`: scripts that complete command lines, and the manual page, from the grammar.

The scripts hold the words of the grammar, so that a shell completes them by itself; only names that
change (jobs, destinations, transfers, configs) are asked for, by `--complete`, which loads little.
"""

from __future__ import annotations

import argparse
import shlex
from typing import Final

from tui.cli import exit_codes
from tui.cli.grammar_words import PROGRAM, Verb, verbs_of
from tui.cli.output import say


def completion(options: argparse.Namespace) -> int:
    """Print a script, or the manual page."""
    from tui.cli.main import build_parser

    parser = build_parser()
    if options.shell == "man":
        from tui.cli.man_page import man_page

        say(man_page(parser).rstrip("\n"))
    else:
        say({"bash": _bash, "zsh": _zsh, "fish": _fish}[options.shell](verbs_of(parser)).rstrip())
    return exit_codes.FINE


def _cases(verbs: list[Verb]) -> str:
    lines = []
    for verb in verbs:
        valued = " ".join(f"{spelling}:{kind}" for spelling, kind in verb.valued.items())
        places = " ".join(kind or "-" for kind in verb.places)
        lines.append(
            f"        {verb.name}) options={shlex.quote(' '.join(verb.options))} "
            f"valued={shlex.quote(valued)} places={shlex.quote(places)} ;;"
        )
    return "\n".join(lines)


_COMMON: Final = """\
    local options='--help --version --color' valued='--color:auto,always,never'
    local places='' command='' word='' kind='' place=0 i
    for ((i = <first> + 1; i < <at>; i++)); do
        word=<word>
        if [[ -n $skip ]]; then skip=''; continue; fi
        case $word in
        -*) [[ " $valued " == *" $word:"* ]] && skip=1 ;;
        *)
            if [[ -n $command ]]; then ((place += 1)); continue; fi
            command=$word
            case $command in
<cases>
            esac ;;
        esac
    done
    if [[ -n $skip && " $valued " == *" $word:"* ]]; then
        kind=${valued#*"$word:"}
        kind=${kind%% *}
    elif [[ $current == -* ]]; then
        kind=${options// /,}
    elif [[ -z $command ]]; then
        kind='<commands>'
    else
        for ((i = 0; i < place; i++)); do [[ $places == *' '* ]] && places=${places#* }; done
        kind=${places%% *}
    fi
"""


def _common(verbs: list[Verb], first: str, at: str, word: str) -> str:
    names = ",".join(verb.name for verb in verbs)
    text = _COMMON
    for name, value in (
        ("cases", _cases(verbs)), ("commands", names), ("first", first), ("at", at), ("word", word)
    ):  # fmt: skip
        text = text.replace(f"<{name}>", value)
    return text


def _bash(verbs: list[Verb]) -> str:
    common = _common(verbs, "0", "COMP_CWORD", "${COMP_WORDS[i]}")
    return f"""\
# bash completion of {PROGRAM}; made by `{PROGRAM} completion bash`
_simpletuner_tui() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} skip='' value before=''
{common}
    COMPREPLY=()
    if [[ $kind == @filter ]]; then  # bash takes a word apart at its colon
        if [[ $current == : ]]; then
            before=${{COMP_WORDS[COMP_CWORD - 1]}}: current=''
        elif ((COMP_CWORD > 2)) && [[ ${{COMP_WORDS[COMP_CWORD - 1]}} == : ]]; then
            before=${{COMP_WORDS[COMP_CWORD - 2]}}:
        fi
        compopt -o nospace 2>/dev/null
    fi
    case $kind in
    @file) mapfile -t COMPREPLY < <(compgen -f -- "$current"); compopt -o filenames ;;
    @*)
        while IFS= read -r value; do
            [[ $kind == @filter ]] || printf -v value '%q' "$value"
            COMPREPLY+=("${{value#"$before"}}")
        done < <("${{COMP_WORDS[0]}}" --complete "${{kind#@}}" "$before$current" 2>/dev/null)
        if [[ $kind == @config && ${{#COMPREPLY[@]}} -eq 0 ]]; then
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            compopt -o filenames
        fi ;;
    ?*) mapfile -t COMPREPLY < <(compgen -W "${{kind//,/ }}" -- "$current") ;;
    esac
}}
complete -F _simpletuner_tui {PROGRAM}
"""


def _zsh(verbs: list[Verb]) -> str:
    common = _common(verbs, "1", "CURRENT", "${words[i]}")
    return f"""\
#compdef {PROGRAM}
# made by `{PROGRAM} completion zsh`
_simpletuner_tui() {{
    local current=${{words[CURRENT]}} skip=''
{common}
    case $kind in
    @file) _files ;;
    @*)
        local -a found
        found=("${{(@f)$("${{words[1]}}" --complete "${{kind#@}}" "$current" 2>/dev/null)}}")
        found=(${{found:#}})
        if (( ${{#found}} )); then compadd -a found; elif [[ $kind == @config ]]; then _files; fi ;;
    ?*) compadd -- ${{(s:,:)kind}} ;;
    esac
}}
if [[ $funcstack[1] == _simpletuner-tui ]]; then
    _simpletuner_tui "$@"
else
    compdef _simpletuner_tui {PROGRAM}
fi
"""


def _fish(verbs: list[Verb]) -> str:
    lines = [
        f"# fish completion of {PROGRAM}; made by `{PROGRAM} completion fish`",
        f"complete -c {PROGRAM} -f",
        f"complete -c {PROGRAM} -n __fish_use_subcommand -l version -d 'the version'",
        f"complete -c {PROGRAM} -n __fish_use_subcommand -l color -x -a 'auto always never'",
    ]
    for verb in verbs:
        lines.append(
            f"complete -c {PROGRAM} -n __fish_use_subcommand -a {verb.name} "
            f"-d {_fish_quote(verb.summary)}"
        )
        seen = f"complete -c {PROGRAM} -n '__fish_seen_subcommand_from {verb.name}'"
        for spelling, text in verb.options.items():
            flag = f"-l {spelling[2:]}" if spelling.startswith("--") else f"-s {spelling[1:]}"
            value = f" -x{_fish_values(verb.valued[spelling])}" if spelling in verb.valued else ""
            if verb.valued.get(spelling) == "@file":
                value = " -r -F"
            lines.append(f"{seen} {flag}{value} -d {_fish_quote(text)}")
        lines += [f"{seen}{_fish_values(kind)}" for kind in dict.fromkeys(verb.places) if kind]
    return "\n".join(lines)


def _fish_values(kind: str) -> str:
    if kind in ("@file", "@config"):
        asked = f" -a '({PROGRAM} --complete config (commandline -ct))'"
        return " -F" + (asked if kind == "@config" else "")
    if kind.startswith("@"):
        return f" -a '({PROGRAM} --complete {kind[1:]} (commandline -ct))'"
    return f" -a '{kind.replace(',', ' ')}'" if kind else ""


def _fish_quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
