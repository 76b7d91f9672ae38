"""The table of tiny speech encoders that the golden arrays and the live parity tests are made of, and what transformers,
or for MelHuBERT melhubert.py, says about them.

Every row is one thing that a HuBERT, wav2vec 2.0 or MelHuBERT folder may do. `random_speech` turns a row and a seed into
a real folder; `write_expected` puts beside it, in float32 with plain ("eager") attention and no dropout:

expected.safetensors
  sound.<i>     (S) samples or (T,C) frames of utterance i, of different lengths
  states.<i>    (L+1,T,D): what goes into the first block and what each block gives, of the utterance alone
  last.<i>      (T,D): what the model gives, a norm behind its blocks included
  hidden.<i>    (T) int32, 1 where a place is hidden, and masked.<i> (L+1,T,D): the states where those are
  raw.0         (S) samples that are louder and not around zero, of rows that hear samples, and normed.0 (T,D): what the
                model gives for them by way of transformers' feature extractor, preprocessor_config.json of the folder
  padded.<i>    (L+1,T,D), of rows that norm frame by frame: out of a batch that is padded with zeros, by its mask
gradients.safetensors
  weight (T,D), grad.<parameter>: of the sum of weight * what the model gives for utterance 0, its hidden places hidden
"""
from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoConfig, Wav2Vec2FeatureExtractor

from decoder_expected import save
from melhubert import MelHubert


@dataclass(frozen=True)
class Case:
    """One row: `config` is laid over the base of its family; `without` are the keys that switch its feature off."""

    hub_class: str
    config: dict[str, Any] = field(default_factory=dict)
    without: dict[str, Any] = field(default_factory=dict)
    stored: torch.dtype = torch.float32
    max_shard_size: str | None = None
    legacy: bool = False  # lengths and directions of the weight norm under the names of torch before 2.0
    gradients: bool = False


BLOCKS = {
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 4,
}
SAMPLES = {
    **BLOCKS,
    "conv_dim": (16, 16, 16),
    "conv_kernel": (10, 3, 2),
    "conv_stride": (5, 2, 2),
    "layer_norm_eps": 1e-3,  # large, so that a reader who drops it shows it
}
FRAMES = {**BLOCKS, "model_type": "melhubert", "architectures": ["MelHubertModel"], "num_cluster": 7}
LARGE = {"feat_extract_norm": "layer", "conv_bias": True, "do_stable_layer_norm": True}
SHALLOW = {"num_hidden_layers": 1, "intermediate_size": 24}  # leaves room for the gradients beside the weights

CASES: dict[str, Case] = {
    "hubert": Case("HubertModel", SHALLOW, {"layer_norm_eps": 1e-5}, gradients=True),
    "hubert_large": Case("HubertModel", LARGE, {"do_stable_layer_norm": False}),
    "hubert_layer": Case("HubertModel", {"feat_extract_norm": "layer"}),
    "hubert_bias": Case("HubertModel", {"conv_bias": True}),
    "hubert_plain_projection": Case("HubertModel", {"feat_proj_layer_norm": False}, {"feat_proj_layer_norm": True}),
    "hubert_ctc": Case("HubertForCTC", {"vocab_size": 9, "hidden_act": "gelu_new"}, {"hidden_act": "relu"}),
    "hubert_odd_kernel": Case("HubertModel", {"num_conv_pos_embeddings": 5, "feat_extract_activation": "relu"}),
    "hubert_unhidden": Case("HubertModel", {"mask_time_prob": 0.0}),
    "hubert_legacy": Case("HubertModel", legacy=True),
    "hubert_sharded": Case("HubertModel", max_shard_size="20KB"),
    "wav2vec2": Case("Wav2Vec2Model", {"mask_time_length": 4}),
    "wav2vec2_large": Case("Wav2Vec2Model", {**LARGE, **SHALLOW}, {"feat_extract_norm": "group"}, gradients=True),
    "wav2vec2_pretraining": Case("Wav2Vec2ForPreTraining", {"codevector_dim": 8, "proj_codevector_dim": 8, "num_codevectors_per_group": 4}),
    "wav2vec2_bfloat16": Case("Wav2Vec2ForCTC", {"vocab_size": 9}, stored=torch.bfloat16),
    "melhubert_20ms": Case("MelHubertModel", {**SHALLOW, "feat_emb_dim": 80, "hidden_size": 16, "num_attention_heads": 2}, gradients=True),
    "melhubert_10ms": Case("MelHubertModel", {"feat_emb_dim": 40}),
    "melhubert_plain_kernel": Case("MelHubertModel", {"feat_emb_dim": 12, "num_conv_pos_embeddings": 16, "conv_pos_weight_norm": False}),
}  # fmt: skip

