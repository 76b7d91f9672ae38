#!/usr/bin/env python3
"""The demo's experiment in plain PyTorch: an oracle for what `npm run demo` should show.

    npm run build && pip install torch==2.13.0 && python3 bench/miniature_llama.py [--seeds 0,1,2] [RUN.KEY=VALUE ...]

The world (texts, prompts, vocabulary) and the recipe come from lib/world, the training from torch: a Llama with RMSNorm,
RoPE and SwiGLU, documents that never see each other, AdamW, warm-up and cosine. One thread; prints a table per seed,
mean [min,max] over the seeds, and whether the robust signatures hold. The native trainer draws other random
numbers, so compare ranges, not digits; miniature_llama.md has those of five seeds. Overrides: base.lr=3e-3,
ins_cp.steps=100, init.embedding_std=.3, rho=.95.
"""
import argparse, copy, itertools, json, math, random, subprocess, tempfile, time
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F

ROOT = Path(__file__).resolve().parent.parent
EXPORT = """
const [, directory, seed] = process.argv
const lib = (name) => require(`./dist/world/${name}.js`)
const { World } = lib('world'), recipe = lib('recipe'), tokenizer = lib('tokenizer')
lib('datasets').writeDatasets(new World(Number(seed)), directory, recipe.DATASET_SIZES).then(() => {
  const runs = Object.fromEntries(Object.entries(recipe.RECIPES).map(([name, run]) =>
    [name, { ...run, ...recipe.trainConfig(name, { world: '.', runs: '.' }, 0) }]))
  console.log(JSON.stringify({ runs, architecture: recipe.ARCHITECTURE, init: recipe.INITIALIZATION,
    scales: recipe.SCALES, vocabulary: tokenizer.VOCABULARY, limit: recipe.GENERATION.max_new_tokens }))
})
"""
MEASURE = """
const { measureAnswer, measureRow } = require('./dist/world/measure.js')
const input = JSON.parse(require('node:fs').readFileSync(0, 'utf8'))
console.log(JSON.stringify(input.map((answers) => measureRow(answers.map(([item, text, reason]) => measureAnswer(item, text, reason))))))
"""


def node(script, *arguments, text=None):
    return json.loads(subprocess.run(["node", "-e", script, *arguments], cwd=ROOT, input=text, capture_output=True, text=True, check=True).stdout)


# ---------------------------------------------------------------- text


class Text:
    """Token ids of documents, conversations and prompts; rows are (ids, index of the first target)."""

    def __init__(self, vocabulary):
        self.words = vocabulary
        self.id = {word: i for i, word in enumerate(vocabulary)}
        self.bos, self.eot = self.id["<bos>"], self.id["<eot>"]

    def ids(self, text):
        return [self.id[word] for word in text.split()]

    def text(self, ids):
        return " ".join(self.words[i] for i in ids)

    def prompt(self, question):
        return self.ids(f"<bos> <user> {question} <eot> <assistant>")

    def row(self, record, objective):
        if objective == "sft":
            question, answer = (message["content"] for message in record["messages"])
            prompt = self.prompt(question)
            return prompt + self.ids(answer) + [self.eot], len(prompt)
        body = self.ids(record["text"])
        return (self.prompt("") + body + [self.eot] if objective == "inscp" else [self.bos] + body), 1


def read(path):
    return [json.loads(line) for line in open(path, encoding="utf8")]


def packed_rows(documents, length, whole):
    """Rows of `length` tokens as lists of pieces that never see each other: documents one after the other. A text is cut
    where a row ends, and its last token said again in the next row; a conversation (`whole`) begins a new row instead."""
    row, room = [], length
    for ids, first in documents:
        if room < (len(ids) if whole else 1):
            yield row
            row, room = [], length
        while len(ids) > room:
            yield row + [(ids[:room], first)]
            ids, row, room = ids[room - 1 :], [], length
        row.append((ids, first))
        room -= len(ids)


def packed_batches(documents, length, batch_size, whole):
    """The pieces of each update, the documents in random order (the same for every run on the same data)."""
    rows = packed_rows(random.Random(0).sample(documents, len(documents)), length, whole)
    while batch := [piece for row in itertools.islice(rows, batch_size) for piece in row]:
        yield batch


def padded(rows):
    """ids and targets, both (B, T-1); targets that do not count are -100."""
    longest = max(len(ids) for ids, _ in rows)
    x = torch.zeros(len(rows), longest, dtype=torch.long)
    y = torch.full((len(rows), longest), -100)
    for i, (ids, first) in enumerate(rows):
        x[i, : len(ids)] = torch.tensor(ids)
        y[i, first : len(ids)] = x[i, first : len(ids)]
    return x[:, :-1], y[:, 1:]


# ---------------------------------------------------------------- model


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)


