# SPDX-License-Identifier: Apache-2.0
"""Plays: who may associate, protection and counters, APDUs, connections."""

from __future__ import annotations

import secrets

from duaarah.core.intent import MeterRegister
from duaarah.core.obis import LOGICAL_DEVICE_NAME, Obis
from duaarah.net.dlms import Endpoint, SessionFailed, SessionRefused, session
from duaarah.stage.comply.bench import Bench
from duaarah.stage.comply.plays import CLOCK, ENERGY, LOAD_PROFILE, associated, play
from duaarah.stage.comply.target import Failed, NotRun
from duaarah.wire.dlms import acse, apdu, blocks, hls
from duaarah.wire.dlms.blocks import AttributeOf
from duaarah.wire.dlms.ciphering import Keys
from duaarah.wire.dlms.initiate import Conformance

NOWHERE = Obis(0, 0, 254, 254, 254)
SHORT_PDU = 200
READINGS = 3


@play("assoc.public")
async def public(bench: Bench) -> str:
    async with bench.public() as probe:
        await associated(probe)
        name = (await probe.get(1, LOGICAL_DEVICE_NAME)).value
    if not isinstance(name, bytes) or not 3 < len(name) <= 16 or not name[:3].isalpha():
        raise Failed("The logical device name is not up to 16 octets that begin with the maker's three letters.")
    bench.notes["name"] = name
    return f"It is called {name.decode('ascii', 'replace')}."


@play("assoc.public_limited")
async def public_limited(bench: Bench) -> str:
    credit = bench.target.profile.registers[MeterRegister.CREDIT_LEFT_WH]
    asked = {
        "energy": (3, ENERGY, 2),
        "credit": (credit.class_id, credit.obis, credit.attribute),
        "the load profile": (7, LOAD_PROFILE, 2),
    }
    async with bench.public() as probe:
        await associated(probe)
        shown = [what for what, address in asked.items() if not (await probe.try_get(*address)).refused]
    if shown:
        raise Failed(f"The public client reads {', '.join(shown)}.")
    return "It is refused all three."


@play("assoc.password")
async def password(bench: Bench) -> str:
    async with bench.reader() as probe:
        await associated(probe)
        await probe.get(3, ENERGY)
    return "It associates and reads the energy."


@play("assoc.password_refused")
async def password_refused(bench: Bench) -> str:
    right = bench.target.password or b""
    wrong = bytes((right[:1] or b"x")[0] ^ 1 for _ in range(1)) + right[1:]
    async with bench.reader(wrong) as probe:
        refusal = await probe.associate()
    if refusal is None:
        raise Failed("The meter associates with a password that differs in one character.")
    return f"It refuses: {refusal}."


@play("assoc.hls")
async def high(bench: Bench) -> str:
    async with bench.manager() as probe:
        await associated(probe)
        await probe.get(8, CLOCK)
    return "It associates, proves its keys and answers ciphered."


@play("assoc.proof_refused")
async def proof_refused(bench: Bench) -> str:
    forged = hls.answer(
        secrets.token_bytes(16),
        keys=Keys(secrets.token_bytes(16), secrets.token_bytes(16)),
        title=bench.target.own_title,
        counter=bench.counter.next(),
    )
    async with bench.manager() as probe:
        refusal = await probe.associate(proof=forged)
        if refusal is None:
            raise Failed("The meter takes a forged answer to its challenge for a right one.")
        if not (await probe.try_get(8, CLOCK)).refused:
            raise Failed("The meter refuses the proof and serves the client nevertheless.")
    return f"It refuses: {refusal}."


@play("assoc.wrong_key")
async def wrong_key(bench: Bench) -> str:
    other = Keys(secrets.token_bytes(16), secrets.token_bytes(16))
    async with bench.manager() as probe:
        refusal = await probe.associate(keys=other)
    if refusal is None:
        raise Failed("The meter associates with a client that has other keys.")
    return f"It refuses: {refusal}."


@play("assoc.no_downgrade")
async def no_downgrade(bench: Bench) -> str:
    async with bench.manager() as probe:
        refusal = await probe.associate(plain=True)
    if refusal is None:
        raise Failed("The managing client associates without ciphering.")
    return f"It refuses: {refusal}."


@play("assoc.release")
async def release(bench: Bench) -> str:
    async with bench.public() as probe:
        await associated(probe)
        heard = await probe.release()
        if heard.octets[:1] != bytes((acse.RLRE,)):
            raise Failed(
                f"A release is not answered by RLRE: {heard.text if not heard.octets else heard.octets[:1].hex()}."
            )
        if not (await probe.try_get(1, LOGICAL_DEVICE_NAME)).refused:
            raise Failed("The meter serves a client that has been released.")
    return "It is released."


# -- protection --------------------------------------------------------------------------------------------------------


@play("sec.replay")
async def replay(bench: Bench) -> str:
    async with bench.manager() as probe:
        await associated(probe)
        sealed = probe.seal(apdu.encode(apdu.GetRequest(probe.invoke(), 8, CLOCK, 2)))
        if (await probe.say(sealed)).refused:
            raise Failed("The meter does not answer a sound request.")
        again = await probe.say(sealed)
        if not again.refused:
            raise Failed("The meter answers the same ciphered request a second time.")
    async with bench.manager() as probe:
        await associated(probe)
        if not (await probe.say(sealed)).refused:
            raise Failed("The meter answers a ciphered request of the session before.")
    return f"It refuses both times: {again.text}."


@play("sec.tag")
async def tag(bench: Bench) -> str:
    async with bench.manager() as probe:
        await associated(probe)
        sealed = probe.seal(apdu.encode(apdu.GetRequest(probe.invoke(), 8, CLOCK, 2)))
        heard = await probe.say(sealed[:-1] + bytes((sealed[-1] ^ 1,)))
        if not heard.refused:
            raise Failed("The meter answers a request whose authentication tag is wrong in one bit.")
    return f"It refuses: {heard.text}."