UTTERANCES, LONGEST, SHORTEST = 3, 11, 4  # places
PER_PLACE, FIRST_PLACE = 20, 30  # samples: of the convolutions of SAMPLES
HIDDEN_SHARE = 0.4


def random_speech(name: str, seed: int, folder: Path) -> None:
    """Writes the row `name`, its weights drawn from `seed`, to `folder` as transformers saves it."""
    case = CASES[name]
    if case.hub_class == "MelHubertModel":
        return random_melhubert({**FRAMES, **case.config}, seed, folder)
    family = "hubert" if case.hub_class.startswith("Hubert") else "wav2vec2"
    config = AutoConfig.for_model(family, **{**SAMPLES, **case.config})
    model = getattr(transformers, case.hub_class)(config).float()
    fill(model, seed)
    shards = {"max_shard_size": case.max_shard_size} if case.max_shard_size else {}
    model.to(case.stored).save_pretrained(folder, **shards)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    if case.legacy:
        write_legacy_names(folder / "model.safetensors")


def random_melhubert(config: dict[str, Any], seed: int, folder: Path) -> None:
    model = MelHubert(config)
    fill(model, seed)
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config, indent=2))


@torch.no_grad()
def fill(model: nn.Module, seed: int) -> None:
    """Weights of a size at which every part is heard: attention neither flat nor one-hot, no bias zero."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if name.endswith(("original0", "weight_g")):
            parameter.copy_(0.5 + noise.abs())
        elif parameter.dim() > 1:
            parameter.copy_(noise * 1.2 / math.sqrt(parameter[0].numel()))
        else:
            parameter.copy_(noise * 0.3 + name.endswith("norm.weight"))


def write_legacy_names(path: Path) -> None:
    new = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    tensors = load_file(path)
    for now, old in new.items():
        tensors = {name.replace(now, old): tensor for name, tensor in tensors.items()}
    save_file(tensors, path, {"format": "pt"})


# ---- what is said about a folder ----


class Speech:
    """A folder's model, whatever its family."""

    def __init__(self, folder: Path, **config: Any) -> None:
        self.config = json.loads((folder / "config.json").read_text())
        hub_class = self.config["architectures"][0]
        self.hears_frames = hub_class == "MelHubertModel"
        if self.hears_frames:
            self.model = MelHubert({**self.config, **config}).eval()
            self.model.load_state_dict(load_file(folder / "model.safetensors"))
            return
        options = {"dtype": torch.float32, "attn_implementation": "eager", **config}
        whole = getattr(transformers, hub_class).from_pretrained(folder, **options).eval()
        self.model = whole if hub_class.endswith("2Model") or hub_class == "HubertModel" else whole.base_model

    def __call__(self, sounds: Tensor, visible: Tensor, hidden: Tensor | None = None) -> tuple[list[Tensor], Tensor]:
        """sounds (B,T,C) or (B,S); visible (B,T) or (B,S), hidden (B,T) bool -> states (B,T,D) and the last of all."""
        if self.hears_frames:
            states = self.model(sounds, visible, hidden)
            return states, states[-1]
        mask = None if visible.all() else visible.long()
        out = self.model(sounds, attention_mask=mask, mask_time_indices=hidden, output_hidden_states=True)
        return list(out.hidden_states), out.last_hidden_state

    @property
    def norms_frames(self) -> bool:
        """Whether a place hears nothing of samples beyond its own: then padding with zeros changes no place."""
        return self.hears_frames or self.config["feat_extract_norm"] == "layer"

    @property
    def can_hide(self) -> bool:
        return self.hears_frames or self.config["mask_time_prob"] > 0


