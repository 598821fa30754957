"""Writes config.references.generated.ts: logits of Hugging Face's networks for one key of config.json changed at a time. Run
with PyPI's transformers (5.24) and torch."""

import json
import math
import os

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

sizes = dict(vocab_size=30, hidden_size=8, embedding_size=6, num_hidden_layers=3, num_attention_heads=2, intermediate_size=12)
sizes.update(max_position_embeddings=16, id2label={"0": "a", "1": "b", "2": "c"})

everywhere = [
    {},
    {"chunk_size_feed_forward": 2},
    {"layer_norm_eps": 0.1},
    {"num_attention_heads": 4},
    {"type_vocab_size": 3},
    {"num_hidden_layers": 2},
    {"pad_token_id": 3},
    {"is_encoder_decoder": True},
    {"tie_word_embeddings": False},
    {"num_hidden_groups": 2},
    {"inner_group_num": 2},
    {"embedding_size": 8},
    {"summary_type": "last", "summary_use_proj": False, "summary_activation": "tanh"},
    {"layer_types": ["sliding_attention"] * 3, "sliding_window": 1},
    {"problem_type": "multi_label_classification"},
    {"id2label": {"0": "a", "1": "b", "2": "c", "3": "d", "4": "e"}},
] + [{"hidden_act": name} for name in ("gelu_python", "gelu_new", "gelu_fast", "gelu_accurate", "gelu_python_tanh")]
everywhere += [{"hidden_act": name} for name in ("gelu_pytorch_tanh", "relu", "silu", "swish", "tanh")]
# Where 18 layers in 14 groups lie depends on how the division rounds.
albert = [{"num_hidden_layers": 18, "num_hidden_groups": 14}, {"num_hidden_layers": 22, "num_hidden_groups": 18}]


def fill(name, parameter):
    """Numbers that every language makes alike."""
    seed = sum((place + 1) * ord(letter) for place, letter in enumerate(name))
    is_norm = "norm" in name.lower() and name.endswith("weight")
    values = [is_norm + 0.5 * math.sin(seed + 1.7 * index + 0.013 * index * index) for index in range(parameter.numel())]
    with torch.no_grad():
        parameter.copy_(torch.tensor(values, dtype=torch.float64).reshape(parameter.shape))


def logits(family, change):
    network = AutoModelForSequenceClassification.from_config(AutoConfig.for_model(family, **{**sizes, **change})).eval()
    for name, parameter in network.named_parameters():
        fill(name, parameter)
    pad = change.get("pad_token_id", 1 if family == "roberta" else 0)
    input_ids = torch.tensor([[5, 6, 7, 8, 9, 10], [11, 12, pad, pad, pad, pad]])
    attention_mask = torch.tensor([[1] * 6, [1, 1, 0, 0, 0, 0]])
    token_type_ids = torch.tensor([[0, 0, 0, 1, 1, 1], [0, 1, 0, 0, 0, 0]])
    with torch.no_grad():
        output = network(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)
    return [round(value, 6) for value in output.logits.flatten().tolist()]


with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "config.references.generated.ts"), "w") as file:
    file.write("/** Written by config.references.py with Hugging Face's own networks. Do not edit. */\n\n")
    file.write(f"export const sizes = {json.dumps(sizes)};\n\n")
    file.write("/** Logits [2, labels] of each family by what is changed in its config.json. */\nexport const references = {\n")
    for family in ("bert", "roberta", "albert", "electra"):
        file.write(f"  {family}: [\n")
        for change in everywhere + (albert if family == "albert" else []):
            file.write(f"    {{ change: {json.dumps(change)}, logits: {json.dumps(logits(family, change))} }},\n")
        file.write("  ],\n")
    file.write("};\n")
