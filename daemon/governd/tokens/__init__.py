"""Access tokens of other authorization servers: how they are asked for, and which are taken."""
