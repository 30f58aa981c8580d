"""The web parts that other machines can reach: storage receiver and webhook route."""
