"""Every pairing of store S, chain state T and application A up to three heights, and what a start must do with it.

The table of `research/chain.md` §1.7 and `chain/node/handshake.py`, written again as a function; each home is made
from what real runs left. Which of them a crash reaches is shown by ending a node at every operation.
"""

from functools import cache
from itertools import product

import pytest

from chain.node.errors import HandshakeRefused
from chain.store.keys import APP_VERSION, CHAIN_STATE
from chain.store.state import ChainStateStore
from tests.node.test_handshake import heights_of, history
from tests.node.test_host import copy_of
from tests.node.virtual import Disk, VirtualNode, VirtualTime, genesis_doc

TOP = 3
Action = tuple[str, int]


def expected(store: int, state: int, app: int) -> list[Action] | str:
    """What the start must note, or the code with which it refuses."""
    if app > store:
        return "app_ahead"
    if not state <= store <= state + 1:
        return "state_apart"
    born = [("init_chain", 0)] if app == 0 else []
    replayed = [("replay_block", h) for h in range(app + 1, state + 1)]
    if store == state:
        return born + replayed
    if app == store:
        return [("apply_saved", store)]
    return born + replayed + [("apply_block", store)]


@cache
def whole_history() -> list[Disk]:
    return history()[0]


def home(store: int, state: int, app: int) -> Disk:
    """A disk with blocks to `store`, chain state at `state`, application at `app`."""
    copies = whole_history()

    def first(which: int, height: int) -> Disk:
        return next(d for d in copies if heights_of(d)[which] == height)

    made = copy_of(first(0, store))
    if heights_of(made)[1] != state:
        exact = [d for d in copies if heights_of(d)[:2] == (store, state)]
        if exact:
            made = copy_of(exact[0])
        else:
            made.kv.rows[CHAIN_STATE] = first(1, state).kv.rows[CHAIN_STATE]
    made.app_kv.rows = dict(first(2, app).app_kv.rows)
    return made


CASES = list(product(range(TOP + 1), repeat=3))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_start_does_what_the_table_says(case):
    disk = home(*case)
    assert heights_of(disk) == case
    wanted = expected(*case)
    if isinstance(wanted, str):
        with pytest.raises(HandshakeRefused) as refused:
            VirtualNode(VirtualTime(), disk, genesis_doc(), split=True)
        assert refused.value.code == wanted
        return
    node = VirtualNode(VirtualTime(), disk, genesis_doc(), split=True)
    assert node.notes == wanted
    assert heights_of(disk) == (case[0],) * 3
    following = next(d for d in whole_history() if heights_of(d) == (case[0],) * 3)
    again = VirtualNode(VirtualTime(), copy_of(following), genesis_doc(), split=True)
    assert node.host.state == again.host.state


def test_crashes_reach_every_case_that_is_not_a_mixture():
    """S = T = A, and between the three writes of a split store: the others need copies of different days."""
    reached = {heights_of(d) for d in whole_history()}
    for height in range(1, TOP + 1):
        assert {(height, height, height), (height, height - 1, height - 1)} <= reached
        assert (height, height - 1, height) in reached


def test_an_application_with_other_contents_at_the_same_height_is_refused():
    disk = home(TOP, TOP, TOP)
    state = ChainStateStore(disk.kv).load()
    assert state is not None
    version = disk.app_kv.rows[APP_VERSION]
    assert state.app_hash in version
    disk.app_kv.rows[APP_VERSION] = version.replace(state.app_hash, b"\x07" * 32)
    with pytest.raises(HandshakeRefused) as refused:
        VirtualNode(VirtualTime(), disk, genesis_doc(), split=True)
    assert refused.value.code == "app_hash_differs"
