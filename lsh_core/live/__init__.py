"""Changes after a build was loaded: the journal, the live writer, and the replay into later builds."""
