"""Messages, and the codec between values and bytes."""
