"""Stages of an index run, one module per stage; ``order`` lists them."""
