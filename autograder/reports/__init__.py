"""What a class did, on one page."""
