"""The stages of an index run, in order: check, plan, create, load, settle, verify, promote, summarise."""
