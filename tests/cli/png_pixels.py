# SPDX-License-Identifier: Apache-2.0
"""The pixels of a PNG that weft wrote: 8 bits of grey or RGB (ISO 15948)."""

import struct
import zlib


def png_pixels(png):
    """Pixels, height and width of a file's bytes."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n", png[:8]
    at, kinds, packed, head = 8, [], b"", b""
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at:at + 8])
        body = png[at + 8:at + 8 + size]
        assert zlib.crc32(kind + body) == struct.unpack(">I", png[at + 8 + size:at + 12 + size])[0], kind
        kinds.append(kind)
        head = head or body
        packed += body if kind == b"IDAT" else b""
        at += 12 + size
    assert kinds[0] == b"IHDR" and kinds[-1] == b"IEND" and set(kinds[1:-1]) == {b"IDAT"}, kinds
    width, height, depth, colour = struct.unpack(">IIBB", head[:10])
    assert depth == 8 and colour in (0, 2), (depth, colour)
    step = 3 if colour else 1
    row, raw, out = width * step, zlib.decompress(packed), b""
    assert len(raw) == height * (row + 1)
    above = bytes(row)
    for y in range(height):
        method, line = raw[y * (row + 1)], bytearray(raw[y * (row + 1) + 1:(y + 1) * (row + 1)])
        for x in range(row):
            a, b, c = (line[x - step] if x >= step else 0), above[x], (above[x - step] if x >= step else 0)
            guess = (0, a, b, (a + b) // 2)[method] if method < 4 else min((a, b, c), key=lambda v: abs(a + b - c - v))
            line[x] = (line[x] + guess) & 255
        above = bytes(line)
        out += above
    return out, height, width