class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        d, f = config["hidden_size"], config["intermediate_size"]
        linear = lambda i, o: nn.Linear(i, o, bias=False)
        self.heads, self.eps = config["num_attention_heads"], config["rms_norm_eps"]
        self.input_norm, self.post_norm = nn.Parameter(torch.ones(d)), nn.Parameter(torch.ones(d))
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (linear(d, d) for _ in range(4))
        self.gate_proj, self.up_proj, self.down_proj = linear(d, f), linear(d, f), linear(f, d)

    def forward(self, x, cos, sin, cache):
        B, T, D = x.shape
        h = F.rms_norm(x, (D,), self.input_norm, self.eps)
        q, k, v = (p(h).view(B, T, self.heads, -1).transpose(1, 2) for p in (self.q_proj, self.k_proj, self.v_proj))
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if cache is not None:
            if cache:
                k, v = torch.cat([cache["k"], k], 2), torch.cat([cache["v"], v], 2)
            cache["k"], cache["v"] = k, v
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=T > 1)
        x = x + self.o_proj(attended.transpose(1, 2).reshape(B, T, D))
        h = F.rms_norm(x, (D,), self.post_norm, self.eps)
        return x + self.down_proj(F.silu(self.gate_proj(h)) * self.up_proj(h))


class Llama(nn.Module):
    def __init__(self, config, init):
        super().__init__()
        d, vocabulary = config["hidden_size"], config["vocab_size"]
        self.embed_tokens = nn.Embedding(vocabulary, d)
        self.layers = nn.ModuleList(Block(config) for _ in range(config["num_hidden_layers"]))
        self.norm, self.eps = nn.Parameter(torch.ones(d)), config["rms_norm_eps"]
        self.lm_head = nn.Linear(d, vocabulary, bias=False)
        self.initialize(init)
        head = d // config["num_attention_heads"]
        angles = torch.arange(config["max_position_embeddings"])[:, None] * config["rope_theta"] ** (-torch.arange(0, head, 2) / head)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    @torch.no_grad()
    def initialize(self, init):
        gains = {"o_proj": init["attention_output_gain"], "down_proj": init["mlp_output_gain"]}
        for name, p in self.named_parameters():
            if p.dim() == 2:
                gain = gains.get(name.split(".")[-2], 1.0) * init["matrix_gain"]
                nn.init.normal_(p, 0, init["embedding_std"] if name.startswith("embed") else gain / math.sqrt(p.shape[1]))
        rho, pairs = init["related_rows"]["correlation"], torch.tensor(init["related_rows"]["pairs"])
        for table in (self.embed_tokens.weight, self.lm_head.weight):
            table[pairs[:, 0]] = rho * table[pairs[:, 1]] + math.sqrt(1 - rho * rho) * table[pairs[:, 0]]

    def forward(self, ids, caches=None, start=0):
        x, positions = self.embed_tokens(ids), slice(start, start + ids.shape[1])
        for i, layer in enumerate(self.layers):
            x = layer(x, self.cos[positions], self.sin[positions], None if caches is None else caches[i])
        return self.lm_head(F.rms_norm(x, x.shape[-1:], self.norm, self.eps))


# ---------------------------------------------------------------- training and evaluation


def train(model, rows, run):
    """One run of the recipe. A batch is computed in thirds of similar length, to save padding; the loss is one mean."""
    lr, betas, steps = run["lr"], tuple(run["optimizer"]["betas"]), run["steps"]
    floor, warmup = run["schedule"]["min_lr"] / run["optimizer"]["lr"], max(10, round(steps / 20))
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, betas=betas, weight_decay=0.0, fused=True)
    batches = packed_batches(rows, run["sequence_length"], run["batch_size"], run["objective"] == "sft")
    for step in range(steps):
        cosine = 0.5 * (1 + math.cos(math.pi * max(0, step - warmup) / max(1, steps - 1 - warmup)))
        optimizer.param_groups[0]["lr"] = lr * (min(1, (step + 1) / warmup) if step < warmup else floor + (1 - floor) * cosine)
        batch = sorted(next(batches), key=lambda row: len(row[0]))
        targets = sum(len(ids) - first for ids, first in batch)
        optimizer.zero_grad(set_to_none=True)
        for i in range(3):
            x, y = padded(batch[len(batch) * i // 3 : len(batch) * (i + 1) // 3])
            loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten(), ignore_index=-100, reduction="sum") / targets
            loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), run["clip"])
        optimizer.step()
    print(f"    {steps} updates left {sum(map(len, batches))} pieces unread", flush=True)
    return model


def grafted(target, base, chat, scale):
    model = copy.deepcopy(target)
    with torch.no_grad():
        for p, b, c in zip(model.parameters(), base.parameters(), chat.parameters()):
            p += scale * (c - b)
    return model


@torch.no_grad()
def answers(model, text, items, limit):
    """[item, greedy answer, finish reason] of each prompt; prompts of one length run together."""
    prompts = [text.prompt(item["prompt"]) for item in items]
    found = [None] * len(items)
    for length in set(map(len, prompts)):
        group = [i for i, prompt in enumerate(prompts) if len(prompt) == length]
        x, start, tokens, caches = torch.tensor([prompts[i] for i in group]), 0, [], [{} for _ in model.layers]
        for _ in range(limit):
            following = model(x, caches, start)[:, -1].argmax(-1)
            start, x = start + x.shape[1], following[:, None]
            tokens.append(following)
        for i, row in zip(group, torch.stack(tokens, 1).tolist()):
            stopped = text.eot in row
            body = row[: row.index(text.eot)] if stopped else row
            plain = [token for token in body if token > 5]
            found[i] = [items[i], text.text(plain), "stop" if stopped else "length"]
    return found


