"""Connections between nodes: who gets in, what ends a connection, what stays bounded."""

import asyncio
import gc
import socket

import pytest

from chain import limits
from chain.codec.proto import encode
from chain.p2p.certificates import make_certificate
from chain.p2p.channels import CHANNELS, ChannelId
from chain.p2p.errors import PeerFault
from chain.p2p.frames import FrameReader, encode_frame
from chain.p2p.switch import PeerAddress
from chain.types.messages import (
    ConsensusMessage,
    HasVote,
    MempoolMessage,
    NewRoundStep,
    Packet,
    PacketMsg,
    Txs,
)
from chain.types.primitives import SignedMsgType
from tests.p2p.net import (
    QUICK,
    Net,
    address,
    changed,
    id_of,
    info_of,
    is_cut,
    run,
    seed_of,
    trust,
)
from tests.waiting import run_within, until

STEP = ConsensusMessage(NewRoundStep(7, 0, 1, 0, 0))


def txs(*items: bytes) -> MempoolMessage:
    return MempoolMessage(Txs(items))


def test_two_nodes_meet_and_hear_each_other(tmp_path):
    async def test(net: Net) -> None:
        a = await net.start("a", trust("b"))
        b = await net.start("b", trust("a"), persistent=(address("a", a.listen_port),))
        await until(lambda: a.is_connected(id_of("b")) and b.is_connected(id_of("a")))
        assert a.send(id_of("b"), ChannelId.STATE, STEP)
        b.broadcast(ChannelId.MEMPOOL, txs(b"x"), besides=frozenset())
        await until(lambda: net.heard["a"] and net.heard["b"])
        assert net.heard["b"] == [(id_of("a"), STEP)]
        assert net.heard["a"] == [(id_of("b"), txs(b"x"))]

    run(tmp_path, test)


def test_a_broadcast_spares_those_it_is_told_to(tmp_path):
    async def test(net: Net) -> None:
        a = await net.start("a", trust("b", "c"))
        for name in ("b", "c"):
            await net.start(name, trust("a"), persistent=(address("a", a.listen_port),))
        await until(lambda: len(a.peers()) == 2)
        a.broadcast(ChannelId.MEMPOOL, txs(b"x"), besides=frozenset({id_of("b")}))
        a.broadcast(ChannelId.MEMPOOL, txs(b"y"), besides=frozenset())
        await until(lambda: len(net.heard["c"]) == 2 and net.heard["b"])
        assert [m for _, m in net.heard["b"]] == [txs(b"y")]

    run(tmp_path, test)


def test_both_dial_at_once_and_one_connection_stays(tmp_path):
    async def test(net: Net) -> None:
        ports = []
        for _ in range(2):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                ports.append(probe.getsockname()[1])
        await asyncio.gather(
            net.start("a", trust("b"), listen_port=ports[0], persistent=(address("b", ports[1]),)),
            net.start("b", trust("a"), listen_port=ports[1], persistent=(address("a", ports[0]),)),
        )
        a, b = net.switches["a"], net.switches["b"]
        await until(lambda: a.peers() and b.peers())
        await asyncio.sleep(0.5)
        assert len(a.peers()) == len(b.peers()) == 1
        connected = a.counts["p2p_connected"], b.counts["p2p_connected"]
        await asyncio.sleep(0.3)
        assert (a.counts["p2p_connected"], b.counts["p2p_connected"]) == connected, "it settled"
        a.send(id_of("b"), ChannelId.STATE, STEP)
        b.send(id_of("a"), ChannelId.STATE, STEP)
        await until(lambda: net.heard["a"] and net.heard["b"])

    run(tmp_path, test)


def test_a_peer_that_comes_back_is_dialled_again(tmp_path):
    async def test(net: Net) -> None:
        a = await net.start("a", trust("b"))
        port = a.listen_port
        b = await net.start("b", trust("a"), persistent=(address("a", port),))
        await until(lambda: b.peers())
        await a.stop()
        await until(lambda: not b.peers())
        await asyncio.sleep(0.3)
        again = await net.start("a", trust("b"), listen_port=port)
        await until(lambda: b.peers() and again.peers())
        assert (b.peers(), again.peers()) == ((id_of("a"),), (id_of("b"),))

    run(tmp_path, test)


