"""The socket server: order, several connections, and what a wrong client cannot do."""

import asyncio
import os
import socket
import stat

import pytest
from structlog.testing import capture_logs

from chain.abci import AbciCallFailed, AbciClient, AbciRefusal, Grammar, SocketAddress, errors
from chain.abci.address import InvalidAddress, parse_address
from chain.abci.server import AbciServer, AddressTaken, _Connection
from chain.codec.proto import decode_delimited, encode_delimited
from chain.codec.wire import encode_uvarint
from chain.limits import (
    ABCI_ANSWERS_HELD_MAX,
    ABCI_CONNECTIONS_MAX,
    ABCI_FRAME_MAX_BYTES,
    ABCI_QUEUE_MAX,
)
from chain.store.kv import MemoryStore
from chain.town.genesis import GenesisError
from chain.types.abci import RequestCheckTx, RequestQuery, ResponseInfo
from chain.types.messages import (
    Request,
    RequestCommit,
    RequestEcho,
    RequestFlush,
    Response,
    ResponseEcho,
    ResponseException,
    ResponseFlush,
)
from tests.abci.calls import INFO, finalize, init_chain, kvstore, prepare, process, serving
from tests.waiting import run_within, until


async def run_block(client: AbciClient, height: int, *txs: bytes) -> bytes:
    answer = await client.call(finalize(height, *txs))
    await client.call(RequestCommit())
    return answer.app_hash


async def begin(client: AbciClient) -> None:
    await client.call(INFO)
    await client.call(init_chain())


async def raw_answers(address: SocketAddress, data: bytes, *, end: bool = False) -> list:
    """Send bytes, read answers until the server closes the connection."""
    reader, writer = await asyncio.open_unix_connection(str(address.path))
    writer.write(data)
    if end:
        writer.write_eof()
    received = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    await writer.wait_closed()
    found, pos = [], 0
    while pos < len(received):
        answer, pos = decode_delimited(Response, received, pos, ABCI_FRAME_MAX_BYTES)
        found.append(answer.value)
    return found


def test_four_connections_see_one_application(tmp_path):
    async def play() -> None:
        app = kvstore()
        async with serving(app, tmp_path) as (server, failures):
            clients = [await AbciClient.connect(server.address) for _ in range(4)]
            consensus, mempool, query, snapshot = clients
            await query.call(INFO)
            await consensus.call(init_chain())
            assert (await mempool.call(RequestCheckTx(b"a=1"))).is_ok()
            assert (await snapshot.call(RequestEcho("hello"))) == ResponseEcho("hello")
            await consensus.call(prepare(1, b"a=1"))
            await consensus.call(process(1, b"a=1"))
            await run_block(consensus, 1, b"a=1")
            assert (await query.call(RequestQuery(data=b"a"))).value == b"1"
            assert (await query.call(INFO)).last_block_height == 1
            for client in clients:
                await client.close()
            assert not failures

    run_within(play())


def test_pipelined_calls_are_answered_in_their_order():
    async def play() -> None:
        async with (
            serving(kvstore()) as (server, _),
            await AbciClient.connect(server.address) as client,
        ):
            count = 3 * ABCI_QUEUE_MAX
            futures = [client.send(RequestEcho(str(n))) for n in range(count)]
            client.send(RequestFlush())
            answers = await asyncio.gather(*futures)
            assert [answer.message for answer in answers] == [str(n) for n in range(count)]

    run_within(play())


def test_answers_do_not_wait_for_a_flush(tmp_path):
    async def play() -> None:
        async with serving(kvstore(), tmp_path) as (server, _):
            client = await AbciClient.connect(server.address)
            answer = await asyncio.wait_for(client.send(RequestEcho("now")), 5)
            assert answer == ResponseEcho("now")
            await client.close()

    run_within(play())


class _Heard(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"socket": socket.socket(socket.AF_UNIX)})
        self.answers: list[bytes] = []

    def is_closing(self) -> bool:
        return False

    def resume_reading(self) -> None:
        pass

    def writelines(self, list_of_data) -> None:
        self.answers += list_of_data


