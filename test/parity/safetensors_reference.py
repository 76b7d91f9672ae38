"""What the reference reader says of the files that header_verdicts makes, beside what ours says:

    header_verdicts COUNT SEED | python safetensors_reference.py   ->
        {version, files, both_read, both_refuse, classes: {class: count},
         undocumented: [{ours, theirs, file: hex}], undocumented_count}

A class of disagreement counts only where its own test of the header holds, not because our reader names it.
"""
import json
import re
import struct
import sys
import zlib
from collections import Counter

import safetensors
from safetensors import deserialize

SHOWN = 20
MOST_RANK = 64


class Repeated(Exception):
    """A key stands twice in an object."""


def digest(tensors) -> str:
    """As header_verdicts.cpp makes it."""
    lines = []
    for name, info in sorted(tensors, key=lambda pair: pair[0].encode()):
        shape = "".join(f"|{size}" for size in info["shape"])
        lines.append(f"{name}|{info['dtype']}{shape}|".encode() + bytes(info["data"]) + b"\n")
    return f"={zlib.crc32(b''.join(lines))}"


def theirs_of(file: bytes) -> str:
    try:
        return digest(deserialize(file))
    except safetensors.SafetensorError as error:
        return str(error)


def header(file: bytes):
    """The header with every object as its list of pairs, so that a key that stands twice is seen."""
    (length,) = struct.unpack("<Q", file[:8])
    return json.loads(file[8 : 8 + length].decode(), object_pairs_hook=list)


def keys(pairs) -> list:
    return [key for key, _ in pairs]


def entries(pairs) -> list:
    return [(key, value) for key, value in pairs if key != "__metadata__"]


def shapes(pairs):
    for _, value in entries(pairs):
        fields = dict(value) if value and isinstance(value[0], tuple) else None
        yield fields["shape"] if fields else value[1]


def overflows(shape) -> bool:
    """Whether one size is more than 2^63-1, or those that are not 0 may come to more bits than 64 bits count."""
    product = 1
    for size in shape:
        product *= max(size, 1)
    return any(size >= 2**63 for size in shape) or product * 64 >= 2**64


def climbs(name: str) -> bool:
    return name[:1] in ("/", "\\") or ".." in re.split(r"[/\\]", name)


# Where we refuse and the reference reads, as docs/reliability.md lists it. Our reason: does it hold of the header?
STRICTER = {
    "duplicate_name": lambda h: len(set(keys(entries(h)))) < len(entries(h)),
    "duplicate_metadata_key": lambda h: any(
        key == "__metadata__" and value and len(set(keys(value))) < len(value) for key, value in h
    ),
    "unknown_field": lambda h: any(
        set(keys(value)) - {"dtype", "shape", "data_offsets"}
        for _, value in entries(h)
        if value and isinstance(value[0], tuple)
    ),
    "entry_not_object": lambda h: any(
        len(value) == 3 and isinstance(value[0], str) for _, value in entries(h)
    ),
    "dimension_too_large": lambda h: any(overflows(shape) for shape in shapes(h)),
    "shape_overflow": lambda h: any(overflows(shape) for shape in shapes(h)),
    "rank_too_high": lambda h: any(len(shape) > MOST_RANK for shape in shapes(h)),
    "empty_name": lambda h: any(name == "" for name, _ in entries(h)),
    "control_character_in_name": lambda h: any(
        ord(char) < 0x20 or ord(char) == 0x7F for name, _ in entries(h) for char in name
    ),
    "path_in_name": lambda h: any(climbs(name) for name, _ in entries(h)),
}


# What the reference reader checks of an entry only once it is in its map: of a name that stands twice the first
# entry is dropped unseen. We meet it first, and refuse it for what it is.
HIDDEN = {"size_mismatch", "offsets_reversed", "sub_byte_size", "hole", "overlap", "past_end_of_file"}


def class_of(ours: str, theirs: str, file: bytes):
    """The documented class of a disagreement, or None."""
    if ours.startswith("=") or not theirs.startswith("="):
        return None
    pairs = header(file)
    if ours in STRICTER and STRICTER[ours](pairs):
        return ours
    if ours in HIDDEN and STRICTER["duplicate_name"](pairs):
        return "wrong_entry_under_duplicate_name"
    return None


def records(stream):
    while True:
        size = stream.read(4)
        if not size:
            return
        file = stream.read(struct.unpack("<I", size)[0])
        yield file, stream.read(stream.read(1)[0]).decode()


def main() -> None:
    both_read = both_refuse = 0
    classes, undocumented = Counter(), []
    undocumented_count = 0
    for file, ours in records(sys.stdin.buffer):
        theirs = theirs_of(file)
        if ours == theirs:
            both_read += 1
        elif not ours.startswith("=") and not theirs.startswith("="):
            both_refuse += 1
        elif name := class_of(ours, theirs, file):
            classes[name] += 1
        else:
            undocumented_count += 1
            if len(undocumented) < SHOWN:
                undocumented.append({"ours": ours, "theirs": theirs, "file": file.hex()})
    print(
        json.dumps(
            {
                "version": safetensors.__version__,
                "files": both_read + both_refuse + sum(classes.values()) + undocumented_count,
                "both_read": both_read,
                "both_refuse": both_refuse,
                "classes": dict(sorted(classes.items())),
                "undocumented": undocumented,
                "undocumented_count": undocumented_count,
            }
        )
    )


if __name__ == "__main__":
    main()
