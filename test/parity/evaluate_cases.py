"""Documents of each benchmark in the layout of its data set, made up, with what is hard to get right in them; and task
files for lm-evaluation-harness that are its own but for where the documents lie."""
import json
import random
import re
import shutil
from pathlib import Path

import datasets
import lm_eval.tasks

HARNESS = Path(lm_eval.tasks.__file__).parent
DOCUMENTS = 50
SHOTS = 20

WORDS = """the a cat dog Lily Tom ran saw big red ball happy little girl boy tree house went play park said mom friend sun
water day one two three very not with was is to and of in on it he she they day night found lost apple cake rain""".split()
# Letters beyond the basic plane, combining marks, capitals that change length, blanks that Python and JavaScript see
# otherwise, scripts without blanks, control characters of templates.
ODD = ["ß", "İstanbul", "ǆ", "ΌΣΟΣ", "naïve", "🙂", "𠮷", "日本語", "臺灣", "e\u0301", "\u00a0", "\u0085", "\ufeff", "a\u2028b", "{{x}}", "<s>", "\\n"]


def text(rng: random.Random, least: int, most: int) -> str:
    words = [rng.choice(ODD) if rng.random() < 0.06 else rng.choice(WORDS) for _ in range(rng.randint(least, most))]
    return " ".join(words)


def edged(rng: random.Random, inner: str) -> str:
    """Sometimes with blanks at an edge."""
    return rng.choice(["", "", "", " ", "\n"]) + inner + rng.choice(["", "", "", " ", "  "])


def arc(rng: random.Random) -> dict:
    count = rng.choice([4, 4, 4, 3, 5])
    label = list("ABCDE"[:count]) if rng.random() < 0.7 else [str(i + 1) for i in range(count)]
    choices = {"text": [text(rng, 1, 6) for _ in range(count)], "label": label}
    return {"id": str(rng.random()), "question": edged(rng, text(rng, 3, 12) + "?"), "choices": choices, "answerKey": rng.choice(label)}


def hellaswag(rng: random.Random) -> dict:
    def ending() -> str:
        return edged(rng, text(rng, 2, 8) + rng.choice(["", " [title] " + text(rng, 1, 3), " [step] and  so", "[substeps]  on"]))

    return {
        "ind": rng.randrange(10**6),
        "activity_label": text(rng, 1, 2),
        "ctx_a": text(rng, 4, 12) + rng.choice([".", " [header] x."]),
        "ctx_b": rng.choice(["", text(rng, 1, 4), rng.choice(ODD) + text(rng, 1, 3)]),
        "endings": [ending() for _ in range(4)],
        "source_id": "x",
        "label": str(rng.randrange(4)),
    }


def mmlu(rng: random.Random) -> dict:
    return {
        "question": edged(rng, text(rng, 3, 14)),
        "subject": "x",
        "choices": [text(rng, 1, 4) for _ in range(4)],
        "answer": rng.randrange(4),
    }


def lettered(rng: random.Random) -> dict:
    options = {letter: text(rng, 1, 3) for letter in "ABCD"}
    return {"question": edged(rng, text(rng, 3, 10)), **options, "answer": rng.choice("ABCD")}


def truthfulqa(rng: random.Random) -> dict:
    def targets(right: int, wrong: int) -> dict:
        return {"choices": [text(rng, 2, 8) for _ in range(right + wrong)], "labels": [1] * right + [0] * wrong}

    question = text(rng, 3, 9) + "?"
    return {"question": question, "mc1_targets": targets(1, rng.randint(2, 4)), "mc2_targets": targets(rng.randint(1, 4), rng.randint(1, 4))}


def winogrande(rng: random.Random) -> dict:
    sentence = text(rng, 3, 7) + " because _ " + text(rng, 2, 6) + rng.choice([".", " . ", ""])
    return {"sentence": sentence, "option1": rng.choice(WORDS), "option2": text(rng, 1, 2), "answer": rng.choice("12")}


def xcopa(rng: random.Random) -> dict:
    return {
        "premise": edged(rng, text(rng, 3, 8) + "."),
        "choice1": rng.choice(["İ", "É", "T", "ア"]) + text(rng, 2, 6) + ".",
        "choice2": text(rng, 2, 6).capitalize() + ".",
        "question": rng.choice(["cause", "effect"]),
        "label": rng.randrange(2),
        "idx": 0,
        "changed": False,
    }