def test_a_client_that_never_flushes_cannot_fill_the_memory_with_answers():
    async def play() -> None:
        server = AbciServer(kvstore(), on_failure=lambda _failure: None)
        transport, connection = _Heard(), _Connection(server)
        connection.connection_made(transport)
        connection.data_received(encode_delimited(Request(RequestEcho("waits"))))
        for _ in range(ABCI_ANSWERS_HELD_MAX):  # there is always one more request
            connection.answer(ResponseEcho("x"), is_flush=False)
        assert len(transport.answers) == ABCI_ANSWERS_HELD_MAX
        transport.get_extra_info("socket").close()

    run_within(play())


def test_a_call_of_consensus_passes_a_flood_of_check_tx(tmp_path):
    async def play() -> None:
        app = kvstore()
        order: list[str] = []
        check, make = app.check_tx, app.prepare_proposal
        app.check_tx = lambda request: (order.append("check"), check(request))[1]
        app.prepare_proposal = lambda request: (order.append("prepare"), make(request))[1]
        async with serving(app, tmp_path) as (server, _):
            mempool = await AbciClient.connect(server.address)
            consensus = await AbciClient.connect(server.address)
            await begin(consensus)
            flood = [mempool.send(RequestCheckTx(b"x=%d" % n)) for n in range(900)]
            asked = consensus.send(prepare(1))
            await asked
            await asyncio.gather(*flood)
            assert order.index("prepare") < 899, "the flood was finished first"
            await mempool.close()
            await consensus.close()

    run_within(play())


@pytest.mark.parametrize("size", [3 * 2**30, ABCI_FRAME_MAX_BYTES + 1])
def test_a_frame_that_announces_too_much_is_refused_at_once(tmp_path, size):
    async def play() -> None:
        app = kvstore()
        async with serving(app, tmp_path) as (server, failures):
            data = (
                encode_delimited(Request(RequestEcho("first"))) + encode_uvarint(size) + b"x" * 99
            )
            first, refused = await raw_answers(server.address, data)
            assert first == ResponseEcho("first")
            assert refused.error.startswith(errors.FRAME_TOO_LARGE)
            async with await AbciClient.connect(server.address) as other:
                assert isinstance(await other.call(INFO), ResponseInfo)
            assert not failures

    run_within(play())


@pytest.mark.parametrize(
    "junk",
    [b"\x03\xff\xff\xff", b"\x00", b"\x80" * 11, b"\x02\x9a\x06", b"\x04\x0a\x02\x0a\x00"],
    ids=["no message", "empty", "endless length", "unknown field", "padded"],
)
def test_bytes_that_are_no_request_are_refused(tmp_path, junk):
    async def play() -> None:
        async with serving(kvstore(), tmp_path) as (server, failures):
            (refused,) = await raw_answers(server.address, junk)
            assert isinstance(refused, ResponseException)
            assert refused.error.startswith(errors.MALFORMED)
            assert not failures

    run_within(play())


def test_the_reason_arrives_although_more_was_sent(tmp_path):
    """A connection closed over unread bytes is reset, and what was said last is lost with it."""

    async def play() -> None:
        async with serving(kvstore(), tmp_path) as (server, _):
            reader, writer = await asyncio.open_unix_connection(str(server.address.path))
            writer.write(encode_delimited(Request(finalize(9))))
            writer.write(encode_delimited(Request(RequestEcho("x" * 50_000))) * 40)
            await asyncio.sleep(0.02)
            writer.write(encode_delimited(Request(RequestFlush())))
            received = await asyncio.wait_for(reader.read(), 5)
            found = decode_delimited(Response, received, 0, ABCI_FRAME_MAX_BYTES)
            assert found is not None
            assert found[0].value.error.startswith(errors.ORDER)
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    run_within(play())


