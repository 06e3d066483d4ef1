"""The examples and the pseudocode of RFC 8949, typed from there, and random CBOR."""

from __future__ import annotations

from hypothesis import strategies as st

from orosync.wamp import cbor_scan
from orosync.wamp.cbor_scan import CborFindings
from orosync.wamp.formats import KEYS

PLAIN = [
    "00",
    "01",
    "0a",
    "17",
    "1818",
    "1819",
    "1864",
    "1903e8",
    "1a000f4240",
    "1b000000e8d4a51000",
    "1bffffffffffffffff",
    "3bffffffffffffffff",
    "20",
    "29",
    "3863",
    "3903e7",
    "f90000",
    "f98000",
    "f93c00",
    "fb3ff199999999999a",
    "f93e00",
    "f97bff",
    "fa47c35000",
    "fa7f7fffff",
    "fb7e37e43c8800759c",
    "f90001",
    "f90400",
    "f9c400",
    "fbc010666666666666",
    "f97c00",
    "f97e00",
    "f9fc00",
    "fa7f800000",
    "fa7fc00000",
    "faff800000",
    "fb7ff0000000000000",
    "fb7ff8000000000000",
    "fbfff0000000000000",
    "f4",
    "f5",
    "f6",
    "f7",
    "40",
    "4401020304",
    "60",
    "6161",
    "6449455446",
    "62225c",
    "62c3bc",
    "63e6b0b4",
    "64f0908591",
    "80",
    "83010203",
    "8301820203820405",
    "98190102030405060708090a0b0c0d0e0f101112131415161718181819",
    "a0",
    "a26161016162820203",
    "826161a161626163",
    "a56161614161626142616361436164614461656145",
    "5f42010243030405ff",
    "7f657374726561646d696e67ff",
    "9fff",
    "9f018202039f0405ffff",
    "9f01820203820405ff",
    "83018202039f0405ff",
    "83019f0203ff820405",
    "9f0102030405060708090a0b0c0d0e0f101112131415161718181819ff",
    "bf61610161629f0203ffff",
    "826161bf61626163ff",
    "bf6346756ef563416d7421ff",
]
"""RFC 8949, appendix A: what is carried as it stands there."""

TAGGED = [
    "c249010000000000000000",
    "c349010000000000000000",
    "c074323031332d30332d32315432303a30343a30305a",
    "c11a514b67b0",
    "c1fb41d452d9ec200000",
]
"""Of the same table what is tagged and carried."""

ODD = {
    "f0": cbor_scan.SIMPLE, "f8ff": cbor_scan.SIMPLE, "d74401020304": cbor_scan.TAGS,
    "d818456449455446": cbor_scan.TAGS,
    "d82076687474703a2f2f7777772e6578616d706c652e636f6d": cbor_scan.TAGS, "a201020304": KEYS,
}  # fmt: skip
"""The unsupported items of the same table, and why."""

NOT_WELL_FORMED = [
    "18",
    "19",
    "1a",
    "1b",
    "1901",
    "1a0102",
    "1b01020304050607",
    "38",
    "58",
    "78",
    "98",
    "9a01ff00",
    "b8",
    "d8",
    "f8",
    "f900",
    "fa0000",
    "fb000000",
    "41",
    "61",
    "5affffffff00",
    "5bffffffffffffffff010203",
    "7affffffff00",
    "7b7fffffffffffffff010203",
    "81",
    "818181818181818181",
    "8200",
    "a1",
    "a20102",
    "a100",
    "a2000000",
    "5f4100",
    "7f6100",
    "9f",
    "9f0102",
    "bf",
    "bf01020102",
    "819f",
    "9f8000",
    "9f9f9f9f9fffffffff",
    "9f819f819f9fffffff",
    "1c",
    "1d",
    "1e",
    "3c",
    "3d",
    "3e",
    "5c",
    "5d",
    "5e",
    "7c",
    "7d",
    "7e",
    "9c",
    "9d",
    "9e",
    "bc",
    "bd",
    "be",
    "dc",
    "dd",
    "de",
    "fc",
    "fd",
    "fe",
    "f800",
    "f801",
    "f818",
    "f81f",
    "5f00ff",
    "5f21ff",
    "5f6100ff",
    "5f80ff",
    "5fa0ff",
    "5fc000ff",
    "5fe0ff",
    "7f4100ff",
    "5f5f4100ffff",
    "7f7f6100ffff",
    "ff",
    "81ff",
    "8200ff",
    "a1ff",
    "a1ff00",
    "a100ff",
    "a20000ff",
    "9f81ff",
    "9f829f819f9fffffffff",
    "bf00ff",
    "bf000000ff",
    "1f",
    "3f",
    "df",
    "c0ff",
    "9fc0ff",
    "bf6161c0ff",
    "c1",
    "c2",
    "d9",
    "d90102",
    "61ff",
    "63eda0bd",
]
"""RFC 8949, appendix F, and some more."""


