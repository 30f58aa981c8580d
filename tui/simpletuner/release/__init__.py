"""Which release of SimpleTuner a version of the trainer holds, and what follows from it."""
