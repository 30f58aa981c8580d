"""One judge of tokens for the command line, the form, the environment and the API."""

from __future__ import annotations

import pytest

from tui.base.token_text import TokenKind, judge_token

REPLICATE = "r8_" + "a1" * 18 + "b"
HUB = "hf_" + "a" * 34


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"  {REPLICATE}", "spaces or line breaks around it"),
        (f"{REPLICATE}\n\n", "spaces or line breaks around it"),
        (f"{REPLICATE[:20]}\n{REPLICATE[20:]}", "a line break inside"),
        (f"{REPLICATE[:20]}\r\n  {REPLICATE[20:]}", "a line break inside"),
        (f"{REPLICATE[:20]} {REPLICATE[20:]}", "spaces inside"),
        (f'"{REPLICATE}"', "quotes around it"),
        (f"“{REPLICATE}”", "quotes around it"),
        (f"' {REPLICATE}'", "quotes around it"),
    ],
)
def test_what_was_pasted_along_is_left_out_and_named(text: str, words: str) -> None:
    judged = judge_token("replicate", text)
    assert (judged.value, judged.problem) == (REPLICATE, "")
    assert any(words in note for note in judged.notes), judged


@pytest.mark.parametrize(
    "text",
    [REPLICATE, f"{REPLICATE}\n", f"{REPLICATE}\r\n", f"export REPLICATE_API_TOKEN='{REPLICATE}'\n",
     f"REPLICATE_API_TOKEN={REPLICATE}"],
)  # fmt: skip
def test_a_token_as_it_should_be_has_no_notes(text: str) -> None:
    judged = judge_token("replicate", text)
    assert (judged.value, judged.problem, judged.notes) == (REPLICATE, "", ())


@pytest.mark.parametrize(
    ("kind", "text", "problem", "advice"),
    [
        ("replicate", HUB, "is one of Hugging Face (hf_…), not of Replicate", "token set --hub"),
        ("replicate", f"HF_TOKEN={HUB}", "is one of Hugging Face", "HF_TOKEN"),
        ("huggingface", REPLICATE, "is one of Replicate (r8_…), not of Hugging Face",
         "REPLICATE_API_TOKEN"),
        ("replicate", f"{REPLICATE}\n{REPLICATE}", "a line break inside", "in one piece"),
        ("replicate", "hello my token", "spaces inside", "in one piece"),
        ("replicate", 'r8_ab"cd', "a quote inside", "in one piece"),
        ("replicate", "", "must not be empty", ""),
        ("replicate", ' "" ', "must not be empty", ""),
        ("huggingface", "hf_ü", "characters that no token has", ""),
        ("huggingface", "hf_\x1b[0m", "characters that no token has", ""),
        ("huggingface", "h" * 5000, "characters that no token has", ""),
    ],
)  # fmt: skip
def test_what_cannot_be_the_token_is_named(
    kind: TokenKind, text: str, problem: str, advice: str
) -> None:
    judged = judge_token(kind, text)
    assert judged.value == ""
    assert problem in judged.problem
    assert advice in judged.advice
    secret = text.removeprefix("HF_TOKEN=")
    if len(secret) > 20:
        assert secret not in f"{judged}", "a message never holds the token"


def test_an_odd_shape_is_named_and_kept() -> None:
    judged = judge_token("replicate", "abc")
    assert judged.value == "abc"
    assert "this one looks different" in judged.notes[0]
    long = judge_token("huggingface", "hf_" + "a-" * 20)
    assert "begin with hf_; this one does, but its length or its characters" in long.notes[0]