def scanned(data: bytes, level: int = 0) -> CborFindings | None:
    """None: not well-formed, or something follows."""
    found = CborFindings()
    try:
        return found if cbor_scan.skip(data, 0, found, level) == len(data) else None
    except (ValueError, IndexError):
        return None


def well_formed(data: bytes, place: int = 0, breakable: bool = False) -> int:
    """The pseudocode of RFC 8949, appendix C, with the check of UTF-8: where the item ends, 0 for a break."""
    if place >= len(data):
        raise ValueError
    major, info = data[place] >> 5, data[place] & 31
    place += 1
    value = info
    if 24 <= info <= 27:
        width = 1 << (info - 24)
        value = int.from_bytes(data[place : place + width])
        place += width
    elif info in (28, 29, 30):
        raise ValueError
    elif info == 31:
        if major in (2, 3):
            while (end := well_formed(data, place, True)) != 0:
                if data[place] >> 5 != major or data[place] & 31 == 31:
                    raise ValueError
                place = end
            return place + 1
        if major == 4:
            while (end := well_formed(data, place, True)) != 0:
                place = end
            return place + 1
        if major == 5:
            while (end := well_formed(data, place, True)) != 0:
                place = well_formed(data, end)
            return place + 1
        if major == 7 and breakable:
            return 0
        raise ValueError
    if place > len(data):
        raise ValueError
    if major in (2, 3):
        place += value
        if place > len(data):
            raise ValueError
        if major == 3:
            data[place - value : place].decode()
    elif major in (4, 5):
        for _ in range(value * (major - 3)):
            place = well_formed(data, place)
    elif major == 6:
        place = well_formed(data, place)
    elif major == 7 and info == 24 and value < 32:
        raise ValueError
    return place


def is_well_formed(data: bytes) -> bool:
    try:
        return well_formed(data) == len(data)
    except ValueError:
        return False


ITEMS = st.recursive(
    st.sampled_from([bytes.fromhex(text) for text in (*PLAIN, *TAGGED, *ODD)]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: bytes([0x80 + len(items)]) + b"".join(items)),
        st.lists(inner, max_size=4).map(lambda items: b"\x9f" + b"".join(items) + b"\xff"),
        st.lists(inner, max_size=3).map(lambda items: b"\xbf" + b"".join(b"\x61k" + item for item in items) + b"\xff"),
        st.lists(st.tuples(inner, inner), max_size=3).map(
            lambda pairs: bytes([0xA0 + len(pairs)]) + b"".join(key + value for key, value in pairs)
        ),
        st.lists(st.tuples(inner, inner), max_size=3).map(
            lambda pairs: b"\xbf" + b"".join(key + value for key, value in pairs) + b"\xff"
        ),
        st.tuples(st.sampled_from([0, 1, 2, 4, 5, 64, 83, 99, 258, 259]), inner).map(
            lambda tagged: b"\xd9" + tagged[0].to_bytes(2) + tagged[1]
        ),
    ),
    max_leaves=10,
)  # fmt: skip
