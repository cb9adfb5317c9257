"""The keys of a Parquet file's metadata as its footer has them: pyarrow shows one value of a key that is there twice.

A part of `verify.py`. A footer is a struct in Thrift's compact protocol. Numbers in comments are sections of FORMAT.md.
"""

METADATA, KEY = 5, 1  # FileMetaData.key_value_metadata and KeyValue.key of parquet.thrift
BINARY, LIST, SET, MAP, STRUCT = 8, 9, 10, 11, 12


def keys_of(path):
    """9 Return the keys, each as often as it is there; ValueError where the footer ends within a member."""
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


def read_struct(data, place):
    """Return number, type and value of each member, and the place behind them."""
    members, number = [], 0
    while head := data[place]:
        place += 1
        kind, step = head & 15, head >> 4
        if not step:
            number, place = read_signed(data, place)
        number += step
        value, place = (kind == 1, place) if kind in (1, 2) else read_value(data, place, kind)
        members.append((number, kind, value))
    return members, place + 1


def read_value(data, place, kind):
    if kind in (1, 2, 3):
        return data[place], place + 1
    if kind == 7:
        return None, place + 8
    if kind == BINARY:
        size, place = read_number(data, place)
        return data[place : place + size], place + size
    if kind in (LIST, SET):
        count, kind, place = data[place] >> 4, data[place] & 15, place + 1
        if count == 15:
            count, place = read_number(data, place)
        return read_all(data, place, [kind], count)
    if kind == MAP:
        count, place = read_number(data, place)
        if not count:
            return [], place
        return read_all(data, place + 1, [data[place] >> 4, data[place] & 15], count)
    return read_struct(data, place) if kind == STRUCT else read_number(data, place)


def read_all(data, place, kinds, count):
    values = []
    for _ in range(count):
        for kind in kinds:
            value, place = read_value(data, place, kind)
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
