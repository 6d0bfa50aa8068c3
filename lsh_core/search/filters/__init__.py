"""Filters of searches: Elasticsearch queries, checked before they are sent. Pure: no I/O.

`grammar` checks which queries a filter consists of, when a request is made. `fields` checks fields and values against
the mapping of the answering build. `refusals` turns what only the server can find into the same errors. `options`,
`values` and `dates` hold the rules of single values.
"""