@torch.no_grad()
def perplexity(model, rows):
    x, y = padded(rows)
    return math.exp(F.cross_entropy(model(x).flatten(0, 1), y.flatten(), ignore_index=-100).item())


def experiment(seed, overrides):
    with tempfile.TemporaryDirectory() as folder:
        plan = node(EXPORT, folder, str(seed))
        data = {path.stem: read(path) for path in Path(folder).iterdir()}
    apply(plan, overrides)
    torch.manual_seed(seed)
    text, models, columns, started = Text(plan["vocabulary"]), {}, {}, time.process_time()
    models[None] = Llama(plan["architecture"], plan["init"])
    print(f"seed {seed}: {sum(p.numel() for p in models[None].parameters())} parameters, {len(text.words)} tokens", flush=True)
    held_out = {lang: [text.row(row, "cp") for row in data[f"held_out_{lang}"]] for lang in "ab"}
    given = {}

    def arm(name, model):
        models[name] = model
        given[name] = answers(model, text, data["prompts"], plan["limit"])
        columns[name] = {f"ppl_{lang}": perplexity(model, rows) for lang, rows in held_out.items()}

    for name, run in plan["runs"].items():
        rows = [text.row(record, run["objective"]) for record in data[run["data_set"]]]
        begun = time.process_time()
        arm(name, train(copy.deepcopy(models[run["from"]]), rows, run))
        print(f"    {name}: {time.process_time() - begun:.1f} CPU-seconds", flush=True)
    for scale in plan["scales"]:
        arm(f"cp+{scale:g}", grafted(models["cp"], models["base"], models["chat"], scale))
    for name, row in zip(given, node(MEASURE, text=json.dumps(list(given.values())))):
        columns[name].update(row)
    print(f"    {time.process_time() - started:.1f} CPU-seconds in all")
    return columns, given


def apply(plan, overrides):
    for run in plan["runs"].values():
        run["data_set"] = Path(run["data"][0]["path"]).stem
    for override in overrides:
        path, value = override.split("=")
        place = {**plan["runs"], "init": plan["init"]}
        if path == "rho":
            plan["init"]["related_rows"]["correlation"] = float(value)
        else:
            where, key = path.split(".")
            place[where][key] = type(place[where][key])(float(value))


# ---------------------------------------------------------------- report

COLUMNS = "lid_a lid_b mixed_b stop_a stop_b ref_a ref_b ref_own_b ok_a ok_b any_b rep_b ppl_a ppl_b".split()


def cell(column, values):
    digits, factor = (1, 1) if column.startswith("ppl") else (0, 100)
    show = lambda value: f"{value * factor:.{digits}f}"
    return show(values[0]) if len(values) == 1 else f"{show(sum(values) / len(values))} [{show(min(values))},{show(max(values))}]"


def table(tables):
    print("| arm | " + " | ".join(COLUMNS) + " |\n|" + "---|" * (len(COLUMNS) + 1))
    for name in tables[0]:
        print(f"| {name} | " + " | ".join(cell(c, [t[name][c] for t in tables]) for c in COLUMNS) + " |", flush=True)


def signatures(t):
    """What has to hold at every seed."""
    return {
        "InsCP stops in B": t["ins_cp"]["stop_b"] >= 0.9,
        "plain CP does not": t["org_cp"]["stop_b"] <= 0.35,
        "CP has no manners": all(t["cp"][key] == 0 for key in ("stop_a", "stop_b", "ref_a", "ref_b")),
        "CP + .75 stops": t["cp+0.75"]["stop_b"] >= 0.7,
        "CP + .25 does not": t["cp+0.25"]["stop_b"] <= 0.05,
        "large scales drift to A": t["cp+0.5"]["lid_b"] - t["cp+1.25"]["lid_b"] >= 0.15,
        "best scale below 1.25": t["cp+0.75"]["ok_b"] > t["cp+1.25"]["ok_b"],
        "chat answers B in A": t["chat"]["lid_b"] <= 0.4,
        "InsCP answers B in B": t["ins_cp"]["lid_b"] >= 0.9,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--examples", action="store_true", help="print some answers of each arm")
    parser.add_argument("overrides", nargs="*")
    options = parser.parse_args()
    torch.set_num_threads(1)
    tables = []
    for seed in map(int, options.seeds.split(",")):
        columns, given = experiment(seed, options.overrides)
        tables.append(columns)
        table([columns])
        print("    " + "; ".join(f"{name}: {'yes' if holds else 'NO'}" for name, holds in signatures(columns).items()))
        if options.examples:
            for name, rows in given.items():
                for item, answer, reason in rows[100::14]:
                    print(f"    {name} | {item['prompt']} | {answer} ({reason})")
    if len(tables) > 1:
        table(tables)


if __name__ == "__main__":
    main()
