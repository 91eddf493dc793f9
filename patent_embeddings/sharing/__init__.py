"""Results that travel: cache, remotes, past runs, experiments, the queue, scores. DVC's insides are used here only."""

# Whose insides they are. `tests/sharing/test_dvc.py` names what a newer one has lost.
DVC = "3.67.1"