def wikitext(rng: random.Random) -> dict:
    def sentence() -> str:
        marks = [' " ', " ' ", " ( ", " ) ", " [ ", " ] ", " @-@ ", " @,@ ", " @.@ ", " , ", " . ", " ; ", " : ", " ! ", " ? ", " 's ", "s ' ", " N ", " ° ", " { ", " } ", " \n ", " "]
        return "".join(text(rng, 1, 4) + rng.choice(marks) for _ in range(rng.randint(2, 12)))

    return {"page": f" = {text(rng, 1, 3)} = \n \n" + " \n".join(f" = = {text(rng, 1, 2)} = = \n {sentence()}" for _ in range(rng.randint(1, 5)))}


# task: (maker, folder below data, split of the documents, of the examples, task file of the harness)
CASES = {
    "arc_easy": (arc, "ai2_arc/ARC-Easy", "test", "train", "arc/arc_easy.yaml"),
    "arc_challenge": (arc, "ai2_arc/ARC-Challenge", "test", "train", "arc/arc_challenge.yaml"),
    "hellaswag": (hellaswag, "hellaswag", "validation", "train", "hellaswag/hellaswag.yaml"),
    "mmlu_anatomy": (mmlu, "mmlu/anatomy", "test", "dev", "mmlu/default/mmlu_anatomy.yaml"),
    "mmlu_us_foreign_policy": (mmlu, "mmlu/us_foreign_policy", "test", "dev", "mmlu/default/mmlu_us_foreign_policy.yaml"),
    "tmmluplus_accounting": (lettered, "tmmluplus/accounting", "test", "train", "tmmluplus/default/tmmluplus_accounting.yaml"),
    "ceval-valid_law": (lettered, "ceval-exam/law", "val", "dev", "ceval/ceval-valid_law.yaml"),
    "truthfulqa_mc1": (truthfulqa, "truthful_qa/multiple_choice", "validation", None, "truthfulqa/truthfulqa_mc1.yaml"),
    "truthfulqa_mc2": (truthfulqa, "truthful_qa/multiple_choice", "validation", None, "truthfulqa/truthfulqa_mc2.yaml"),
    "winogrande": (winogrande, "winogrande/winogrande_xl", "validation", "train", "winogrande/default.yaml"),
    "wikitext": (wikitext, "wikitext_document_level/wikitext-2-raw-v1", "test", None, "wikitext/wikitext.yaml"),
    **{f"xcopa_{lang}": (xcopa, f"xcopa/{lang}", "test", "validation", f"xcopa/default_{lang}.yaml") for lang in ("et", "ht", "id", "it", "qu", "sw", "ta", "th", "tr", "vi", "zh")},
}
# Written as the hub has them too: we read these, the harness the lines.
PARQUET = ("arc_challenge", "hellaswag", "mmlu_anatomy", "truthfulqa_mc1", "winogrande", "xcopa_et")
GROUPS = {"xcopa": "xcopa/_xcopa.yaml"}
# Copied beside the data, as a user has to: texts that belong to the benchmark.
FIXED = ["truthfulqa/truthfulqa_mc1.yaml", "tmmluplus/default/tmmluplus_accounting.yaml", "ceval/ceval-valid_law.yaml"]

