# SPDX-License-Identifier: Apache-2.0
"""Meters with packets: a whole day each day, the same octets until they are confirmed, through a restart too."""

from __future__ import annotations

from pathlib import Path

from duaarah.sim.town.clock import instant_of
from duaarah.sim.town.load import DAY_US
from duaarah.sim.town.memory import Memory
from duaarah.sim.town.packets import has_packets
from duaarah.sim.town.profiles import Packets
from duaarah.sim.town.town import Town
from duaarah.sim.town.world import HEAD_END_TITLE, make_world
from duaarah.wire.dlms import apdu, ciphering, notification, wrapper
from duaarah.wire.dlms.ciphering import Keys

WORLD = make_world(7, 20)
METER = next(meter for meter in WORLD.meters if has_packets(7, meter))
KEYS = Keys(METER.ek, METER.ak)


def opened(push: bytes) -> apdu.DataNotification:
    read = apdu.decode(ciphering.unprotect(ciphering.parse(wrapper.scan(push)[0].apdu), KEYS))
    assert isinstance(read, apdu.DataNotification)
    return read


def confirmation(push: bytes, counter: int) -> bytes:
    frame = wrapper.scan(push)[0]
    plain = notification.confirmation(opened(push).long_invoke)
    answer = ciphering.protect(plain, keys=KEYS, system_title=HEAD_END_TITLE, counter=counter)
    return wrapper.wrap(wrapper.Wrapped(frame.destination, frame.source, answer))


def until(town: Town, at_us: int) -> None:
    while town.queue.next_due_us() is not None and (town.queue.next_due_us() or 0) <= at_us:
        town.run(town.queue.next_due_us() or 0, 1)
        town.keep()
    town.now_us = at_us


def test_a_day_is_sent_until_it_is_confirmed_and_survives_a_restart(tmp_path: Path) -> None:
    sent: list[tuple[str, bytes]] = []
    file = tmp_path / "town"

    def town() -> Town:
        packets = Packets(lambda drn, push: sent.append((drn, push)))
        return Town(WORLD, send=lambda sms: None, memory=Memory(file, WORLD), packets=packets)

    first = town()
    first.start(0)
    until(first, DAY_US + 3 * 3_600_000_000)
    mine = [push for drn, push in sent if drn == METER.drn]
    assert len(mine) == 1 and {drn for drn, _ in sent} == {*(m.drn for m in WORLD.meters), *first.totals}
    rows = opened(mine[0]).body.value[2].value
    used = [row.value[2].value for row in rows]
    assert len(rows) == 97 and used[0] == 0
    if not first.supplies[METER.drn].sim.tokens_accepted and first.supplies[METER.drn].sim.credit_wh:
        curve = METER.curve
        assert used == [curve.used_mwh(number * DAY_US // 96) // 1000 for number in range(97)]
    # No answer: again a quarter of an hour later, the same octets; through a restart as well.
    first.packets.answered(first, first.supplies[METER.drn], None)
    first.keep()
    assert first._memory is not None
    first._memory.close()
    sent.clear()
    second = town()
    until(second, second.now_us + 16 * 60_000_000)
    assert [push for drn, push in sent if drn == METER.drn] == mine
    supply = second.supplies[METER.drn]
    second.packets.answered(second, supply, confirmation(mine[0], 1))
    assert supply.ip is not None and supply.ip.days_told == 1
    assert supply.ip.due(instant_of(second.now_us)) is None
    # A confirmation that comes twice, or is somebody else's, confirms nothing more.
    assert not supply.ip.receive(confirmation(mine[0], 1))
    sent.clear()
    until(second, 2 * DAY_US + 3 * 3_600_000_000)
    [next_day] = [push for drn, push in sent if drn == METER.drn]
    assert opened(next_day).body.value[2].value[0].value[2].value == used[-1]
