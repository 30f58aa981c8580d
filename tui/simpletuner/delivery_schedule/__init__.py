"""Which weights of a run leave the trainer, when and by which way, computed before it is paid."""
