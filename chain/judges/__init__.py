"""Processes that verify ballots beside a node, so that its one thread goes on with consensus.

`worker` is the program of one process, `pool` starts and feeds them, `desk` says which transactions wait for them.
A finding changes when an answer is known, never which: without judges the rules of the town judge themselves.
"""
