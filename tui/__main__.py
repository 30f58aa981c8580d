"""The program: `simpletuner-tui`, or `python -m tui`."""

from __future__ import annotations

import gc
import sys


def main() -> int:
    """Run what the command line asks for; returns the exit status."""
    _open_closed_streams()
    try:
        return _run()
    except KeyboardInterrupt as error:  # while modules are still imported, for example
        from tui.cli.signals import explain_interrupt

        return explain_interrupt(error, as_json="--json" in sys.argv)
    finally:
        # The interpreter looks for garbage at its end, a sixth of a command's time; what has to be
        # kept was written long before, for a program may also be killed.
        gc.freeze()


def _open_closed_streams() -> None:
    """Stand in for the streams that the caller closed, as with `>&-`: Python leaves them out."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            import os

            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115  pathlib is slow


def _run() -> int:
    if sys.argv[1:2] == ["--complete"]:  # a shell asks, at each press of the tab key
        from tui.cli.completion_values import complete

        return leave(complete(sys.argv[2:]))
    from tui.cli.fast_path import FAST_COMMANDS, run_fast_path

    # Its answers are about ids and settings; other letters may have to be decoded first.
    if len(sys.argv) > 1 and sys.argv[1] in FAST_COMMANDS and "".join(sys.argv).isascii():
        gc.disable()  # imports leave little garbage; looking for it takes a quarter of the command
        status = run_fast_path(sys.argv[1:])
        if status is not None:
            return leave(status)
        gc.enable()
    from tui.cli.main import run

    return run(sys.argv[1:])


def leave(status: int) -> int:
    """End the process: all is written, and to take the interpreter apart takes a tenth of it."""
    import os

    os._exit(status)


if __name__ == "__main__":
    sys.exit(main())
