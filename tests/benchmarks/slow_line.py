"""A slow, distant connection to a loopback server: `python -m tests.benchmarks.slow_line PORT`.

It passes on at most so many bytes per second in each direction, all connections together, each byte
late by half of the round trip. Prints the port that it listens on.
"""

from __future__ import annotations

import asyncio
import sys

RATE = 6 * 1024 * 1024
ROUND_TRIP = 0.15
_PIECE = 16 * 1024
_IN_FLIGHT = 512


class _Lane:
    """One direction, shared by all connections."""

    def __init__(self) -> None:
        self._free_at = 0.0

    def due(self, count: int) -> float:
        """The loop's time at which `count` more bytes have passed."""
        now = asyncio.get_running_loop().time()
        self._free_at = max(now, self._free_at) + count / RATE
        return self._free_at + ROUND_TRIP / 2


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lane: _Lane) -> None:
    pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_IN_FLIGHT)

    async def take() -> None:
        while True:
            piece = await reader.read(_PIECE)
            await pieces.put((lane.due(len(piece)), piece))
            if not piece:
                return

    taking = asyncio.ensure_future(take())
    try:
        loop = asyncio.get_running_loop()
        while True:
            due, piece = await pieces.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not piece:
                writer.write_eof()
                return
            writer.write(piece)
            await writer.drain()
    except (ConnectionError, OSError):
        pass
    finally:
        taking.cancel()


async def main(port: int) -> None:
    """Serve until the process ends."""
    up, down = _Lane(), _Lane()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_pump(reader, far_writer, up), _pump(far_reader, writer, down))
        writer.close()
        far_writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=_PIECE)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
