"""How rows get into a build: chunks are read, hashed, sent and entered in the ledger; then the index is verified."""