def test_half_a_frame_executes_nothing(tmp_path):
    async def play() -> None:
        app = kvstore()
        async with serving(app, tmp_path) as (server, _):
            async with await AbciClient.connect(server.address) as client:
                await begin(client)
            whole = encode_delimited(Request(finalize(1, b"a=1")))
            with capture_logs() as logs:
                assert await raw_answers(server.address, whole[:-1], end=True) == []
                for _ in range(100):
                    if logs:
                        break
                    await asyncio.sleep(0.005)
            assert [line["code"] for line in logs if "code" in line] == ["abci_frame_cut"]
            assert "finalize 1" not in app.calls

    run_within(play())


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (finalize(5), errors.HEIGHT),
        (RequestCommit(), errors.ORDER),
        (init_chain(chain_id="another-1"), errors.CHAIN_EXISTS),
        (prepare(1), errors.HEIGHT),
    ],
)
def test_a_client_that_breaks_the_grammar_is_refused_and_nothing_is_lost(tmp_path, request_, code):
    async def play() -> None:
        kv = MemoryStore()
        app = kvstore(kv)
        async with serving(app, tmp_path) as (server, failures):
            async with await AbciClient.connect(server.address) as client:
                await begin(client)
                await run_block(client, 1, b"a=1")
                app_hash = await run_block(client, 2, b"b=2")
                with pytest.raises(AbciCallFailed) as refused:
                    await client.call(request_)
                assert refused.value.code == code
            async with await AbciClient.connect(server.address) as again:
                info = await again.call(INFO)
                assert (info.last_block_height, info.last_block_app_hash) == (2, app_hash)
                await run_block(again, 3, b"c=3")
            assert not failures
        assert kvstore(kv).info(INFO).last_block_height == 3

    run_within(play())


def test_an_engine_of_another_version_is_refused(tmp_path):
    async def play() -> None:
        async with serving(kvstore(), tmp_path) as (server, _):
            client = await AbciClient.connect(server.address)
            with pytest.raises(AbciCallFailed) as refused:
                await client.call(type(INFO)("0.37.2", 11, 8, "1.0.0"))
            assert refused.value.code == errors.VERSION
            await client.close()

    run_within(play())


def test_a_second_engine_is_refused_while_the_first_is_there(tmp_path):
    async def play() -> None:
        async with serving(kvstore(), tmp_path) as (server, _):
            first = await AbciClient.connect(server.address)
            await begin(first)
            async with await AbciClient.connect(server.address) as second:
                await second.call(INFO)
                with pytest.raises(AbciCallFailed) as refused:
                    await second.call(finalize(1, b"a=2"))
                assert refused.value.code == errors.CONSENSUS_TAKEN
            await run_block(first, 1, b"a=1")
            await first.close()

    run_within(play())


def test_an_engine_that_died_before_commit_is_followed_by_one_that_replays(tmp_path):
    async def play() -> None:
        app = kvstore()
        async with serving(app, tmp_path) as (server, _):
            async with await AbciClient.connect(server.address) as client:
                await begin(client)
                await run_block(client, 1, b"a=1")
                await client.call(finalize(2, b"a=2"))
            async with await AbciClient.connect(server.address) as client:
                assert (await client.call(INFO)).last_block_height == 1
                await run_block(client, 2, b"a=2")
                assert (await client.call(RequestQuery(data=b"a"))).value == b"2"

    run_within(play())


def test_what_the_application_refuses_is_no_failure_of_it(tmp_path):
    async def play() -> None:
        app = kvstore()

        def refuse(_request):
            raise GenesisError("no such town")

        app.init_chain = refuse
        async with serving(app, tmp_path, refusals=(GenesisError,)) as (server, failures):
            async with await AbciClient.connect(server.address) as client:
                await client.call(INFO)
                with pytest.raises(AbciCallFailed, match="abci_refused: no such town"):
                    await client.call(init_chain())
            assert not failures

    run_within(play())


def test_a_broken_application_answers_once_and_then_nobody(tmp_path):
    async def play() -> None:
        app = kvstore()
        async with serving(app, tmp_path) as (server, failures):
            watcher = await AbciClient.connect(server.address)
            async with await AbciClient.connect(server.address) as client:
                await begin(client)
                with pytest.raises(AbciCallFailed) as failed:
                    await client.call(finalize(1, b"val:zz=1"))  # not hexadecimal: ValueError
                assert failed.value.code == errors.BROKEN
            assert [type(failure) for failure in failures] == [ValueError]
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(watcher.call(RequestEcho("anybody")), 0.05)
            await watcher.close()

    run_within(play())


