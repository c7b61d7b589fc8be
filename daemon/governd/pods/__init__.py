"""Pods and their volumes, as kubelet tells of them: which are believed, and what follows."""
