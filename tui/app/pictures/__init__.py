"""Pictures of validations as cells of the terminal."""
