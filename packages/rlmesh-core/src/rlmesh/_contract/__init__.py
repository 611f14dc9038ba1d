"""What an env and a model tell each other once, before the first step."""
