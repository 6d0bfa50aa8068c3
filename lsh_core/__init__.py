"""airlsh: similarity search inside stock Elasticsearch, built in batches that prove themselves complete.

The rooms of this package and the one direction in which they import each other are in ``CONTRIBUTING.md``.
"""

__version__ = "0.1.0"
