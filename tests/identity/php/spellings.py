"""Tables for the tests of the reader: what PHP writes, and what it never writes."""

from __future__ import annotations

import math

from orosync.identity.php.serialized import PhpArray, PhpValue

SCALARS: list[tuple[bytes, PhpValue]] = [
    (b"N;", None),
    (b"b:0;", False),
    (b"b:1;", True),
    (b"i:0;", 0),
    (b"i:-1;", -1),
    (b"i:9223372036854775807;", 2**63 - 1),
    (b"i:-9223372036854775808;", -(2**63)),
    (b"d:0.1;", 0.1),
    (b"d:5;", 5.0),
    (b"d:1.0E+25;", 1e25),
    (b"d:-2.5e-7;", -2.5e-7),
    (b"d:0.10000000000000001;", 0.1),
    (b"d:INF;", math.inf),
    (b"d:-INF;", -math.inf),
    (b's:0:"";', b""),
    (b's:1:"\0";', b"\0"),
    (b's:5:"a";s:";', b'a";s:'),
    ('s:2:"é";'.encode(), "é".encode()),
    (rb'S:3:"a\00\fF";', b"a\0\xff"),
    (rb'S:2:"\5c4";', b"\\4"),
    (b'S:0:"";', b""),
    (b'S:3:"abc";', b"abc"),
]
# Whatever ends too early, is longer or shorter than it says, or is spelled otherwise than PHP spells it.
# fmt: off
BAD = [
    b"", b";", b"N", b"n;", b" N;", b"N ;", b"b:2;", b"b:;", b"b:true;", b"B:1;", b"i:;", b"i:1", b"i:1.5;", b"i:+1;",
    b"i:01;", b"i:-0;", b"i: 1;", b"i:0x1;", b"i:1_0;", b"i:9223372036854775808;", b"i:-9223372036854775809;",
    b"i:99999999999999999999;", b"i:\xd9\xa1;", b"d:;", b"d:.;", b"d:.5;", b"d:5.;", b"d:1e;", b"d:+1;", b"d:nan;",
    b"d:-NAN;", b"d:inf;", b"d:0x1p1;", b"d:1_0;", b's:1:"ab";', b's:2:"a";', b's:1:"a"', b"s:1:a;", b"s:1:'a';",
    b's:-1:"";', b's:01:"a";', b's:+1:"a";', b's:1 :"a";', b's:999999999:"a";', b's:9999999999999:"a";',
    b's:1:"\xc3\xa9";', b's:0:""', b's:1:"a":', b's:1:"a"}', b'S:1:"\\4";', b'S:1:"\\4g";', b'S:1:"\\";',
    b'S:2:"\\41";', b'S:1:"\\41', b'S:1:"', b'S:5:"abc";', b'S:1:"ab";', b"a:0:{", b"a:0:}", b"a:0{}", b"a:1:{}",
    b"a:0:{N;}", b"a:1:{i:0;}", b"a:1:{i:0;N;", b"a:1:{i:0;N;]", b"a:-1:{}", b"a:1:{i:0;N;i:1;N;}", b"a:2:{i:0;N;}",
    b"a:999999999:{}", b"a:00:{}", b"a:1:{N;N;}", b"a:1:{b:1;N;}", b"a:1:{d:1;N;}", b"a:1:{r:1;N;}", b"a:1:{a:0:{}N;}",
    b'a:1:{s:2:"a";N;}', b'a:1:{s:1:"a"N;}', b"a:1:{i:9223372036854775808;N;}", b"a:2:{i:0;N;i:0;N;}",
    b'a:2:{s:1:"a";N;s:1:"a";N;}', b'a:2:{i:5;N;s:1:"5";N;}', b"a:1:{i:00;N;}", b'a:1:{S:1:"\\4";N;}', b'O:1:"A":0:{',
    b'O:2:"A":0:{}', b'O:0:"A":0:{}', b'O:0:"":0:{}', b'O:1:"A":1:{}', b'O:1:"A":0:{};x', b"O:1:A:0:{}",
    b'O:1:"A b":0:{}', b'O:3:"A b":0:{}', b'O:1:"\x00":0:{}', b'O:+1:"A":0:{}', b'o:1:"A":0:{}', b'O:1:"A":-1:{}',
    b'O:1:"A"', b'O:1:"A":2:{s:1:"a";N;s:1:"a";N;}', b'E:3:"A:B"', b'E:2:"A:B";', b'E:3:"A B";', b'E:1:"A";',
    b'E:3:"A::";', b'E:2:"A:";', b'E:2:":B";', b'E:5:"A:B:C";', b'C:1:"A":1:{}', b'C:1:"A":0:{x}', b'C:2:"A":0:{}',
    b'C:1:"A":3:{abc', b'C:1:"A":3:{abc;', b'C:1:"A":99:{abc}', b'C:1:"A":0:{', b"r:1;", b"r:0;", b"R:0;",
    b"a:1:{i:0;r:1;}", b"a:1:{i:0;r:2;}", b"a:1:{i:0;R:-1;}", b"a:1:{i:0;R:01;}", b"a:2:{i:0;i:5;i:1;r:2;}",
    b"a:2:{i:0;a:0:{}i:1;r:2;}", b"x:1;", b"m:a:0:{}", b"\x00", b"\xff", b"i:5;i:5;", b"N;\n", b"a:0:{};",
    b'O:1:"A":0:{}}', b'C:1:"A":0:{};',
    b"d:" + b"1" * 500 + b";", b"d:0." + b"1" * 1200 + b";", b'O:1001:"' + b"A" * 1001 + b'":0:{}',
]
# fmt: on
# These mean something inside of a container that has the number.
BAD_ALONE = [b"R:1;", b"a:1:{i:0;R:2;}", b"a:2:{i:0;i:5;i:1;R:3;}", b'a:2:{i:0;O:1:"A":0:{}i:1;r:3;}']
WHOLE = [
    b'a:3:{i:0;s:1:"a";s:1:"k";a:1:{i:-5;d:0.5;}i:1;N;}',
    b'O:1:"A":2:{s:1:"a";i:5;s:4:"\0*\0b";a:1:{i:0;r:1;}}',
    b'a:4:{i:0;O:1:"A":1:{s:1:"a";N;}i:1;r:2;i:2;R:2;i:3;E:3:"B:C";}',
    b'C:3:"Ser":48:{a:3:{i:0;i:1;i:1;i:2;i:2;O:1:"P":1:{s:1:"a";N;}}}',
    rb'a:1:{S:2:"\41b";S:1:"\00";}',
]


def array(value: PhpValue) -> PhpArray:
    """``value``, which is an array."""
    assert isinstance(value, PhpArray)
    return value


def custom(payload: bytes, name: bytes = b"A") -> bytes:
    """An object of a class with its own format."""
    return b'C:%d:"%b":%d:{%b}' % (len(name), name, len(payload), payload)
