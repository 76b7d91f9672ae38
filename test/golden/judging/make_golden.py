"""What a judge is asked and what its replies mean, by the rules of FastChat's llm_judge as we read them
(`common.py`, `gen_judgment.py`, `show_result.py` of lm-sys/FastChat), written again in plain Python: str.format, re, dicts.

Questions, answers, templates and replies are made up. Run: python3 make_golden.py (any Python from 3.9; made with 3.11)."""

import ast
import json
import pathlib
import re

here = pathlib.Path(__file__).parent

QUESTIONS = [
    {"question_id": 1, "category": "writing", "turns": ["Write {answer} about % and $&.", "Once more,\nshorter."]},
    {"question_id": 2, "category": "math", "turns": ["What is {{2}} + 2?", "And twice that?"]},
    {"question_id": 3, "category": "coding", "turns": ["f(x) = \\{x\\}?", "Why \"so\"?"]},
    {"question_id": 4, "category": "reasoning", "turns": ["誰先到？", "為什麼？"]},
    {"question_id": "five", "category": "roleplay", "turns": ["Be a harbour master. \U0001f6a2", "And now a gull."]},
    {"question_id": 6, "category": "math", "turns": ["One turn only: 3 * 3?"]},
    {"question_id": 7, "category": "generic", "turns": ["  One turn, blanks around.  "]},
]


def answer(model, question):
    turns = [f"{model} says {{question_{i + 1}}} of {turn!r} {{}}\n" for i, turn in enumerate(question["turns"])]
    return {"question_id": question["question_id"], "model_id": model, "choices": [{"index": 0, "turns": turns}]}


MODEL = [answer("model", q) for q in QUESTIONS]
BASELINE = [answer("baseline", q) for q in QUESTIONS]
REFERENCE = [answer("reference", q) for q in QUESTIONS if q["category"] in ("math", "reasoning", "coding")]

SINGLE = "Rate this, {{strictly}}.\nQ: {question}\n%sA: {answer}\nEnd with [[rating]]."
SINGLE_2 = "%s<U> {question_1}\n<A> {answer_1}\n<U> {question_2}\n<A> {answer_2}"
PAIR = "Q {question}\n%s<A>{answer_a}</A>\n<B>{answer_b}</B>"
PAIR_2 = "%sA: {question_1}|{answer_a_1}|{question_2}|{answer_a_2}\nB: {question_1}|{answer_b_1}|{question_2}|{answer_b_2}"
REF = "R: {ref_answer_1}\n"
REF_2 = "R: {question_1}|{ref_answer_1}|{question_2}|{ref_answer_2}\n"


def template(name, kind, system, prompt):
    output = "[[rating]]" if kind == "single" else "[[A]]"
    row = {"name": name, "type": kind, "system_prompt": system, "prompt_template": prompt}
    return {**row, "description": "", "category": "general", "output_format": output}


TEMPLATES = [
    template("pair-v2", "pairwise", "Compare.", PAIR % ""),
    template("pair-v2-multi-turn", "pairwise", "Compare the second turns.", PAIR_2 % ""),
    template("pair-math-v1", "pairwise", "Compare with the reference.", PAIR % REF),
    template("pair-math-v1-multi-turn", "pairwise", "Compare second turns with the reference.", PAIR_2 % REF_2),
    template("single-v1", "single", "You help.", SINGLE % ""),
    template("single-math-v1", "single", "You help.", SINGLE % REF),
    template("single-v1-multi-turn", "single", "Judge {the second turn}.\n\n", SINGLE_2 % ""),
    template("single-math-v1-multi-turn", "single", "Judge the second turn by the reference.\n\n", SINGLE_2 % REF_2),
]
NEEDS_REFERENCE = ["math", "reasoning", "coding"]


def by_id(rows):
    return {row["question_id"]: row["choices"][0]["turns"] for row in rows}


def messages(name, **fields):
    row = next(one for one in TEMPLATES if one["name"] == name)
    return [
        {"role": "system", "content": row["system_prompt"]},
        {"role": "user", "content": row["prompt_template"].format(**fields)},
    ]


