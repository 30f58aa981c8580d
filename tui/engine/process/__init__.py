"""The engine as a process: start, socket server, end."""
