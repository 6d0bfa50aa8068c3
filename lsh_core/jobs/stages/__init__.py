"""The stages of an index run, a module each; ``order`` lists them."""