@play("sec.plain")
async def plain(bench: Bench) -> str:
    async with bench.manager() as probe:
        await associated(probe)
        heard = await probe.say(apdu.encode(apdu.GetRequest(probe.invoke(), 8, CLOCK, 2)))
        if not heard.refused:
            raise Failed("The meter answers a plain request of the managing client.")
    return f"It refuses: {heard.text}."


@play("sec.counters")
async def counters(bench: Bench) -> str:
    begin = len(bench.seen.counters)
    for _ in range(2):
        async with bench.manager() as probe:
            await associated(probe)
            for _ in range(READINGS):
                await probe.get(8, CLOCK)
    seen = bench.seen.counters[begin:]
    if len(set(seen)) != len(seen):
        twice = next(number for number in seen if seen.count(number) > 1)
        raise Failed(f"The meter ciphers {seen.count(twice)} answers under the invocation counter {twice}: one nonce.")
    if seen != sorted(seen):
        raise Failed("The meter's invocation counters do not rise.")
    return f"{len(seen)} answers, counters {seen[0]} to {seen[-1]}."


@play("sec.title")
async def title(bench: Bench) -> str:
    told, name = bench.seen.title or b"", bench.notes.get("name", b"")
    if len(told) != 8 or told[:3] != name[:3]:
        raise Failed(f"The system title {told.hex()} does not begin with the maker's letters {name[:3]!r}.")
    if bench.target.meter_title not in (None, told):
        raise Failed(f"The meter calls itself {told.hex()}, the key file {(bench.target.meter_title or b'').hex()}.")
    return f"Its system title is {told.hex()}."


# -- APDUs -------------------------------------------------------------------------------------------------------------


@play("apdu.malformed")
async def malformed(bench: Bench) -> str:
    async with bench.manager() as probe:
        await associated(probe)
        asked = {
            "a GET that is cut off": probe.seal(bytes.fromhex("c001c10003")),
            "an unknown APDU": bytes.fromhex("990102"),
        }
        for what, octets in asked.items():
            heard = await probe.say(octets)
            if heard.plain[:1] != bytes((apdu.EXCEPTION_RESPONSE,)):
                raise Failed(f"To {what} the meter answers no exception-response: {heard.text}.")
        await probe.get(8, CLOCK)
    return "Two exception-responses, and the session goes on."


@play("apdu.unknown_object")
async def unknown_object(bench: Bench) -> str:
    async with bench.manager() as probe:
        await associated(probe)
        heard = await probe.try_get(3, NOWHERE)
        answer = heard.service
        if not isinstance(answer, apdu.GetResponse) or answer.value is not None:
            raise Failed(f"An object that does not exist is not answered by a data-access-result: {heard.text}.")
    return f"Data-access-result {answer.access_result}."


@play("apdu.invoke_id")
async def invoke_id(bench: Bench) -> str:
    async with bench.manager() as probe:
        await associated(probe)
        for _ in range(READINGS):
            invoke = probe.invoke()
            answer = (await probe.ask(apdu.GetRequest(invoke, 8, CLOCK, 2))).service
            if not isinstance(answer, apdu.GetResponse) or answer.invoke_octet & 0x0F != invoke & 0x0F:
                raise Failed("An answer does not carry the invoke-id of its request.")
    return "They do."


@play("apdu.pdu_max")
async def pdu_max(bench: Bench) -> str:
    async with bench.manager() as probe:
        await associated(probe, pdu_max=SHORT_PDU)
        probe.longest = 0
        await probe.get(7, LOAD_PROFILE)
        if probe.longest > SHORT_PDU:
            raise Failed(f"The client receives {SHORT_PDU} octets, the meter sends {probe.longest}.")
    return f"The longest has {probe.longest} of {SHORT_PDU} octets."


@play("apdu.list")
async def listed(bench: Bench) -> str:
    items = (AttributeOf(8, CLOCK, 2), AttributeOf(3, ENERGY, 2), AttributeOf(3, NOWHERE, 2))
    async with bench.manager() as probe:
        await associated(probe)
        if Conformance.MULTIPLE_REFERENCES not in probe.conformance:
            raise NotRun("the meter does not offer lists")
        answer = (await probe.ask(blocks.GetWithList(probe.invoke(), items))).service
    if not isinstance(answer, blocks.GetListResponse) or len(answer.results) != len(items):
        raise Failed("A list of three attributes is not answered by three results.")
    if [isinstance(result, int) for result in answer.results] != [False, False, True]:
        raise Failed("The results of a list are not those of its attributes one by one.")
    return "Two values and a refusal, each in its place."


@play("line.second")
async def second(bench: Bench) -> str:
    async with bench.manager() as first:
        await associated(first)
        async with bench.public() as other:
            refusal = await other.associate()
        await first.get(8, CLOCK)
    return f"The second is {'served' if refusal is None else 'not served'}, the first goes on."


@play("line.hdlc")
async def hdlc(bench: Bench) -> str:
    target = bench.target
    endpoint = Endpoint(
        host=target.host,
        port=target.port,
        client_sap=target.manager_sap,
        server_sap=target.server_sap,
        keys=target.keys,
        system_title=target.own_title,
        meter_title=target.meter_title,
        hdlc=True,
        physical=target.physical,
        timeout_s=target.timeout_s,
    )
    try:
        async with session(endpoint, next_counter=bench.counter.next) as opened:
            await opened.get(8, CLOCK, 2)
    except (SessionFailed, SessionRefused) as error:
        raise Failed(str(error)) from None
    return "It associates and answers over HDLC."
