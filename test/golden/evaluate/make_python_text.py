"""Makes python_text.json beside this file: what Python makes of texts that JavaScript handles otherwise.

    python3 test/golden/evaluate/make_python_text.py
"""
import json
import re
from pathlib import Path

SPACES = [chr(code) for code in [*range(0x0E), *range(0x1C, 0x21), 0x7F, 0x85, 0xA0, 0x1680, 0x180E, *range(0x2000, 0x200E),
                                 0x2028, 0x2029, 0x202F, 0x205F, 0x2060, 0x3000, 0xFEFF]]
LETTERS = ["", "a", "ABC def", "ß", "ßß", "ǆungla", "ǅx", "Ǆ", "ǉ", "ǌA", "ǳz", "ΌΣΟΣ", "ΣΑΣ", "ας ΑΣ", "İSTANBUL", "ıI", "ﬁx", "ŉa", "ΐΑ",
           "éÉ", "e\u0301E", "日本語", "🙂ABC", "𐐨𐐀", "𠮷A", "ОДИН два", "1abc", " ABC", "'TIS"]


def facts(text: str) -> dict:
    return {
        "text": text,
        "strip": text.strip(),
        "rstrip": text.rstrip(),
        "length": len(text),
        "bytes": len(text.encode("utf-8")),
        "words": len(re.split(r"\s+", text)),
        "capitalize": text.capitalize(),
        "lower_first": text[:1].lower() + text[1:],
        "without_last": text[:-1],
        "begins": text[:1].isspace(),
        "ends": text[-1:].isspace(),
    }


if __name__ == "__main__":
    texts = LETTERS + [f"{space}a{space}b{space}{space}" for space in SPACES]
    lines = ",\n".join(json.dumps(facts(text)) for text in texts)
    (Path(__file__).parent / "python_text.json").write_text(f"[\n{lines}\n]\n")
