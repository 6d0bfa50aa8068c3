"""Parquet sources: what is there, how it is cut into chunks, and which of its rows can be indexed.

====================  ===============================================================
module                decides
====================  ===============================================================
``listing``           which files a URL means, and which version of each
``left_out``          files that are not read because of their names
``table_places``      whether a URL is a table, a part of one, or a folder of them
``tables``            which columns of its files a table has
``delta_log``         which files a version of a Delta table has
``iceberg_metadata``  which files a snapshot of an Iceberg table has
``partition_types``   which types a table's partition columns have
``source_files``      the files of a source, whichever of these it is
``dataset``           what the files hold: rows, row groups, one schema
``columns``           whether the id and vector columns can be used
``chunks``            which rows are one unit of work
``spans``             which chunks one worker reads in one pass
``reading``           how rows come off the disk in bounded memory
``vectors``           how an Arrow list column becomes a matrix
``identifiers``       how an Arrow column becomes document ids
``texts``             which texts are not UTF-8
``validation``        which rows are refused, and why
``sampling``          which rows a model is trained on
``access``            which URLs a form may name
``places``            folders that are written to
====================  ===============================================================

Nothing is imported here, so that ``access`` stays light.
"""