def test_an_answer_that_cannot_be_sent_is_the_applications_failure_too(tmp_path):
    async def play() -> None:
        app = kvstore()
        app.info = lambda _request: ResponseInfo(last_block_height=2**70)
        async with serving(app, tmp_path, is_strict=False) as (server, failures):
            client = await AbciClient.connect(server.address)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(client.call(INFO), 0.05)
            await client.close()
            assert [type(failure) for failure in failures] == [ValueError]

    run_within(play())


def test_a_wrong_number_of_results_is_the_applications_failure(tmp_path):
    async def play() -> None:
        app = kvstore()
        honest = app.finalize_block
        app.finalize_block = lambda request: honest(finalize(request.height))
        async with serving(app, tmp_path) as (server, failures):
            async with await AbciClient.connect(server.address) as client:
                await begin(client)
                with pytest.raises(AbciCallFailed):
                    await client.call(finalize(1, b"a=1"))
            assert "breaks the grammar" in str(failures[0])

    run_within(play())


def test_connections_beyond_the_limit_are_closed_and_the_others_served(tmp_path):
    async def play() -> None:
        async with serving(kvstore(), tmp_path) as (server, _):
            clients = [
                await AbciClient.connect(server.address) for _ in range(ABCI_CONNECTIONS_MAX)
            ]
            for client in clients:
                await client.call(RequestEcho("here"))
            extra = await AbciClient.connect(server.address)
            with pytest.raises(AbciCallFailed):
                await extra.call(RequestEcho("me too"))
            await clients[0].call(RequestEcho("still"))
            for client in [*clients, extra]:
                await client.close()

    run_within(play())


def test_a_stop_lets_the_answers_leave_and_closes_everything(tmp_path):
    async def play() -> None:
        async with serving(kvstore(), tmp_path) as (server, _):
            client = await AbciClient.connect(server.address)
            answer = client.send(RequestEcho("last"))
            await answer
        with pytest.raises(AbciCallFailed):
            await client.call(RequestFlush())
        await client.close()
        assert not (tmp_path / "a.sock").exists()

    run_within(play())


async def count_until_cut(client: socket.socket) -> int:
    """Bytes that still come before the end, which is a reset when the server had not read all."""
    count = 0
    try:
        while more := await asyncio.get_running_loop().sock_recv(client, 65_536):
            count += len(more)
    except ConnectionResetError:
        pass
    return count


def test_a_client_that_reads_nothing_is_cut_at_the_stop(tmp_path, monkeypatch):
    monkeypatch.setattr("chain.abci.server.ABCI_CLOSE_MS", 20)

    async def play() -> None:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX) as deaf:
            deaf.setblocking(False)
            async with serving(kvstore(), tmp_path) as (server, _):
                await loop.sock_connect(deaf, str(server.address.path))
                data = encode_delimited(Request(RequestEcho("x" * 100_000)))
                sending = loop.create_task(loop.sock_sendall(deaf, data * 60))
                async with await AbciClient.connect(server.address) as client:
                    assert (await client.call(RequestEcho("served"))).message == "served"
                assert not sending.done(), "the server reads no further than it is read"
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            assert 0 < await count_until_cut(deaf) < 60 * 100_000, "cut in the middle"

    run_within(play())


def test_only_the_owner_may_connect_to_the_unix_socket(tmp_path):
    async def play() -> None:
        async with serving(kvstore(), tmp_path) as (server, _):
            mode = stat.S_IMODE(os.stat(str(server.address.path)).st_mode)
            assert mode == 0o600

    run_within(play())


def test_the_socket_of_a_killed_process_is_taken_over_that_of_a_living_one_is_not(tmp_path):
    async def play() -> None:
        dead = socket.socket(socket.AF_UNIX)
        dead.bind(str(tmp_path / "a.sock"))
        dead.close()
        async with serving(kvstore(), tmp_path) as (server, _):
            with pytest.raises(AddressTaken):
                async with serving(kvstore(), tmp_path):
                    pass
            async with await AbciClient.connect(server.address) as client:
                await client.call(RequestEcho("alive"))

    run_within(play())