def reference_fields(question, multi_turn):
    if question["category"] not in NEEDS_REFERENCE:
        return {}
    turns = by_id(REFERENCE)[question["question_id"]]
    return {"ref_answer_1": turns[0], **({"ref_answer_2": turns[1]} if multi_turn else {})}


def single(question, multi_turn):
    name = "single-math-v1" if question["category"] in NEEDS_REFERENCE else "single-v1"
    ref = reference_fields(question, multi_turn)
    turns, given = question["turns"], by_id(MODEL)[question["question_id"]]
    if not multi_turn:
        return name, messages(name, question=turns[0], answer=given[0], **ref)
    fields = dict(question_1=turns[0], question_2=turns[1], answer_1=given[0], answer_2=given[1])
    return name + "-multi-turn", messages(name + "-multi-turn", **fields, **ref)


def pair(question, multi_turn, first, second):
    name = "pair-math-v1" if question["category"] in NEEDS_REFERENCE else "pair-v2"
    ref = reference_fields(question, multi_turn)
    turns, a, b = question["turns"], by_id(first)[question["question_id"]], by_id(second)[question["question_id"]]
    if not multi_turn:
        return name, messages(name, question=turns[0], answer_a=a[0], answer_b=b[0], **ref)
    fields = dict(question_1=turns[0], question_2=turns[1], answer_a_1=a[0], answer_b_1=b[0], answer_a_2=a[1], answer_b_2=b[1])
    return name + "-multi-turn", messages(name + "-multi-turn", **fields, **ref)


def row(question, multi_turn, made, order=None):
    name, told = made
    place = {"question_id": str(question["question_id"]), "category": question["category"], "turn": 2 if multi_turn else 1}
    return {**place, **({"order": order} if order else {}), "template": name, "messages": told}


def prompts(mode):
    rows = []
    for question in QUESTIONS:
        for multi_turn in [False, True][: len(question["turns"])]:
            if mode == "single":
                rows.append(row(question, multi_turn, single(question, multi_turn)))
                continue
            rows.append(row(question, multi_turn, pair(question, multi_turn, MODEL, BASELINE), "model_first"))
            rows.append(row(question, multi_turn, pair(question, multi_turn, BASELINE, MODEL), "baseline_first"))
    return rows


RATING = re.compile(r"\[\[(\d+\.?\d*)\]\]")
RATING_BACKUP = re.compile(r"\[(\d+\.?\d*)\]")
REPLIES = [
    *["Good. Rating: [[5]]", "[[10]]", "Rating: [[7.5]]", "[[7.]]", "Rating: [8]", "[ 8 ]", "[[ 8 ]]", "[[8/10]]", "Rating: 8"],
    *["", "[[rating]]", "as in [1], I say [[6]]", "[[3]] or rather [[9]]", "[[-4]]", "[[0]]", "[[4]", "[4]]", "[[[4]]]", "[2][[x]]"],
    *["[[A]]", "[[B]]", "[[C]]", "neither [[D]]", "[[C]] but [[B]]", "[[B]] not [[A]]", "[A]", "[[a]]", "[[ A ]]", "[[A]", "\n[[C]]\n"],
]


def rating(reply):
    match = re.search(RATING, reply) or re.search(RATING_BACKUP, reply)
    return ast.literal_eval(match.groups()[0]) if match else None


def verdict(reply):
    for text, winner in (("[[A]]", "A"), ("[[B]]", "B"), ("[[C]]", "tie")):
        if text in reply:
            return winner
    return None


def write_lines(name, rows):
    text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in rows)
    (here / name).write_text(text, encoding="utf8")


write_lines("question.jsonl", QUESTIONS)
write_lines("model_answer.jsonl", MODEL)
write_lines("baseline_answer.jsonl", BASELINE)
write_lines("reference_answer.jsonl", REFERENCE)
write_lines("judge_prompts.jsonl", TEMPLATES)
expected = {
    "single": prompts("single"),
    "pairwise": prompts("pairwise"),
    "replies": [{"reply": one, "rating": rating(one), "verdict": verdict(one)} for one in REPLIES],
}
(here / "expected.json").write_text(json.dumps(expected, ensure_ascii=False, indent=1) + "\n", encoding="utf8")
