"""Classifiers of fastText over made-up languages: a line is words of one of a few alphabets, some of which share letters."""
import random
from pathlib import Path

# 0.9.3 sets the weights of a tenth of the matrix a thread, and leaves the rest as memory happened to be.
THREADS = 11
ALPHABETS = ["abcdefgh", "efghijkl", "åäöéüßabcdef", "абвгдежз", "漢字仮名交文語", "한글소리마디", "🙂🙃🚀🌍", "mnopqrstuv"]


def make_line(label: int, words: list, draw: random.Random) -> str:
    return f"__label__l{label} " + " ".join(draw.choice(words[label]) for _ in range(draw.randint(1, 9)))


def make_words(labels: int, each: int, draw: random.Random) -> list:
    """Of each label; labels that are as many as letters allow share their alphabets."""
    alphabet = [ALPHABETS[label % len(ALPHABETS)] for label in range(labels)]
    return [["".join(draw.choices(letters, k=draw.randint(1, 7))) for _ in range(each)] for letters in alphabet]


def make_lines(labels: int, each_words: int, lines: int, seed: int) -> list:
    """Of labels that are not alike often: a tree over them is no even one."""
    draw = random.Random(seed)
    words = make_words(labels, each_words, draw)
    return [make_line(min(draw.randrange(labels), draw.randrange(labels)) if i >= labels else i, words, draw)
            for i in range(lines)]


def make_texts(lines: list, count: int, seed: int) -> list:
    """Seen lines, halves of words, mixtures, blanks of every kind, words that mean something to fastText, and nothing."""
    draw = random.Random(seed)
    plain = [line.split(" ", 1)[1] for line in draw.sample(lines, count)]
    return plain + [line[: max(1, len(line) // 2)] + draw.choice(plain) for line in plain] + [
        "", " ", "\t a  b\r\v\f c ", "a\0b", "never seen", "é", "漢字", "e\u0301 \U00010400", "a </s> b", "__label__l0 a", "__label__none",
        "<a>", "a" * 300, "\u00a0a\u3000b", "\ufeffa",
    ]


def train(case: dict, folder: Path):
    """`case`: {lines: {...}, train: keywords of train_supervised, quantize: keywords, or none}; the path of the model."""
    import fasttext

    lines = make_lines(**case["lines"])
    source = folder / "train.txt"
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    model = fasttext.train_supervised(input=str(source), thread=THREADS, verbose=0, **case["train"])
    quantize = case.get("quantize")
    if quantize is not None:
        model.quantize(input=str(source), thread=THREADS, **quantize)
    path = folder / (case["name"] + (".bin" if quantize is None else ".ftz"))
    model.save_model(str(path))
    return path, lines


def predictions(path: Path, texts: list) -> list:
    """Of each text, all that fastText tells: [[label, probability], ...], best first."""
    import fasttext

    model = fasttext.load_model(str(path))
    return [[[label, probability] for probability, label in model.f.predict(text + "\n", -1, 0.0, "strict")] for text in texts]
