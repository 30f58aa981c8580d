"""The engine as a process: entry points, socket server and shutdown."""
