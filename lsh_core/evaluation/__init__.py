"""How good answers are: exact neighbours to compare with (``exact``) and recall (``recall``)."""
