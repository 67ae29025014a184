"""What a student handed in, read without trust and put together again."""
