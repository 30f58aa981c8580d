"""What depends on the terminal: frame differences, first frame, themes and clipboard."""
