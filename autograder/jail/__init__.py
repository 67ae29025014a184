"""What runs on the hostile side of the wall: the fork server and the walls of each jail.  It holds no secret."""
