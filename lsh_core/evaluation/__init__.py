"""Evaluation of builds: ground truth, recall, latency and hash health."""
