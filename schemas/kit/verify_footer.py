"""The keys of a Parquet file's metadata as its footer has them: pyarrow shows one value of a key that is there twice.

A part of `verify.py`. A footer is a struct in Thrift's compact protocol. Numbers in comments are sections of FORMAT.md.
"""

METADATA, KEY = 5, 1  # FileMetaData.key_value_metadata and KeyValue.key of parquet.thrift
INT32, INT64, BINARY, LIST, SET, MAP, STRUCT = 5, 6, 8, 9, 10, 11, 12
ELEMENTS = {  # what the lists of parquet.thrift are of; a reader may take it for granted, whatever the list says
    **dict.fromkeys([(2,), (4,), (5,), (7,), (4, 1), (4, 4), (4, 1, 3, 8), (4, 1, 3, 13)], STRUCT),
    **dict.fromkeys([(4, 1, 3, 3), (4, 1, 8, 2, 1)], BINARY),
    **dict.fromkeys([(4, 1, 3, 2), (4, 1, 3, 17, 2)], INT32),
    **dict.fromkeys([(4, 1, 3, 16, 2), (4, 1, 3, 16, 3)], INT64),
}


def keys_of(path):
    """9 Return the keys, each as often as it is there; ValueError for a footer that can be read in two ways."""
    with path.open("rb") as file:
        end = file.seek(-8, 2)
        size = int.from_bytes(file.read(8)[:4], "little")
        file.seek(end - size)
        footer = memoryview(file.read(size))
    try:
        members, _ = read_struct(footer, 0)
    except IndexError as error:
        raise ValueError("a footer that ends within a member") from error
    lists = [value for number, kind, value in members if (number, kind) == (METADATA, LIST)]
    entries = [entry for found in lists for entry in found if isinstance(entry, list)]
    return [bytes(value) for entry in entries for number, kind, value in entry if (number, kind) == (KEY, BINARY)]


def read_struct(data, place, path=()):
    """Return number, type and value of each member, and the place behind them."""
    members, number = [], 0
    while head := data[place]:
        place += 1
        kind, step = head & 15, head >> 4
        if not step:
            number, place = read_signed(data, place)
        number += step
        if not 0 <= number < 1 << 15:
            raise ValueError(f"a member of number {number}")
        value, place = (kind == 1, place) if kind in (1, 2) else read_value(data, place, kind, (*path, number))
        members.append((number, kind, value))
    return members, place + 1


def read_value(data, place, kind, path):
    if kind in (1, 2, 3):
        return data[place], place + 1
    if kind == 7:
        if place + 8 > len(data):
            raise IndexError
        return None, place + 8
    if kind == BINARY:
        size, place = read_number(data, place)
        return data[place : place + size], place + size
    if kind in (LIST, SET):
        count, kind, place = data[place] >> 4, data[place] & 15, place + 1
        if count == 15:
            count, place = read_number(data, place)
        if ELEMENTS.get(path, kind) != kind:
            raise ValueError(f"a list of type {kind} as member {path[-1]}")
        return read_all(data, place, [kind], count, path)
    if kind == MAP:
        count, place = read_number(data, place)
        if not count:
            return [], place
        return read_all(data, place + 1, [data[place] >> 4, data[place] & 15], count, path)
    if kind == STRUCT:
        return read_struct(data, place, path)
    if kind not in (4, INT32, INT64):
        raise ValueError(f"a member of type {kind}")
    return read_number(data, place)


def read_all(data, place, kinds, count, path):
    values = []
    for _ in range(count):
        for kind in kinds:
            value, place = read_value(data, place, kind, path)
            values.append(value)
    return values, place


def read_number(data, place):
    number = shift = 0
    while True:
        number |= (data[place] & 127) << shift
        place, shift = place + 1, shift + 7
        if data[place - 1] < 128:
            return number, place


def read_signed(data, place):
    number, place = read_number(data, place)
    return (number >> 1) ^ -(number & 1), place
