"""What services share: the event bus and the owner of tasks."""
