"""The pool: order of arrival, bounds, cache, recheck."""

from chain.limits import MEMPOOL_RECHECK_TXS
from chain.mempool.pool import ALREADY_IN_CACHE, Mempool, PoolRefusal
from chain.types.abci import CheckTxType, ExecTxResult, ResponseCheckTx

OK = ExecTxResult()


class Judge:
    def __init__(self):
        self.refused: set[bytes] = set()
        self.asked: list[tuple[bytes, CheckTxType]] = []

    def __call__(self, request):
        self.asked.append((request.tx, request.type))
        if request.tx in self.refused:
            return ResponseCheckTx(code=7)
        return ResponseCheckTx(gas_wanted=10)


def new_pool(**bounds):
    judge = Judge()
    return Mempool(judge, height=1, **bounds), judge


def test_transactions_are_reaped_in_order_of_arrival_within_bytes_and_gas():
    pool, _ = new_pool()
    for n in range(5):
        assert pool.add(b"tx%d" % n).is_ok()
    assert pool.reap(1_000, -1) == (b"tx0", b"tx1", b"tx2", b"tx3", b"tx4")
    assert pool.reap(2 * (3 + 6), -1) == (b"tx0", b"tx1")
    assert pool.reap(1_000, 35) == (b"tx0", b"tx1", b"tx2")
    assert pool.count() == 5


def test_the_same_bytes_twice_are_already_in_cache_even_after_their_block():
    pool, _ = new_pool()
    pool.add(b"tx")
    assert pool.add(b"tx") is ALREADY_IN_CACHE
    pool.update(2, [b"tx"], [OK])
    assert pool.count() == 0
    assert pool.add(b"tx") is ALREADY_IN_CACHE


def test_a_refused_transaction_may_come_again():
    pool, judge = new_pool()
    judge.refused.add(b"tx")
    assert pool.add(b"tx").code == 7
    judge.refused.clear()
    assert pool.add(b"tx").is_ok()


def test_count_and_bytes_are_bounded():
    pool, _ = new_pool(max_txs=2)
    pool.add(b"1")
    pool.add(b"2")
    refusal = pool.add(b"3")
    assert isinstance(refusal, PoolRefusal)
    assert refusal.code == "mempool_full"
    pool.update(2, [b"1"], [OK])
    assert pool.add(b"3").is_ok()
    pool, _ = new_pool(max_bytes=10)
    assert pool.add(b"x" * 6).is_ok()
    assert pool.add(b"y" * 6).code == "mempool_full"
    assert pool.size_bytes() == 6


def test_a_transaction_beyond_any_limit_is_not_even_judged():
    pool, judge = new_pool()
    assert pool.add(b"x" * (1 << 21)).code == "tx_too_large"
    assert judge.asked == []


def test_what_stopped_being_valid_leaves_after_a_block():
    pool, judge = new_pool()
    for tx in (b"a", b"b", b"c"):
        pool.add(tx)
    judge.refused.add(b"b")
    pool.update(2, [b"a"], [OK])
    assert pool.first(10) == (b"c",)
    assert (b"b", CheckTxType.RECHECK) in judge.asked
    assert pool.size_bytes() == 1
    judge.refused.clear()
    assert pool.add(b"b").is_ok()


def test_the_cache_forgets_the_oldest():
    pool, _ = new_pool(cache_txs=2)
    for tx in (b"a", b"b", b"c"):
        pool.add(tx)
    pool.update(2, [b"a", b"b", b"c"], [OK, OK, OK])
    assert pool.add(b"a").is_ok()
    assert pool.add(b"c") is ALREADY_IN_CACHE


def test_listeners_hear_of_new_transactions_once():
    pool, _ = new_pool()
    heard = []
    pool.on_added = lambda pending, peer: heard.append((pending.tx, peer))
    pool.add(b"a", from_peer="p")
    pool.add(b"a")
    assert heard == [(b"a", "p")]


def test_only_the_oldest_are_looked_at_again_so_that_a_backlog_does_not_stop_blocks():
    pool, judge = new_pool()
    for n in range(MEMPOOL_RECHECK_TXS + 50):
        pool.add(b"tx%d" % n)
    judge.asked.clear()
    pool.update(2, [], [])
    assert [tx for tx, _ in judge.asked] == [b"tx%d" % n for n in range(MEMPOOL_RECHECK_TXS)]