def test_a_newer_connection_of_the_same_peer_replaces_a_dead_one(tmp_path):
    """A machine that lost power comes back before we noticed; it must not wait for our timeout."""

    async def test(net: Net) -> None:
        a = await net.start("a", trust("b"))
        reader, _ = await net.raw_admitted("b", a, "a")
        await net.raw_admitted("b", a, "a")
        await until(lambda: a.counts["p2p_connected"] == 2)
        assert a.counts["p2p_replaced"] == 1
        assert await is_cut(reader)
        assert a.peers() == (id_of("b"),)

    run(tmp_path, test)


def test_a_certificate_that_is_not_on_the_list_is_refused_and_counted(tmp_path):
    async def test(net: Net) -> None:
        a = await net.start("a", trust("b"))
        stranger = await net.start("z", trust("a"), persistent=(address("a", a.listen_port),))
        await until(lambda: a.counts["p2p_unknown_certificate"])
        assert a.peers() == stranger.peers() == ()

    run(tmp_path, test)


def test_a_listener_with_an_unknown_certificate_is_refused_by_who_dials(tmp_path):
    async def test(net: Net) -> None:
        z = await net.start("z", trust("a"))
        a = await net.start("a", trust("b"), persistent=(address("b", z.listen_port),))
        await until(lambda: a.counts["p2p_unknown_certificate"])
        assert a.peers() == z.peers() == ()

    run(tmp_path, test)


def test_a_trusted_peer_at_another_peers_address_is_refused(tmp_path):
    async def test(net: Net) -> None:
        c = await net.start("c", trust("a"))
        a = await net.start("a", trust("b", "c"), persistent=(address("b", c.listen_port),))
        await until(lambda: a.counts["p2p_wrong_peer"])
        assert a.peers() == ()

    run(tmp_path, test)


