"""What governd tells of itself: metrics, logs and trace context."""
