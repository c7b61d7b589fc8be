"""The CSI node plugin that mounts nothing: a directory, and the pod's socket in it."""
