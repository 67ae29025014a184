"""Hand-ins come in from a learning platform, and marks and feedback go back."""
