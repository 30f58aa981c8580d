"""A password prompt of the desktop that nobody answers: a locked keyring waits for it forever."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from jeepney import HeaderFields, MessageType, new_method_return
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import open_dbus_connection

NAME = "org.gnome.keyring.SystemPrompter"


@contextmanager
def unanswered_prompts(address: str) -> Iterator[list[str]]:
    """Own the prompter's name on a bus; yields the names of the calls received."""
    seen: list[str] = []
    connection = open_dbus_connection(bus=address)
    connection.send_and_get_reply(message_bus.RequestName(NAME))
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                call = connection.receive(timeout=0.1)
            except TimeoutError:
                continue
            except (OSError, EOFError):
                return
            if call.header.message_type is MessageType.method_call:
                seen.append(str(call.header.fields.get(HeaderFields.member)))
                connection.send(new_method_return(call))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
        connection.close()