# Task files that both programs read as they are.
OWN = {
    "own_letters": """
task: own_letters
output_type: multiple_choice
dataset_path: json
dataset_kwargs: {data_files: {test: letters_test.jsonl, train: letters_train.jsonl}}
test_split: test
fewshot_split: train
description: "Choose well.\\n\\n"
doc_to_text: "{{question}}\\nOptions:{% for letter in ['A', 'B', 'C', 'D'] %}\\n{{letter}}: {{choices[loop.index0]}}{% endfor %}\\nIt is"
doc_to_choice: [A, B, C, D]
doc_to_target: answer
metric_list: [{metric: acc}, {metric: acc_norm}, {metric: acc_bytes}]
metadata: {version: 3}
""",
    "own_fields": """
task: own_fields
output_type: multiple_choice
dataset_path: json
dataset_kwargs: {data_files: {validation: letters_test.jsonl}}
validation_split: validation
fewshot_config: {sampler: first_n}
doc_to_text: question
doc_to_choice: "{{choices}}"
doc_to_target: "{{answer}}"
target_delimiter: " => "
fewshot_delimiter: "\\n"
""",
    "own_texts": """
task: own_texts
dataset_path: json
dataset_kwargs: {data_files: {test: pages_test.jsonl}}
output_type: loglikelihood_rolling
test_split: test
doc_to_text: ""
doc_to_target: page
metric_list: [{metric: word_perplexity}, {metric: byte_perplexity}, {metric: bits_per_byte}]
""",
    # A random model says nothing right: what is left of its words is compared, and often that is nothing.
    "own_written": """
task: own_written
output_type: generate_until
dataset_path: json
dataset_kwargs: {data_files: {test: letters_test.jsonl, train: letters_train.jsonl}}
test_split: test
fewshot_split: train
description: "Say it.\\n"
doc_to_text: "{{question}}\\nAnswer:"
doc_to_target: "{{choices[answer]}}"
generation_kwargs: {until: ["e", "\\n"], max_gen_toks: 24, do_sample: false}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true, ignore_case: true, ignore_punctuation: true, regexes_to_ignore: ["[^aeiou]"]}]
""",
}


def write_lines(file: Path, docs: list[dict]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(doc, ensure_ascii=False) + "\n" for doc in docs), encoding="utf-8")


def write_documents(data: Path, seed: int, documents: int = DOCUMENTS, shots: int = SHOTS) -> None:
    for name, (make, folder, split, examples, _) in CASES.items():
        rng = random.Random(f"{seed} {folder}")
        docs, pool = [[make(rng) for _ in range(count)] for count in (documents, shots)]
        write_lines(data / folder / f"{split}.jsonl", docs)
        if examples:
            # A document among its own examples: some tasks leave it out.
            write_lines(data / folder / f"{examples}.jsonl", pool + docs[:5])
    rng = random.Random(seed)
    for split in ("test", "train"):
        write_lines(data / "own" / f"letters_{split}.jsonl", [mmlu(rng) for _ in range(documents)])
    write_lines(data / "own" / "pages_test.jsonl", [wikitext(rng) for _ in range(documents)])
    for name, content in OWN.items():
        (data / "own" / f"{name}.yaml").write_text(content)


# Real documents, from the folder of test/helpers/data.mjs: languages, and writing as it is.
REAL = {
    "own_ttqa": """
task: own_ttqa
output_type: multiple_choice
dataset_path: json
dataset_kwargs: {data_files: {test: ttqa_test.jsonl, train: ttqa_train.jsonl}}
test_split: test
training_split: train
description: "請回答下列問題。\\n\\n"
doc_to_text: "問題：{{question.strip()}}\\n答案："
doc_to_choice: choices
doc_to_target: answer
target_delimiter: ""
""",
    "own_jcqa": """
task: own_jcqa
output_type: multiple_choice
dataset_path: json
dataset_kwargs: {data_files: {validation: jcqa_test.jsonl}}
validation_split: validation
doc_to_text: "質問：{{question}}\\n回答："
doc_to_choice: "{{[choice0, choice1, choice2, choice3, choice4]}}"
doc_to_target: "{{label}}"
metric_list: [{metric: acc}, {metric: acc_norm}, {metric: acc_bytes}]
""",
}


def read_lines(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line]