def test_our_client_refuses_to_break_the_grammar_before_anything_leaves(tmp_path):
    async def play() -> None:
        app = kvstore()
        async with serving(app, tmp_path) as (server, _):
            async with await AbciClient.connect(server.address, grammar=Grammar()) as client:
                with pytest.raises(AbciRefusal):
                    await client.call(finalize(1))
                await begin(client)
                await run_block(client, 1, b"a=1")
            assert [c for c in app.calls if c.startswith("finalize")] == ["finalize 1"]

    run_within(play())


def test_a_server_that_answers_something_else_is_noticed_by_our_client(tmp_path):
    async def play() -> None:
        async def lie(reader, writer):
            await reader.read(100)
            writer.write(encode_delimited(Response(ResponseFlush())))
            await writer.drain()
            writer.close()

        server = await asyncio.start_unix_server(lie, str(tmp_path / "l.sock"))
        address = SocketAddress(path=tmp_path / "l.sock")
        async with await AbciClient.connect(address, grammar=Grammar()) as client:
            with pytest.raises(AbciCallFailed, match="does not answer Info"):
                await client.call(INFO)
        server.close()
        await server.wait_closed()

    run_within(play())


def test_a_defect_of_our_client_fails_who_waits_instead_of_leaving_them_waiting(
    tmp_path, monkeypatch
):
    def defect(*_args: object) -> None:
        raise RuntimeError("planted")

    async def play() -> None:
        async with (
            serving(kvstore(), tmp_path) as (server, _),
            await AbciClient.connect(server.address) as client,
        ):
            monkeypatch.setattr("chain.abci.client.decode", defect)
            with pytest.raises(AbciCallFailed, match="planted"):
                await asyncio.wait_for(client.call(RequestEcho("x")), 10)

    run_within(play())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("tcp://127.0.0.1:26658", "tcp://127.0.0.1:26658"),
        ("unix:///run/a.sock", "unix:///run/a.sock"),
    ],
)
def test_addresses_are_cometbfts(text, shown):
    assert str(parse_address(text)) == shown


@pytest.mark.parametrize(
    "text", ["", "127.0.0.1:1", "tcp://h", "tcp://h:70000", "unix://", "unix:///" + "x" * 120]
)
def test_other_addresses_are_refused(text):
    with pytest.raises(InvalidAddress):
        parse_address(text)


def test_a_connection_whose_request_is_prepared_elsewhere_holds_up_nobody_else(tmp_path):
    """In its order when it is: what came before is answered before, what comes after waits too."""

    async def play() -> None:
        app, asked, release = kvstore(), [], []

        def must_wait(requests, then):
            asked.append(list(requests))
            if requests[0] != RequestCheckTx(b"dear=1") or len(asked) > 3:
                return False
            release.append(then)
            return True

        async with serving(app, tmp_path, must_wait=must_wait) as (server, failures):
            mempool = await AbciClient.connect(server.address)
            consensus = await AbciClient.connect(server.address)
            query = await AbciClient.connect(server.address)
            await begin(consensus)
            asked.clear()
            txs = [b"dear=1", b"next=1", b"last=1"]
            sent = [mempool.send(RequestCheckTx(tx)) for tx in txs]
            await until(lambda: release)
            assert await query.call(RequestEcho("here")) == ResponseEcho("here")
            await consensus.call(prepare(1))
            assert not any(answer.done() for answer in sent)
            assert len([a for a in asked if a[0] == RequestCheckTx(b"dear=1")]) == 1, "asked once"
            asked += [[], [], []]
            release[0]()
            assert all(answer.is_ok() for answer in await asyncio.gather(*sent))
            await asyncio.gather(mempool.close(), consensus.close(), query.close())
            assert not failures

    run_within(play())


def test_what_breaks_while_it_asks_whether_to_wait_ends_the_application(tmp_path):
    async def play() -> None:
        def breaks(_requests, _then):
            raise ZeroDivisionError

        async with serving(kvstore(), tmp_path, must_wait=breaks) as (server, failures):
            client = await AbciClient.connect(server.address)
            client.send(RequestEcho("x"))
            await until(lambda: failures)
            assert isinstance(failures[0], ZeroDivisionError)
            await client.close()

    run_within(play())
