"""The command line: settings in, one verb called, a report or one JSON document out."""
