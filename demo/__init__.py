"""governd's main job, shown with real parts."""