def places_of(seed: int) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    return [LONGEST, *torch.randint(SHORTEST, LONGEST, (UTTERANCES - 1,), generator=generator).tolist()]


def sounds_of(speech: Speech, seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(shape, generator=generator)
    if speech.hears_frames:
        return [draw(places, speech.config["feat_emb_dim"]) for places in places_of(seed)]
    rest = lambda: int(torch.randint(PER_PLACE, (1,), generator=generator))  # not enough for a place
    return [draw(FIRST_PLACE + PER_PLACE * (places - 1) + rest()) for places in places_of(seed)]


@torch.no_grad()
def answers(folder: Path, seed: int, **config: Any) -> dict[str, Tensor]:
    """What `expected.safetensors` has of these utterances."""
    speech = Speech(folder, **config)
    generator = torch.Generator().manual_seed(seed + 1)
    tensors = {}
    sounds = sounds_of(speech, seed)
    for i, (sound, places) in enumerate(zip(sounds, places_of(seed))):
        visible = torch.ones(1, len(sound), dtype=torch.bool)
        states, last = speech(sound[None], visible)
        assert last.shape[1] == places
        tensors |= {f"sound.{i}": sound, f"states.{i}": torch.cat(states), f"last.{i}": last[0]}
        if speech.can_hide:
            hidden = torch.rand(places, generator=generator) < HIDDEN_SHARE
            masked = torch.cat(speech(sound[None], visible, hidden[None])[0])
            tensors |= {f"hidden.{i}": hidden.int(), f"masked.{i}": masked}
    if not speech.hears_frames:
        tensors |= normed(speech, folder, 3 * sounds[0] + 1)
    if speech.norms_frames:
        tensors |= padded(speech, sounds)
    return tensors


def normed(speech: Speech, folder: Path, raw: Tensor) -> dict[str, Tensor]:
    extract = Wav2Vec2FeatureExtractor.from_pretrained(folder)
    heard = extract(raw.numpy(), sampling_rate=extract.sampling_rate, return_tensors="pt").input_values
    return {"raw.0": raw, "normed.0": speech(heard, torch.ones(heard.shape, dtype=torch.bool))[1][0]}


def padded(speech: Speech, sounds: list[Tensor]) -> dict[str, Tensor]:
    batch = nn.utils.rnn.pad_sequence(sounds, batch_first=True)
    lengths = torch.tensor([len(sound) for sound in sounds])
    states, _ = speech(batch, torch.arange(batch.shape[1])[None] < lengths[:, None])
    return {
        f"padded.{i}": torch.stack([state[i, :places] for state in states])
        for i, places in enumerate(places_in(speech, lengths))
    }


def places_in(speech: Speech, lengths: Tensor) -> list[int]:
    if speech.hears_frames:
        return lengths.tolist()
    return speech.model._get_feat_extract_output_lengths(lengths).tolist()


def write_expected(folder: Path, seed: int) -> dict[str, Tensor]:
    tensors = answers(folder, seed)
    save(tensors, folder / "expected.safetensors")
    return tensors


def write_gradients(folder: Path, seed: int, expected: dict[str, Tensor]) -> None:
    speech = Speech(folder)
    sound, hidden = expected["sound.0"], expected["hidden.0"].bool()
    _, last = speech(sound[None], torch.ones(1, len(sound), dtype=torch.bool), hidden[None])
    weight = torch.randn(last.shape[1:], generator=torch.Generator().manual_seed(seed + 2))
    (last[0] * weight).sum().backward()
    grads = {f"grad.{name}": p.grad for name, p in speech.model.named_parameters() if p.grad is not None}
    save({"weight": weight, **grads}, folder / "gradients.safetensors")
