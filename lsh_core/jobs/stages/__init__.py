"""The stages of an index run, in order: check, plan, create, load, finalize, verify, promote, summarise."""
