"""The app is killed while it asks whether a job may start, and just after the yes."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime
from threading import Event

from tests.app.new_job.check_answer import answer
from tests.app.new_job.steps import CHECK, CONFIG, SUBMIT, WHOLE_CHECK, asked
from tests.app.stand_in_engine import StandInEngine
from tests.app.terminal.pseudo_terminal import Terminal
from tests.app.world import fill
from tests.support import eventually_sync
from tui.app.new_job.kept_draft import DraftFile
from tui.settings import Home


def killed(terminal: Terminal) -> None:
    os.kill(terminal.pid, signal.SIGKILL)
    assert terminal.ended() == 128 + signal.SIGKILL


def at_consent(home: Home) -> Terminal:
    terminal = Terminal(["app", str(home.root)])
    terminal.until("cat-lora")
    terminal.send(b"n")
    terminal.until("ready")
    terminal.send(b"\x13yy")  # what is typed before the question agrees to nothing
    terminal.until("Yes, start it")
    terminal.send(b"y")  # nor does what is typed while it is being read
    terminal.until("That key came before")
    terminal.until_gone("That key came before")
    return terminal


def test_nothing_is_sent_without_a_yes_and_once_with_it(home: Home, engine: StandInEngine) -> None:
    fill(home, 3, running=0)
    DraftFile(home).keep({"config": CONFIG}, datetime.now(UTC))
    engine.answers[CHECK] = engine.answers[WHOLE_CHECK] = (200, answer())
    engine.answers[SUBMIT] = (201, {"job_id": "job00000", "status": "pending"})
    engine.hold[SUBMIT] = Event()

    killed(at_consent(home))
    assert not asked(engine, SUBMIT)

    terminal = at_consent(home)  # the form is as it was
    terminal.send(b"y")
    eventually_sync(lambda: asked(engine, SUBMIT))
    killed(terminal)
    engine.hold[SUBMIT].set()
    assert len(asked(engine, SUBMIT)) == 1