def test_plain_tcp_and_older_tls_do_not_get_in(tmp_path):
    async def test(net: Net) -> None:
        a = await net.start("a", trust("b"))
        reader, writer = await net.connect(a.listen_port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await is_cut(reader)
        await until(lambda: a.counts["p2p_tls"] == 1)

    run(tmp_path, test)


@pytest.mark.parametrize(
    ("info", "code"),
    [
        (info_of("b", network="other-1"), "p2p_wrong_chain"),
        (info_of("b", block=12), "p2p_wrong_version"),
        (info_of("c"), "p2p_wrong_id"),
    ],
)
def test_a_peer_of_another_chain_version_or_name_is_refused_and_counted(tmp_path, info, code):
    async def test(net: Net) -> None:
        a = await net.start("a", trust("b"))
        reader, writer = await net.raw("b", a, "a")
        writer.write(encode_frame(ChannelId.NODE_INFO, encode(info)))
        assert await is_cut(reader)
        assert a.counts[code] == 1
        assert a.peers() == ()

    run(tmp_path, test)


def header(length: int, channel: int) -> bytes:
    return length.to_bytes(4, "big") + bytes((channel,))


BAD_FRAMES = [
    (header(CHANNELS[ChannelId.VOTE].max_bytes + 1, ChannelId.VOTE), "p2p_frame_too_large"),
    (header(2**32 - 1, ChannelId.BLOCKSYNC), "p2p_frame_too_large"),
    (header(0, 0x99), "p2p_unknown_channel"),
    (encode_frame(ChannelId.STATE, b"\xff\xff"), "p2p_malformed"),
    (encode_frame(ChannelId.STATE, encode(STEP) + b"\x00"), "p2p_malformed"),
    (encode_frame(ChannelId.MEMPOOL, b"\x0a"), "p2p_malformed"),
    (encode_frame(ChannelId.KEEP_ALIVE, b"\x55"), "p2p_malformed"),
    (
        encode_frame(ChannelId.KEEP_ALIVE, encode(Packet(PacketMsg(0x20, True, b"x")))),
        "p2p_protocol",
    ),
    (encode_frame(ChannelId.NODE_INFO, encode(info_of("b"))), "p2p_protocol"),
]


@pytest.mark.parametrize(("frame", "code"), BAD_FRAMES)
def test_a_bad_frame_ends_the_connection_and_is_counted(tmp_path, frame, code):
    async def test(net: Net) -> None:
        a = await net.start("a", trust("b"))
        reader, writer = await net.raw_admitted("b", a, "a")
        writer.write(frame)
        assert await is_cut(reader)
        assert a.counts[code] == 1
        assert a.peers() == ()
        assert net.heard["a"] == []

    run(tmp_path, test)


def test_messages_before_the_introduction_are_refused(tmp_path):
    async def test(net: Net) -> None:
        a = await net.start("a", trust("b"))
        reader, writer = await net.raw("b", a, "a")
        writer.write(encode_frame(ChannelId.STATE, encode(STEP)))
        assert await is_cut(reader)
        assert a.counts["p2p_protocol"] == 1
        assert net.heard["a"] == []

    run(tmp_path, test)


def test_a_fault_found_by_a_handler_ends_the_connection(tmp_path):
    async def test(net: Net) -> None:
        a = await net.start("a", trust("b"))

        def refuse(_peer: str, _message: object) -> None:
            raise PeerFault("p2p_protocol", "no")

        a.handle(ChannelId.STATE, refuse)
        reader, writer = await net.raw_admitted("b", a, "a")
        writer.write(encode_frame(ChannelId.STATE, encode(STEP)))
        assert await is_cut(reader)
        assert a.counts["p2p_protocol"] == 1

    run(tmp_path, test)


def test_a_failing_handler_reaches_the_loop_and_not_the_socket(tmp_path):
    """An OSError of our own disk inside a handler must stop the node, not pass for a broken connection."""

    async def test(net: Net) -> None:
        a = await net.start("a", trust("b"))

        def fail(_peer: str, _message: object) -> None:
            raise OSError("disk")

        a.handle(ChannelId.STATE, fail)
        _, writer = await net.raw_admitted("b", a, "a")
        writer.write(encode_frame(ChannelId.STATE, encode(STEP)))
        await until(lambda: net.escaped)
        assert str(net.escaped.pop()["exception"]) == "disk"

    run(tmp_path, test)


def test_who_never_finishes_the_handshake_or_the_introduction_is_cut(tmp_path):
    async def test(net: Net) -> None:
        a = await net.start("a", trust("b"), rules=changed(QUICK, handshake_s=0.8))
        silent, _writer = await net.connect(a.listen_port)
        nameless, _writer2 = await net.raw("b", a, "a")
        assert await is_cut(silent)
        assert await is_cut(nameless)
        assert a.counts["p2p_handshake_timeout"] == 2

    run(tmp_path, test)


def test_strangers_hold_a_bounded_number_of_connections_and_peers_still_get_in(tmp_path):
    async def test(net: Net) -> None:
        rules = changed(QUICK, handshake_s=0.8)
        a = await net.start("a", trust("b"), max_handshakes=8, rules=rules)
        for _ in range(40):
            await net.connect(a.listen_port)
        await until(lambda: a.counts["p2p_too_many_handshakes"] >= 32)
        assert len(a._strangers) <= 8
        b = await net.start("b", trust("a"), persistent=(address("a", a.listen_port),))
        await until(lambda: b.peers())
        assert b.peers() == (id_of("a"),)

    run(tmp_path, test)


def test_a_handshake_that_failed_holds_no_place(tmp_path):
    async def test(net: Net) -> None:
        a = await net.start("a", trust("b"), max_handshakes=4)
        for done in range(8):
            _, writer = await net.connect(a.listen_port)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            await until(lambda done=done: a.counts["p2p_tls"] > done)
        b = await net.start("b", trust("a"), persistent=(address("a", a.listen_port),))
        await until(lambda: b.peers())
        assert a.counts["p2p_too_many_handshakes"] == 0

    run(tmp_path, test)


def test_a_dial_that_ends_in_no_handshake_takes_no_place_of_those_who_call(tmp_path):
    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def test(net: Net) -> None:
        async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as deaf:
            port = deaf.sockets[0].getsockname()[1]
            a = await net.start(
                "a", trust("b", "c"), max_handshakes=2, persistent=(address("c", port),)
            )
            await until(lambda: sum(a.counts.values()) >= 4)
            await until(lambda: not a._strangers)
            b = await net.start("b", trust("a"), persistent=(address("a", a.listen_port),))
            await until(lambda: b.peers())
            assert b.peers() == (id_of("a"),)
            assert a.counts["p2p_too_many_handshakes"] == 0

    run(tmp_path, test)


def test_a_dial_that_hangs_takes_no_place_of_those_who_call(tmp_path):
    async def test(net: Net) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            home = address("b", silent.getsockname()[1])
            rules = changed(QUICK, handshake_s=60, silent_s=60)
            a = await net.start("a", trust("b"), max_handshakes=1, rules=rules, persistent=(home,))
            await until(lambda: len(a._strangers) == 1)
            await net.connect(a.listen_port, local_addr=("127.0.0.2", 0))
            await until(lambda: len(a._strangers) == 2)
            assert sorted(a._strangers.values()) == ["", "127.0.0.2"], "one dialled, one called"
            assert a.counts["p2p_too_many_handshakes"] == 0

    run(tmp_path, test)


def can_listen_to_both() -> bool:
    """Whether an IPv6 socket of this machine also takes IPv4 connections."""
    if not socket.has_dualstack_ipv6():
        return False
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.parametrize("host", ["127.0.0.1", "::"])
def test_strangers_cannot_take_the_places_of_hosts_where_peers_live(tmp_path, host):
    if host == "::" and not can_listen_to_both():
        pytest.skip("no IPv6 on this machine")

    async def test(net: Net) -> None:
        rules = changed(QUICK, handshake_s=60, silent_s=60)
        home = PeerAddress(id_of("b"), "127.0.0.1", 1)
        a = await net.start(
            "a",
            trust("b"),
            max_handshakes=8,
            rules=rules,
            persistent=(home,),
            listen_host=host,
        )
        for _ in range(20):
            await net.connect(a.listen_port, local_addr=("127.0.0.2", 0))
        await until(lambda: a.counts["p2p_too_many_handshakes"] == 12)
        b = await net.start("b", trust("a"), persistent=(address("a", a.listen_port),))
        await until(lambda: b.peers())
        for _ in range(20):
            await net.connect(a.listen_port)
        await until(lambda: a.counts["p2p_too_many_handshakes"] == 24)
        waiting = sorted(filter(None, a._strangers.values()))
        assert waiting == ["127.0.0.1"] * 8 + ["127.0.0.2"] * 8, "as many places at each"
        assert a.is_connected(id_of("b")), "who is in stays in"

    run(tmp_path, test)


def test_the_host_where_a_peer_was_met_last_keeps_its_places_when_the_peer_is_gone(tmp_path):
    async def test(net: Net) -> None:
        rules = changed(QUICK, handshake_s=60, silent_s=60)
        a = await net.start("a", trust("b"), max_handshakes=8, rules=rules)
        b = await net.start("b", trust("a"), persistent=(address("a", a.listen_port),))
        await until(a.peers)
        await b.stop()
        await until(lambda: not a.peers())
        for _ in range(20):
            await net.connect(a.listen_port, local_addr=("127.0.0.2", 0))
        await until(lambda: a.counts["p2p_too_many_handshakes"] == 12)
        again = await net.start("b", trust("a"), persistent=(address("a", a.listen_port),))
        await until(a.peers)
        await again.stop()
        a.set_trusted(trust("c"))  # where b lived is a place as any other now
        for _ in range(8):
            await net.connect(a.listen_port)
        await until(lambda: a.counts["p2p_too_many_handshakes"] == 20)

    run(tmp_path, test)


def test_who_leaves_the_list_in_the_middle_of_its_introduction_is_not_admitted(tmp_path):
    async def test(net: Net) -> None:
        a = await net.start("a", trust("b", "c"))
        reader, writer = await net.raw("b", a, "a")
        await reader.readexactly(5)  # a has compared the key
        a.set_trusted(trust("c"))
        writer.write(encode_frame(ChannelId.NODE_INFO, encode(info_of("b"))))
        assert await is_cut(reader)
        assert a.peers() == ()
        assert a.counts["p2p_unknown_certificate"] == 1

    run(tmp_path, test)


def test_more_peers_than_allowed_are_refused(tmp_path):
    async def test(net: Net) -> None:
        a = await net.start("a", trust("b", "c"), max_peers=1)
        await net.raw_admitted("b", a, "a")
        reader, writer = await net.raw("c", a, "a")
        writer.write(encode_frame(ChannelId.NODE_INFO, encode(info_of("c"))))
        assert await is_cut(reader)
        assert a.counts["p2p_too_many_peers"] == 1
        assert a.peers() == (id_of("b"),)

    run(tmp_path, test)


def test_a_peer_that_does_not_read_costs_bounded_memory_and_others_hear_all(tmp_path):
    bound = 256 * limits.KIB

    async def test(net: Net) -> None:
        rules = changed(QUICK, queue_max_bytes=bound, write_buffer_bytes=16_384, stalled_s=60)
        a = await net.start("a", trust("b", "c"), rules=rules)
        await net.start("c", trust("a"), persistent=(address("a", a.listen_port),))
        reader, _writer = await net.raw_admitted("b", a, "a")
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        await until(lambda: len(a.peers()) == 2)
        for n in range(300):
            a.broadcast(ChannelId.MEMPOOL, txs(bytes(50_000), b"%d" % n), besides=frozenset())
            await asyncio.sleep(0)
            assert a._peers[id_of("b")].queued_bytes <= bound
        await until(lambda: len(net.heard["c"]) == 300, 5)
        assert a.counts["p2p_queue_dropped"] > 100
        assert a.is_connected(id_of("b")), "slow is not a fault yet"

    run(tmp_path, test)


def test_a_peer_that_reads_nothing_for_long_is_dropped(tmp_path):
    async def test(net: Net) -> None:
        rules = changed(QUICK, write_buffer_bytes=16_384, stalled_s=0.2)
        a = await net.start("a", trust("b"), rules=rules)
        reader, _writer = await net.raw_admitted("b", a, "a")
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(200):
            a.send(id_of("b"), ChannelId.MEMPOOL, txs(bytes(60_000)))
        await until(lambda: a.counts["p2p_stalled"] == 1)
        assert a.peers() == ()

    run(tmp_path, test)


def test_a_silent_connection_is_asked_and_then_dropped_while_a_live_one_stays(tmp_path):
    async def test(net: Net) -> None:
        rules = changed(QUICK, ping_s=0.1, silent_s=0.8)
        a = await net.start("a", trust("b", "c"), rules=rules)
        await net.start("c", trust("a"), persistent=(address("a", a.listen_port),))
        await net.raw_admitted("b", a, "a")
        await until(lambda: a.counts["p2p_silent"] == 1)
        assert a.peers() == (id_of("c"),)
        await asyncio.sleep(1)
        assert a.peers() == (id_of("c"),), "it answers pings"

    run(tmp_path, test)


def test_one_byte_at_a_time_is_silence(tmp_path):
    async def test(net: Net) -> None:
        a = await net.start("a", trust("b"), rules=changed(QUICK, ping_s=0.1, silent_s=0.4))
        reader, writer = await net.raw_admitted("b", a, "a")
        frame = encode_frame(ChannelId.MEMPOOL, encode(txs(bytes(1_000))))
        for byte in frame[:100]:
            writer.write(bytes((byte,)))
            await asyncio.sleep(0.01)
        assert await is_cut(reader)
        assert a.counts["p2p_silent"] == 1

    run(tmp_path, test)


def test_votes_are_handled_before_transactions_that_came_earlier(tmp_path):
    async def test(net: Net) -> None:
        a = await net.start("a", trust("b"))
        _, writer = await net.raw_admitted("b", a, "a")
        has_vote = ConsensusMessage(HasVote(1, 0, SignedMsgType.PREVOTE, 0))
        many = [encode_frame(ChannelId.MEMPOOL, encode(txs(b"%d" % n))) for n in range(50)]
        writer.write(b"".join(many) + encode_frame(ChannelId.STATE, encode(has_vote)))
        await until(lambda: len(net.heard["a"]) == 51)
        position = [message for _, message in net.heard["a"]].index(has_vote)
        assert position < 5

    run(tmp_path, test)


def test_a_flood_of_one_peer_does_not_delay_anothers_vote(tmp_path):
    """Ten thousand tiny messages wait when the vote comes; it is handled after about as many as there are peers."""

    async def test(net: Net) -> None:
        a = await net.start("a", trust("b", "c"))
        _, flood = await net.raw_admitted("b", a, "a")
        _, honest = await net.raw_admitted("c", a, "a")
        vote = ConsensusMessage(HasVote(1, 0, SignedMsgType.PREVOTE, 0))
        handled_first: list[int] = []

        def count(peer: str, message: object) -> None:
            net.heard["a"].append((peer, message))
            if message == vote:
                handled_first.append(len(net.heard["a"]))

        a.handle(ChannelId.STATE, count)
        pump = a._pump
        a._pump = lambda: None  # type: ignore[method-assign]  # let everything arrive first
        flood.write(encode_frame(ChannelId.STATE, encode(STEP)) * 10_000)
        honest.write(encode_frame(ChannelId.STATE, encode(vote)))
        await until(
            lambda: len(a._peers[id_of("b")].urgent) > 5_000 and a._peers[id_of("c")].urgent
        )
        a._pump = pump  # type: ignore[method-assign]
        a._is_pump_scheduled = False
        a._schedule_pump()
        await until(lambda: handled_first)
        assert handled_first[0] <= 3

    run(tmp_path, test)


def test_messages_that_wait_are_bounded_even_empty_ones(tmp_path):
    bound = 64 * limits.KIB

    async def test(net: Net) -> None:
        a = await net.start("a", trust("b"), rules=changed(QUICK, inbox_max_bytes=bound))
        _, writer = await net.raw_admitted("b", a, "a")
        pump = a._pump
        a._pump = lambda: None  # type: ignore[method-assign]
        frames = encode_frame(ChannelId.MEMPOOL, encode(txs())) * 400_000
        writer.write(frames)
        peer = a._peers[id_of("b")]
        await until(lambda: peer._is_read_paused)
        await asyncio.sleep(0.2)
        waiting = len(peer.bulk)
        assert waiting < 150_000, "what one read of the socket brought, not all"
        await asyncio.sleep(0.2)
        assert len(peer.bulk) == waiting
        a._pump = pump  # type: ignore[method-assign]
        a._is_pump_scheduled = False
        a._schedule_pump()
        await until(lambda: len(net.heard["a"]) > waiting + 1_000, 20)

    run(tmp_path, test)


def test_a_peer_taken_off_the_list_is_dropped(tmp_path):
    async def test(net: Net) -> None:
        a = await net.start("a", trust("b", "c"))
        for name in ("b", "c"):
            await net.start(name, trust("a"), persistent=(address("a", a.listen_port),))
        await until(lambda: len(a.peers()) == 2)
        a.set_trusted(trust("c"))
        await until(lambda: a.peers() == (id_of("c"),))
        await asyncio.sleep(0.3)
        assert a.peers() == (id_of("c"),)

    run(tmp_path, test)


def test_stopping_at_any_moment_of_a_handshake_leaves_no_socket_open(tmp_path):
    """The socket's own destructor is the judge: it warns when nobody closed it, and warnings fail the suite."""

    async def stop_after(turns: int) -> None:
        net = Net(tmp_path)
        a = await net.start("a", trust("b"))
        b = await net.start("b", trust("a"), persistent=(address("a", a.listen_port),))
        for _ in range(turns):
            await asyncio.sleep(0)
        await (b if turns % 2 else a).stop()
        await net.stop()

    for turns in range(60):
        run_within(stop_after(turns))
    gc.collect()


def test_a_peer_added_while_running_is_dialled_and_trusted(tmp_path):
    async def test(net: Net) -> None:
        b = await net.start("b", trust("a"))
        a = await net.start("a", trust("c"))
        a.set_trusted(trust("b", "c"))
        a.set_persistent((address("b", b.listen_port),))
        await until(lambda: a.peers() == (id_of("b"),))
        a.set_persistent(())
        b.punish(id_of("a"), "p2p_protocol", "ended by the test")
        await until(lambda: not a.peers())
        await asyncio.sleep(0.3)
        assert a.peers() == (), "no longer dialled"

    run(tmp_path, test)


def test_a_certificate_under_another_nodes_name_is_refused_at_start(tmp_path):
    async def test(net: Net) -> None:
        with pytest.raises(PeerFault, match="p2p_certificate"):
            await net.start("a", {id_of("b"): make_certificate(seed_of("c"))})

    run(tmp_path, test)


def test_a_certificate_is_the_same_whenever_it_is_made():
    assert make_certificate(seed_of("a")) == make_certificate(seed_of("a"))


def test_frames_are_cut_wherever_the_stream_is():
    frames = [(ChannelId.STATE, b"abc"), (ChannelId.VOTE, b""), (ChannelId.MEMPOOL, bytes(70_000))]
    stream = b"".join(encode_frame(channel, message) for channel, message in frames)
    for size in (1, 2, 5, 7, 4_096, len(stream)):
        reader = FrameReader()
        cut = [stream[i : i + size] for i in range(0, len(stream), size)]
        assert [frame for piece in cut for frame in reader.feed(piece)] == frames


def test_a_frame_of_ours_above_the_limit_is_not_sent():
    with pytest.raises(ValueError, match="VOTE"):
        encode_frame(ChannelId.VOTE, bytes(CHANNELS[ChannelId.VOTE].max_bytes + 1))
