// Chat templates: programs that come with a model. Read and run as `model.renderChat` and `inspect` of a folder would.

import { readTokenizerFiles } from '#lib/checkpoint/tokenizer_files'
import { ChatTemplate } from '#lib/text/chat_template'

const MESSAGES = [
  { role: 'user', content: 'hello' },
  { role: 'assistant', content: 'hi' },
]

/** Rendered with a small conversation, and with the opening of an answer. */
const render =
  (source, messages = MESSAGES) =>
  async (folder) => {
    const { chatTemplate } = await readTokenizerFiles(folder)
    new ChatTemplate(chatTemplate ?? source, { name: 'chat_template.jinja' }).render(messages, {
      addGenerationPrompt: true,
    })
  }

const refused = (name, source, says = []) => ({
  name,
  files: { 'chat_template.jinja': source },
  call: render(),
  code: 'ERR_TEMPLATE',
  file: 'chat_template.jinja',
  says,
})

const nest = (open, close, depth, inner = '') => open.repeat(depth) + inner + close.repeat(depth)

/** What asks for more than it may have. */
const BOMBS = {
  'a long range': '{% for i in range(1000000) %}x{% endfor %}',
  'a range of huge numbers': '{% for i in range(9007199254740991) %}x{% endfor %}',
  'a negative long range': '{% for i in range(0, -100000000, -1) %}x{% endfor %}',
  'two loops': nest('{% for i in range(3000) %}', '{% endfor %}', 2, 'x'),
  'ten loops': nest('{% for i in range(10) %}', '{% endfor %}', 10, 'x'),
  'loops that write nothing': nest('{% for i in range(5000) %}', '{% endfor %}', 3),
  'a loop over text in loops': nest('{% for i in "aaaaaaaaaaaaaaaaaaaa" %}', '{% endfor %}', 8, 'x'),
  'text that doubles': `{% set ns = namespace(s='x') %}${'{% set ns.s = ns.s + ns.s %}'.repeat(64)}{{ ns.s }}`,
  'text that doubles in a loop':
    "{% set ns = namespace(s='x') %}{% for i in range(100) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}",
  'replace that grows':
    "{% set ns = namespace(s='x') %}{% for i in range(40) %}{% set ns.s = ns.s.replace('x', 'xxxxxxxx') %}{% endfor %}{{ ns.s }}",
  'replace of nothing by much':
    "{% set ns = namespace(s='xx') %}{% for i in range(40) %}{% set ns.s = ns.s | replace('', 'yyyyyyyy') %}{% endfor %}{{ ns.s }}",
  'join that grows':
    "{% set ns = namespace(s='xxxx') %}{% for i in range(40) %}{% set ns.s = ns.s | join(ns.s) %}{% endfor %}{{ ns.s }}",
  'indent by much': '{{ "a\\nb" | indent(100000000) }}',
  'tojson indented by much': '{{ messages | tojson(indent=100000000) }}',
  'lists of lists':
    '{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = [ns.l, ns.l, ns.l] %}{% endfor %}{{ ns.l }}',
  'lists added up':
    '{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = ns.l + ns.l %}{% endfor %}{{ ns.l | length }}',
  'a macro that calls itself': '{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}',
  'two macros that call each other':
    '{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}',
  'a macro that calls itself twice': '{% macro f(n) %}{{ f(n) ~ f(n) }}{% endmacro %}{{ f(1) }}',
  'deep parentheses': `{{ ${nest('(', ')', 5000, '1')} }}`,
  'deep lists': `{{ ${nest('[', ']', 5000, '1')} }}`,
  'deep tables': `{{ ${nest('{"a":', '}', 5000, '1')} }}`,
  'deep ifs': nest('{% if true %}', '{% endif %}', 3000, 'x'),
  'deep loops': nest('{% for i in [1] %}', '{% endfor %}', 2000, 'x'),
  'a chain of not': `{{ ${'not '.repeat(5000)}true }}`,
  'a long chain of filters': `{{ "x"${' | upper'.repeat(5000)} }}`,
  'a long sum': `{{ 1${' + 1'.repeat(20000)} }}`,
  'many blanks': `{{ 1 }}${' '.repeat(100000)}{{ 2 }}`,
  'many blanks in an expression': `{{ ${' '.repeat(100000)} 1 }}`,
  'a source of 200 kB': 'x'.repeat(200_000),
  'a source of 3 MB': '{{ 1 }}'.repeat(430_000),
  'many parts of a text': '{% set s = "a" * 1000000 %}{{ s }}',
  'sort in loops': '{% for i in range(9000) %}{% set l = range(9000) | sort %}{% endfor %}',
  'splits in loops':
    '{% set ns = namespace(s="a a a a a a a a") %}{% for i in range(9999) %}{% set l = (ns.s * 100).split() %}{% endfor %}',
  'reverse of a range in loops':
    '{% for i in range(9000) %}{% set l = range(9000) | reverse | list %}{% endfor %}',
  'map in loops': '{% for i in range(9000) %}{% set l = range(9000) | map("string") | list %}{% endfor %}',
  'slices in loops': '{% set l = range(9000) %}{% for i in l %}{% set m = l[::-1] %}{% endfor %}',
}