def write_real_documents(data: Path, real: Path) -> list[str]:
    """Beside those of write_documents, and instead of some; gives the names of the tasks that have them."""
    xcopa_docs = read_lines(real / "eval/xcopa_val.jsonl")
    for lang in sorted({doc["lang"] for doc in xcopa_docs}):
        docs = [doc for doc in xcopa_docs if doc["lang"] == lang]
        write_lines(data / f"xcopa/{lang}/test.jsonl", docs[:DOCUMENTS])
        write_lines(data / f"xcopa/{lang}/validation.jsonl", docs[DOCUMENTS : DOCUMENTS + SHOTS])

    def targets(right: list[str], wrong: list[str]) -> dict:
        return {"choices": right + wrong, "labels": [1] * len(right) + [0] * len(wrong)}

    def answers(doc: dict, key: str) -> list[str]:
        return [one.strip() for one in doc[key].split(";") if one.strip()]

    told = [
        {"question": doc["Question"], "mc1_targets": targets([doc["Best Answer"]], answers(doc, "Incorrect Answers")),
         "mc2_targets": targets(answers(doc, "Correct Answers"), answers(doc, "Incorrect Answers"))}
        for doc in read_lines(real / "eval/truthfulqa.jsonl")[:DOCUMENTS]
    ]
    write_lines(data / "truthful_qa/multiple_choice/validation.jsonl", told)
    ttqa = read_lines(real / "eval/ttqa_mc.jsonl")
    write_lines(data / "own/ttqa_test.jsonl", ttqa[:DOCUMENTS])
    write_lines(data / "own/ttqa_train.jsonl", ttqa[DOCUMENTS:])
    write_lines(data / "own/jcqa_test.jsonl", read_lines(real / "eval/jcommonsenseqa_ja_valid.jsonl")[:DOCUMENTS])
    pages = re.split(r"\n(?= = [^=].*[^=] = \n)", (real / "corpus/en_wikitext2_valid.txt").read_text(encoding="utf-8"))
    write_lines(data / "wikitext_document_level/wikitext-2-raw-v1/test.jsonl", [{"page": page} for page in pages[:6]])
    OWN.update(REAL)
    for name, content in REAL.items():
        (data / "own" / f"{name}.yaml").write_text(content)
    return [*(f"xcopa_{lang}" for lang in ("et", "ta", "th", "zh")), "truthfulqa_mc1", "truthfulqa_mc2", "wikitext", *REAL]


def write_parquet(data: Path) -> None:
    for _, folder, split, examples, _ in (CASES[name] for name in PARQUET):
        for one in filter(None, (split, examples)):
            docs = datasets.Dataset.from_list(read_lines(data / folder / f"{one}.jsonl"))
            docs.to_parquet(str(data / folder / f"{one}-00000-of-00001.parquet"))


def copy_fixed_texts(data: Path) -> None:
    for file in FIXED:
        shutil.copy(HARNESS / file, data / CASES_FOLDER[Path(file).parts[0]] / Path(file).name)


CASES_FOLDER = {"truthfulqa": "truthful_qa", "tmmluplus": "tmmluplus", "ceval": "ceval-exam"}


def write_task_files(folder: Path, data: Path, stand_ins: dict = {}) -> list[str]:
    """The harness' own task files over the documents; its names have local_ before them here. `stand_ins`: keys of some
    tasks, instead of theirs."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (_, place, split, examples, file) in CASES.items():
        splits = [split] + ([examples] if examples else [])
        files = {one: str(data / place / f"{one}.jsonl") for one in splits}
        overrides = {"task": f"local_{name}", "dataset_path": "json", "dataset_name": None, "dataset_kwargs": {"data_files": files}}
        if not examples:  # it would open the split that they come from
            overrides["training_split"] = None
            overrides["validation_split"] = split if split == "validation" else None
        overrides |= stand_ins.get(name, {})
        lines = [f"include: {HARNESS / file}"] + [f"{key}: {json.dumps(value)}" for key, value in overrides.items()]
        (folder / f"local_{name}.yaml").write_text("\n".join(lines + ["tag: null", ""]))
    for name, file in GROUPS.items():
        members = [f"local_{task}" for task in CASES if task.startswith(f"{name}_")]
        (folder / f"local_{name}.yaml").write_text(
            f"group: local_{name}\ntask: {json.dumps(members)}\naggregate_metric_list: [{{metric: acc, aggregation: mean, weight_by_size: true}}]\n"
        )
    for name, content in OWN.items():
        kept = content.replace(f"task: {name}", f"task: local_{name}")
        for file in (data / "own").glob("*.jsonl"):
            kept = kept.replace(file.name, str(file))
        (folder / f"local_{name}.yaml").write_text(kept)
    singles = [f"local_{name}" for name in [*CASES, *OWN] if not any(name.startswith(f"{group}_") for group in GROUPS)]
    return singles + [f"local_{name}" for name in GROUPS]
