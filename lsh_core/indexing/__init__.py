"""From vectors to a build that is complete and published: mapping, documents, loading, ledger, verifying, alias."""