/** What reaches for the host, or is not Jinja. */
const WRONG = {
  'a broken tag': '{% if %}x{% endif %}',
  'an open tag': '{% for m in messages %}{{ m.content }}',
  'an open expression': '{{ messages[0].content',
  'an open comment': '{# a comment {{ x }}',
  'an unknown tag': '{% include "/etc/passwd" %}',
  'an import': '{% import "os" as os %}',
  'an extends': '{% extends "base.html" %}',
  'an unknown filter': '{{ messages | frobnicate }}',
  'an unknown test': '{% if messages is frobnicated %}x{% endif %}',
  'an unknown function': '{{ frobnicate() }}',
  'a call of text': '{{ "x"() }}',
  'a call of the constructor': '{{ "x".constructor("return process")() }}',
  'a call of the constructor of a list': '{{ [].constructor.constructor("return 1")() }}',
  'a class walk': '{{ "".__class__.__mro__[1].__subclasses__()() }}',
  'a global': '{{ cycler.__init__.__globals__.os.popen("id").read() }}',
  'a require': '{{ require("fs").readFileSync("/etc/passwd") }}',
  'a process': '{{ process.exit(1) }}',
  'an eval': '{{ eval("1") }}',
  'a prototype set': '{% set x = {} %}{{ x.__proto__.polluted() }}',
  'a refusal of its own': '{{ raise_exception("roles must alternate") }}',
  'a refusal with a long reason':
    '{% set s = "x" %}{% for i in range(15) %}{% set s = s + s %}{% endfor %}{{ raise_exception("no" ~ messages) }}',
  'a refusal that draws on the terminal': '{{ raise_exception("\u001b[2J\u001b[31mhello\u0007") }}',
  'a sum of text and number': '{{ "a" - 1 }}',
  'a range of text': '{% for i in range("a") %}x{% endfor %}',
  'a range without bounds': '{% for i in range() %}x{% endfor %}',
  'a range without a step': '{% for i in range(1, 2, 0) %}x{% endfor %}',
  'a range of fractions': '{% for i in range(0.5) %}x{% endfor %}',
  'a loop over a number': '{% for i in 7 %}x{% endfor %}',
  'an index of nothing': '{{ nothing[0] }}',
  'a break outside of a loop': '{% break %}',
  'a continue outside of a loop': '{% continue %}',
  'an else of nothing': '{% else %}x',
  'an end of nothing': '{% endfor %}',
  'an open text': '{{ "abc }}',
  'a method by a computed name': '{{ "a"["upper"]() }}',
  'a namespace in a list': '{% set ns = namespace(x=1) %}{% set l = [ns] %}{{ l }}',
}

/** Well-formed ones, which render. */
const GOOD = {
  'plain text': 'hello',
  nothing: '',
  ChatML:
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
  'blank control': '{%- for m in messages -%}\n {{- m.content -}} \n{%- endfor -%}',
  'line ends of Windows': '{% for m in messages %}\r\n{{ m.content }}\r\n{% endfor %}',
  'a macro':
    '{% macro turn(m) %}[{{ m.role }}] {{ m.content }}{% endmacro %}{% for m in messages %}{{ turn(m) }}{% endfor %}',
  'a namespace':
    '{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}',
  'break and continue':
    '{% for m in messages %}{% if loop.first %}{% continue %}{% endif %}{{ m.content }}{% break %}{% endfor %}',
  'a test of definedness': '{% if tools is defined and tools %}{{ tools | tojson }}{% endif %}x',
  filters: '{{ messages[0].content | upper | trim | replace("H", "J") }}',
  'a date': '{{ strftime_now("%d %b %Y") }}',
  'a comment': '{# a comment #}x',
  'raw JSON': '{{ messages | tojson(indent=2) }}',
  'a range of 1000': '{% for i in range(1000) %}.{% endfor %}',
  'unknown names are nothing': '{{ unknown }}x',
  selectattr: '{{ messages | selectattr("role", "equalto", "user") | list | length }}',
}

export const chatTemplates = () => [
  ...Object.entries(BOMBS).map(([name, source]) => refused(name, source)),
  ...Object.entries(WRONG).map(([name, source]) => refused(name, source)),
  ...Object.entries(GOOD).map(([name, source]) => ({
    name,
    files: { 'chat_template.jinja': source },
    call: render(source),
  })),
]
