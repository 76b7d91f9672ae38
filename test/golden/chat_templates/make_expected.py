"""Renders every template with jinja2, set up as transformers sets it up, and writes expected.json.

The templates of the data folder are not part of this project, so their renderings stand here as SHA-256 of the UTF-8
text; those of features.jinja as text. "error" marks a conversation that the template refuses.

    python3 make_expected.py ../../../../shared/data/chat_templates        (jinja2 3.1.6)
"""
import hashlib
import json
import pathlib
import sys

import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
here = pathlib.Path(__file__).parent


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
environment.filters["tojson"] = tojson
# jinja2 escapes what is joined to a "safe" text as HTML, even here where nothing else is: [{&#34;name&#34;: ...]. The
# authors of the templates that say `|tojson|safe` want the text itself, as their own software writes it.
environment.filters["safe"] = lambda text: text
environment.globals["raise_exception"] = raise_exception


def render(template, case):
    variables = {"add_generation_prompt": False, "tools": None, "documents": None, **TOKENS, **case}
    try:
        return template.render(**variables)
    except (jinja2.exceptions.TemplateError, TypeError):
        return None


cases = json.loads((here / "cases.json").read_text("utf-8"))
expected = {}
for path in [here / "features.jinja", *sorted(pathlib.Path(sys.argv[1]).glob("*.jinja"))]:
    template = environment.from_string(path.read_text("utf-8"))
    row = expected[path.name] = {}
    for name, case in cases.items():
        text = render(template, case)
        if text is None:
            row[name] = "error"
        else:
            row[name] = text if path.parent == here else hashlib.sha256(text.encode()).hexdigest()
(here / "expected.json").write_text(json.dumps(expected, ensure_ascii=False, indent=1) + "\n", "utf-8")
