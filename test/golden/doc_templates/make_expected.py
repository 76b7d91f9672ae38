"""Fills templates in with a record by jinja2, set up as lm-evaluation-harness sets it up, and writes expected.json.

    python3 make_expected.py        (jinja2 3.1.6)
"""
import json
import pathlib

import jinja2

here = pathlib.Path(__file__).parent
environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
cases = json.loads((here / "cases.json").read_text("utf-8"))
expected = {text: environment.from_string(text).render(**cases["record"]) for text in cases["templates"]}
(here / "expected.json").write_text(json.dumps(expected, ensure_ascii=False, indent=2) + "\n", "utf-8")
