"""What governd costs and how fast it is; ``python -m bench``. The README has the method."""
