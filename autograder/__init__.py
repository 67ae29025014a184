"""What instructors run: build lessons from their sources, release them, grade them."""
