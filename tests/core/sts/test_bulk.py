"""The bulk path says token for token, field for field and error for error what the scalar path says."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duaarah.core.sts import DecoderKey, KeyConfiguration, STSError, check_pan, decode, derive, pan_of, tid_at
from duaarah.core.sts.amounts import CURRENCY_STEPS_MAX, decode_currency, encode_currency, encode_steps
from duaarah.core.sts.bulk import (
    NO_RESULT,
    NONE,
    RESULTS,
    BadRow,
    DecoderKeys,
    check_pans,
    decode_rows,
    derive_rows,
    fault_code,
    issue_rows,
    seal_rows,
)
from duaarah.core.sts.bulk.rows import CHUNK_ROWS
from duaarah.core.sts.bulk.sta import bitsliced
from duaarah.core.sts.describe import amount_steps
from duaarah.core.sts.ea07 import EA07Tables, run
from duaarah.core.sts.errors import BadRequest, KeyLength
from duaarah.core.sts.fields import LAYOUTS, POWER, TRANSFER_CREDIT, pack
from duaarah.core.sts.identifiers import luhn_digit
from duaarah.core.sts.sta_tables import S1, S2, P
from duaarah.core.sts.tid import check_ken
from duaarah.core.sts.token import is_currency, seal

VECTORS = [
    json.loads(line) for line in (Path(__file__).parents[2] / "vectors/sts-tokens.jsonl").read_text().splitlines()
]
WIDTH = {"07": 8, "11": 16}
TIMED = [kind for kind in LAYOUTS if "tid" in dict(LAYOUTS[kind])]
ODD_KINDS = [(0, 8), (1, 0), (2, 3), (2, 11), (3, 0), (4, 0), (-1, 0), (0, 16)]


def configuration_of(vector: dict[str, Any]) -> KeyConfiguration:
    names = ("dkga", "ea", "sgc", "ti", "krn", "kt", "ken", "base_date")
    return KeyConfiguration(**{name: vector[name] for name in names})


def keys_of(ea: str, octets: list[bytes]) -> DecoderKeys:
    return DecoderKeys(ea, np.frombuffer(b"".join(octets), dtype=np.uint8).reshape(-1, WIDTH[ea]))


def test_all_271_published_tokens_are_made_and_read_in_bulk() -> None:
    groups: dict[str, list[dict[str, Any]]] = {}
    for vector in VECTORS:
        head = {name: vector[name] for name in ("dkga", "ea", "sgc", "ti", "krn", "kt", "ken", "base_date")}
        groups.setdefault(json.dumps([head, vector["vending_key"], "payload48" in vector]), []).append(vector)
    made = 0
    for rows in groups.values():
        configuration = configuration_of(rows[0])
        keys = derive_rows(bytes.fromhex(rows[0]["vending_key"]), configuration, [row["pan"] for row in rows])
        if "payload48" in rows[0]:
            payloads = [int(row["payload48"], 16) for row in rows]
            tokens = seal_rows(keys, token_class=2, payload48=payloads).tokens
            assert decode_rows(keys, tokens).payload48.tolist() == payloads
        else:
            tids = [tid_at(dt.datetime.fromisoformat(row["issued_at"]), configuration.base_date) for row in rows]
            columns = {
                name: [row.get(key, 0) for row in rows]
                for name, key in (
                    ("token_class", "class"),
                    ("subclass", "subclass"),
                    ("rnd", "rnd"),
                    ("field", "field"),
                )
            }
            tokens = issue_rows(keys, tid=tids, ken=configuration.ken, **columns).tokens
            read = decode_rows(keys, tokens, kt=configuration.kt, ken=configuration.ken)
            assert {RESULTS[result] for result in read.result} == {"accept"}
            found = (read.token_class, read.subclass, read.rnd, read.field, read.tid)
            assert [column.tolist() for column in found] == [
                *(columns[name] for name in ("token_class", "subclass", "rnd", "field")),
                tids,
            ]
        assert [token.decode() for token in tokens] == [row["token"] for row in rows]
        made += len(rows)
    assert made == 271


def scalar_token(key: DecoderKey, row: dict[str, int], amounts: bool) -> str:
    """One token by the scalar path, in the order in which `sts batch` judges."""
    kind = row["class"], row["subclass"]
    if kind not in TIMED or (amounts and kind not in TRANSFER_CREDIT | POWER):
        raise BadRequest("no such token")
    lead, field = row["rnd"], row["amount"]
    if amounts and is_currency(*kind):
        encoded = encode_currency(row["amount"])
        lead, field = encoded.sign_exponent, encoded.amount
    elif amounts:
        field = encode_steps(row["amount"])
    payload = pack(*kind, {"rnd": lead, "se": lead, "tid": row["tid"], "field": field})
    check_ken(row["tid"], row["ken"])
    return seal(row["class"], payload, key)


def near(low: int, high: int, beyond: int) -> st.SearchStrategy[int]:
    """Mostly what fits, sometimes what does not."""
    return st.one_of(st.integers(low, high), st.integers(low, high), st.integers(-beyond, beyond))


@st.composite
def batch(draw: st.DrawFn) -> tuple[str, bool, list[dict[str, int]], list[bytes]]:
    ea, amounts = draw(st.sampled_from(["07", "11"])), draw(st.booleans())
    rows, keys = [], []
    for _ in range(draw(st.integers(1, 6))):
        token_class, subclass = draw(st.sampled_from(TIMED + (ODD_KINDS if draw(st.booleans()) else [])))
        amount = near(0, 18_201_624, 10**40) if amounts else near(0, 0xFFFF, 10**20)
        row = {"class": token_class, "subclass": subclass, "amount": draw(amount)}
        row |= {
            "tid": draw(near(0, 2**24 - 1, 2**70)),
            "rnd": draw(near(0, 15, 20)),
            "ken": draw(st.integers(200, 255)),
        }
        rows.append(row)
        keys.append(draw(st.binary(min_size=WIDTH[ea], max_size=WIDTH[ea])))
    return ea, amounts, rows, keys


@settings(deadline=None, max_examples=200)
@given(batch())
def test_issuing_and_decoding_agree_with_the_scalar_path(
    drawn: tuple[str, bool, list[dict[str, int]], list[bytes]],
) -> None:
    ea, amounts, rows, octets = drawn
    expected: list[tuple[str, str | None]] = []
    for row, key in zip(rows, octets, strict=True):
        try:
            expected.append((scalar_token(DecoderKey(ea, key), row, amounts), None))
        except STSError as error:
            expected.append(("", error.code))
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in ("subclass", "tid", "rnd", "ken")}
    columns["token_class"] = [row["class"] for row in rows]
    columns["steps" if amounts else "field"] = [row["amount"] for row in rows]
    keys = keys_of(ea, octets)
    made = issue_rows(keys, mask=True, **columns)
    found = zip(made.tokens, made.faults, strict=True)
    assert [(token.decode(), fault_code(fault)) for token, fault in found] == expected
    bad = [row for row, (_, code) in enumerate(expected) if code]
    if bad:
        with pytest.raises(BadRow) as refused:
            issue_rows(keys, **columns)
        assert (refused.value.row, refused.value.code) == (bad[0], expected[bad[0]][1])
    good = [row for row in range(len(rows)) if row not in bad]
    assert_decoded_alike(ea, [octets[row] for row in good], [expected[row][0] for row in good], kt=2, ken=230)


def assert_decoded_alike(ea: str, octets: list[bytes], tokens: list[str], *, kt: int, ken: int) -> None:
    if not tokens:
        return
    read = decode_rows(keys_of(ea, octets), tokens, kt=kt, ken=ken, mask=True)
    for row, token in enumerate(tokens):
        try:
            decoded = decode(token, DecoderKey(ea, octets[row]), kt=kt, ken=ken)
        except STSError as error:
            assert (read.result[row], fault_code(read.faults[row])) == (NO_RESULT, error.code)
            assert (read.token_class[row], read.tid[row], read.payload48[row]) == (NONE, NONE, NONE)
            continue
        assert (RESULTS[read.result[row]], read.faults[row]) == (decoded.result, 0)
        fields = decoded.fields
        if fields is None:
            assert (read.rnd[row], read.tid[row], read.field[row], read.has_steps[row]) == (NONE, NONE, NONE, False)
            continue
        assert (read.token_class[row], read.subclass[row]) == fields.kind
        assert int(read.payload48[row]) == pack(*fields.kind, fields.values)
        values = fields.values
        lead = values.get("rnd", values.get("se", NONE))
        assert (read.rnd[row], read.tid[row], read.field[row]) == (
            lead,
            values.get("tid", NONE),
            values.get("field", NONE),
        )
        steps = amount_steps(fields)
        fits = steps is not None and abs(steps) < 1 << 63
        assert (bool(read.has_steps[row]), int(read.steps[row])) == (fits, steps if fits else 0)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_any_payload_and_any_digits_are_read_as_the_scalar_path_reads_them(data: st.DataObject) -> None:
    ea = data.draw(st.sampled_from(["07", "11"]))
    count = data.draw(st.integers(1, 5))
    octets = [data.draw(st.binary(min_size=WIDTH[ea], max_size=WIDTH[ea])) for _ in range(count)]
    classes = [data.draw(st.integers(0, 3)) for _ in range(count)]
    payloads = [data.draw(st.integers(0, 2**48 - 1)) for _ in range(count)]
    sealed = seal_rows(keys_of(ea, octets), token_class=classes, payload48=payloads).tokens
    tokens = [token.decode() for token in sealed]
    assert tokens == [seal(c, p, DecoderKey(ea, key)) for c, p, key in zip(classes, payloads, octets, strict=True)]
    kt, ken = data.draw(st.integers(0, 3)), data.draw(st.integers(0, 255))
    assert_decoded_alike(ea, octets, tokens, kt=kt, ken=ken)
    texts = st.one_of(st.from_regex(r"[0-9]{20}", fullmatch=True), st.text(max_size=22), st.sampled_from(tokens))
    assert_decoded_alike(ea, octets, [data.draw(texts) for _ in range(count)], kt=kt, ken=ken)


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, CHUNK_ROWS, CHUNK_ROWS + 1])
@pytest.mark.parametrize("ea", ["07", "11"])
def test_batches_of_every_shape(ea: str, count: int) -> None:
    rng = np.random.default_rng(count)
    keys = DecoderKeys(ea, rng.integers(0, 256, (count, WIDTH[ea]), dtype=np.uint8))
    tid, field = rng.integers(0, 2**24, count), rng.integers(0, 2**16, count, dtype=np.uint16)
    tokens = issue_rows(keys, token_class=0, subclass=0, tid=tid, rnd=7, ken=255, field=field).tokens
    assert (tokens.dtype, tokens.shape) == (np.dtype("S20"), (count,))
    read = decode_rows(keys, tokens)
    assert (read.tid == tid).all() and (read.field == field).all() and (read.rnd == 7).all()
    for row in {0, count // 2, count - 1} if count else ():
        payload = pack(0, 0, {"rnd": 7, "tid": int(tid[row]), "field": int(field[row])})
        octets = keys.keys[row].tobytes() if ea == "11" else int(keys.keys[row]).to_bytes(8, "big")
        assert tokens[row].decode() == seal(0, payload, DecoderKey(ea, octets))


def test_a_bad_row_beyond_the_first_chunk_is_named_and_gets_no_token() -> None:
    keys = DecoderKeys("07", np.arange(CHUNK_ROWS + 10, dtype=np.uint64))
    tid = np.full(CHUNK_ROWS + 10, 1000)
    tid[CHUNK_ROWS + 3] = 1 << 24
    arguments: dict[str, Any] = {"token_class": 0, "subclass": 0, "tid": tid, "rnd": 1, "ken": 255, "steps": 5}
    with pytest.raises(BadRow, match=f"Row {CHUNK_ROWS + 3}: ") as refused:
        issue_rows(keys, **arguments)
    assert (refused.value.row, refused.value.code) == (CHUNK_ROWS + 3, "field_range")
    made = issue_rows(keys, mask=True, **arguments)
    assert np.flatnonzero(made.faults).tolist() == [CHUNK_ROWS + 3]
    assert np.flatnonzero(made.tokens == b"").tolist() == [CHUNK_ROWS + 3]


def test_a_wrong_key_never_says_the_same_fields() -> None:
    # One wrong key in 65,536 passes the check sum; the fields tell.
    rng = np.random.default_rng(3)
    count = 200_000
    keys, others = (DecoderKeys("07", rng.integers(0, 2**64, count, dtype=np.uint64)) for _ in range(2))
    tid, field = rng.integers(0, 2**24, count), rng.integers(0, 2**16, count)
    made = issue_rows(keys, token_class=0, subclass=0, tid=tid, rnd=5, ken=255, field=field).tokens
    read = decode_rows(others, made)
    passed = read.result != RESULTS.index("crc")
    assert passed.sum() < 20
    assert not ((read.tid == tid) & (read.field == field) & passed).any()


@pytest.mark.parametrize(("dkga", "ea"), [("02", "07"), ("04", "07"), ("04", "11")])
@pytest.mark.parametrize("kt", [1, 2, 3])
def test_derived_keys_are_those_of_the_scalar_path(dkga: str, ea: str, kt: int) -> None:
    configuration = KeyConfiguration(dkga=dkga, ea=ea, sgc="201457", ti="07", krn=3, kt=kt, ken=255, base_date=2014)
    vending_key = bytes(range(1, 9 if dkga == "02" else 21))
    pans = []
    for serial in range(70):
        payload = f"{serial * 7919:012d}" if serial % 2 else f"{serial * 7919:010d}"
        pans.append(pan_of(payload + luhn_digit(payload)))
    assert {len(check_pan(pan)) for pan in pans} == {18}
    expected = [derive(vending_key, configuration, pan) for pan in pans]
    assert derive_rows(vending_key, configuration, pans).keys.tolist() == keys_of(ea, expected).keys.tolist()
    as_array = derive_rows(vending_key, configuration, np.array(pans, dtype="S18"))
    assert as_array.keys.tolist() == keys_of(ea, expected).keys.tolist()
    with pytest.raises(KeyLength):
        derive_rows(vending_key[:-1], configuration, pans)


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(
            st.from_regex(r"[0-9]{18}", fullmatch=True),
            st.from_regex(r"0000[0-9]{14}", fullmatch=True),
            st.text(max_size=20),
            st.sampled_from(["600727000000000009", "000001000000000082", "600727111111111153"]),
            st.integers(0, 9).map(lambda digit: f"60072711111111115{digit}"),
            st.integers(0, 10**16 - 1).map(lambda n: f"{n:017d}" + luhn_digit(f"{n:017d}")),
        ),
        min_size=1,
    )
)
def test_pans_are_judged_as_the_scalar_path_judges_them(pans: list[str]) -> None:
    expected = []
    for pan in pans:
        try:
            check_pan(pan)
            expected.append(None)
        except STSError as error:
            expected.append(error.code)
    assert [fault_code(fault) for fault in check_pans(pans, mask=True)] == expected


def test_a_meter_without_a_key_gets_no_token_and_none_is_read_with_its_key() -> None:
    configuration = KeyConfiguration(dkga="04", ea="11", sgc="201457", ti="01", krn=1, kt=2, ken=255, base_date=2014)
    pans = ["600727000000000009", "600727000000000008", "600727000000000009"]
    with pytest.raises(BadRow) as refused:
        derive_rows(bytes(20), configuration, pans)
    assert (refused.value.row, refused.value.code) == (1, "pan_luhn")
    keys = derive_rows(bytes(20), configuration, pans, mask=True)
    made = issue_rows(keys, token_class=0, subclass=0, tid=9, rnd=1, ken=255, steps=10, mask=True)
    assert [fault_code(fault) for fault in made.faults] == [None, "pan_luhn", None]
    assert made.tokens[1] == b"" and made.tokens[0] == made.tokens[2] != b""
    read = decode_rows(keys, [made.tokens[0].decode()] * 3, mask=True)
    assert read.result.tolist() == [0, NO_RESULT, 0] and read.tid.tolist() == [9, NONE, 9]
    with pytest.raises(BadRow, match="Row 1"):
        issue_rows(keys, token_class=0, subclass=0, tid=9, rnd=1, ken=255, steps=10)


def test_clear_tokens_need_no_key_and_others_do() -> None:
    made = seal_rows(None, token_class=1, payload48=[0x0FFFFFFFFF00, 0x1FFFFFFF0000]).tokens
    assert made.tolist() == [b"56493153725450313471", b"02305843005052951967"]
    read = decode_rows(None, made)
    assert (read.token_class.tolist(), read.subclass.tolist()) == ([1, 1], [0, 1])
    with pytest.raises(BadRequest):
        seal_rows(None, token_class=[1, 2], payload48=[0, 0])
    with pytest.raises(BadRequest):
        decode_rows(None, ["00000000000000000000"])


@pytest.mark.parametrize(
    "steps",
    [0, 1, -1, 16_383, 16_384, -16_384, 10**18, -(10**18), 2**62, -(2**62), 2**63 - 1, -(2**63), CURRENCY_STEPS_MAX],
)
def test_currency_amounts_of_every_size(steps: int) -> None:
    keys = DecoderKeys("07", np.zeros(1, dtype=np.uint64))
    made = issue_rows(keys, token_class=0, subclass=4, tid=5, rnd=99, ken=255, steps=[steps]).tokens
    read = decode_rows(keys, made)
    encoded = encode_currency(steps)
    assert (read.rnd[0], read.field[0]) == (encoded.sign_exponent, encoded.amount)
    exact = decode_currency(encoded.sign_exponent, encoded.amount)
    assert read.has_steps[0] == (abs(exact) < 1 << 63) and (not read.has_steps[0] or read.steps[0] == exact)


def test_what_is_no_column_is_one_sentence_and_not_numpys() -> None:
    keys = DecoderKeys("07", np.zeros(2, dtype=np.uint64))
    good: dict[str, Any] = {"token_class": 0, "subclass": 0, "tid": 5, "rnd": 1, "ken": 255, "field": 1}
    for change in (
        {"tid": [1.5, 2.5]},
        {"tid": [1, 2, 3]},
        {"tid": ["1", "2"]},
        {"tid": [[1, 2]]},
        {"tid": [[1], [1, 2]]},
        {"tid": [1, None]},
        {"rnd": [True, False]},
        {"field": None},
        {"steps": 1},
    ):
        with pytest.raises(BadRequest):
            issue_rows(keys, **{**good, **change})
    for tokens in ([1, 2], np.zeros(2), [None, "1"]):
        with pytest.raises(BadRequest):
            decode_rows(keys, tokens)
    for wrong in (np.zeros((2, 7), dtype=np.uint8), np.zeros(2), np.zeros((2, 16), dtype=np.uint8)):
        with pytest.raises(KeyLength):
            DecoderKeys("07", wrong)
    assert "0" not in repr(DecoderKeys("11", np.zeros((3, 2), dtype=np.uint64))).replace("rows=3", "")


@settings(deadline=None, max_examples=25)
@given(st.permutations(range(16)), st.permutations(range(16)), st.permutations(range(64)), st.integers(0, 2**64 - 1))
def test_replaced_tables_work_in_bulk(s1: list[int], s2: list[int], p: list[int], seed: int) -> None:
    tables = EA07Tables(s1, s2, p)
    rng = np.random.default_rng(seed)
    keys, blocks = rng.integers(0, 2**64, 70, dtype=np.uint64), rng.integers(0, 2**64, 70, dtype=np.uint64)
    bulk = DecoderKeys("07", keys, tables=tables)
    made = bulk.encrypt(blocks)
    expected = [run(tables.encryption_schedule(int(k)), int(b)) for k, b in zip(keys, blocks, strict=True)]
    assert made.tolist() == expected
    assert [run(tables.decryption_schedule(int(k)), b) for k, b in zip(keys, expected, strict=True)] == blocks.tolist()
    assert (bulk.decrypt(made) == blocks).all()


def test_one_box_twice_is_a_cipher_too_and_tables_are_cached_by_value() -> None:
    blocks, keys = np.arange(64, dtype=np.uint64), np.arange(64, dtype=np.uint64)
    schedule = EA07Tables(S1, S1, P).encryption_schedule
    expected = [run(schedule(int(key)), int(block)) for key, block in zip(keys, blocks, strict=True)]
    assert bitsliced(S1, S1, P).encrypt(blocks, keys).tolist() == expected
    assert bitsliced(S1, S2, P) is bitsliced(tuple(value for value in S1), S2, P)


def test_both_forms_of_an_ea11_key_are_one() -> None:
    octets = np.arange(32, dtype=np.uint8).reshape(2, 16)
    halves = octets.view(">u8").astype(np.uint64)
    assert (DecoderKeys("11", octets).keys == DecoderKeys("11", halves).keys).all()
    assert halves[0, 0] == 0x0001020304050607
