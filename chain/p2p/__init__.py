"""Encrypted, bounded connections between nodes that know each other's keys; nothing here knows what a block is for.

Reads: sockets, the node's own key and certificate.  Writes: sockets.  Never: hands a message on before its sender's
key, its size, its channel and its form were checked; never grows with what a peer sends or fails to read.
"""
