"""Values of the chain: frozen dataclasses with their invariants, no bytes, no hashes, no I/O.

Import from the submodule that owns the name (`chain.types.block`, `chain.types.abci`...).
"""
