"""Cut lines: halves, ring, one alone, one-way, flapping. Nothing is decided in a minority; soon after, all go on."""

import time
from collections.abc import Iterable

from tests.drills.crash import check_nobody_equivocated
from tests.drills.links import Links, make_linked_town
from tests.drills.report import Drill, drill
from tests.drills.town import Load, Town

RECOVERY_AIM_S = 15.0
HALVES = ((0, 2), (0, 3), (1, 2), (1, 3))
RING = ((0, 2), (1, 3))
ALONE = ((0, 3), (1, 3), (2, 3))


def both_ways(pairs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Each line in both directions."""
    return [way for a, b in pairs for way in ((a, b), (b, a))]


def heal_and_wait(run: Drill, town: Town, links: Links, what: str) -> None:
    """Mend the lines; all four decide a transaction given to each of them, within the aim."""
    links.heal()
    started_s = time.monotonic()
    above = max(town.tips())
    for node in town.nodes:
        node.send(town.tx())
    town.wait(lambda: min(town.tips()) > above, 60)
    took_s = time.monotonic() - started_s
    run.measure(f"recovery_after_{what}_s", round(took_s, 2))
    run.check(f"{what}: all decide again within 15 s", took_s < RECOVERY_AIM_S, f"{took_s:.2f} s")


@drill
def partition(run: Drill) -> None:
    """Every kind of cut, one after the other, under load."""
    town, links = make_linked_town(run)
    seconds = 4.0 if run.is_quick else 15.0
    town.start()
    run.did(f"four validators, lines cut by {links.kind}")
    loads: list[Load] = []

    def cut_for(what: str, ways: list[tuple[int, int]], sides: list[list[int]]) -> list[int]:
        """Cut, keep up the load on every side, heal; heights each side gained."""
        for source, target in ways:
            links.cut(source, target)
        time.sleep(1.0)  # what was on its way may still end one height
        before = [max(town.tips(side)) for side in sides]
        with Load(town) as load:
            time.sleep(seconds)
            gained = [max(town.tips(side)) - b for side, b in zip(sides, before, strict=True)]
            run.did(f"{what} for {seconds:g} s under 5 tx/s: heights gained {gained}")
            heal_and_wait(run, town, links, what)
        loads.append(load)
        return gained

    with Load(town) as load:
        time.sleep(1.0)
    loads.append(load)
    gained = cut_for("halves", both_ways(HALVES), [[0, 1], [2, 3]])
    run.check("halves: neither side decides", gained == [0, 0], gained)
    gained = cut_for("one-alone", both_ways(ALONE), [[0, 1, 2], [3]])
    run.check("one alone: it decides nothing", gained[1] == 0, gained)
    run.check("one alone: the three go on", gained[0] > 0, gained)
    gained = cut_for("ring", both_ways(RING), [[0], [1], [2], [3]])
    run.check("ring: each goes on through its neighbours", min(gained) > 0, gained)
    gained = cut_for("one-way", [(3, 0), (3, 1), (3, 2)], [[0, 1, 2]])
    run.check("one-way: who is not heard stops nobody", gained[0] > 0, gained)
    flap(run, town, links, loads, seconds)
    for other in loads[1:]:
        loads[0].absorb(other)
    town.check_kept(run, loads[0])
    check_nobody_equivocated(run, town)


def flap(run: Drill, town: Town, links: Links, loads: list[Load], seconds: float) -> None:
    """Halves that come and go every second."""
    with Load(town) as load:
        for _ in range(int(seconds)):
            for source, target in both_ways(HALVES):
                links.cut(source, target)
            time.sleep(0.6)
            links.heal()
            time.sleep(0.4)
        run.did(f"halves cut and healed every second for {seconds:g} s")
        heal_and_wait(run, town, links, "flapping")
    loads.append(load)


@drill
def partition_by_proxies(run: Drill) -> None:
    """Halves and healing again, by the proxies that serve where namespaces are not permitted."""
    town, links = make_linked_town(run, force_proxies=True)
    town.start()
    run.did(f"four validators, lines cut by {links.kind}")
    with Load(town) as load:
        time.sleep(1.0)
        for source, target in both_ways(HALVES):
            links.cut(source, target)
        time.sleep(1.0)
        before = town.tips()
        time.sleep(3.0 if run.is_quick else 10.0)
        run.check("neither half decides", town.tips() == before, town.tips())
        heal_and_wait(run, town, links, "halves")
    town.check_kept(run, load)
    check_nobody_equivocated(run, town)
