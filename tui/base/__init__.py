"""Pure helpers that every other package may import; standard library only."""
