#!/usr/bin/env python3
"""Small random models and what mergekit makes of them.

make_merge_fixtures.py OUT [--mergekit PYTHON]

Writes OUT/models/NAME (a few kB each, the same bytes every time), OUT/CASE.yml
and, by mergekit 0.1.5, OUT/expected/CASE. Needs torch, transformers and, for
--mergekit, an interpreter that has it; nothing is downloaded.
check_merges.py then runs soup on the same recipes.
"""

import argparse
import os
import subprocess
from pathlib import Path

import torch
from transformers import (BertConfig, BertForMaskedLM, GPT2Config,
                          GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM,
                          MistralConfig, MistralForCausalLM, MixtralConfig,
                          MixtralForCausalLM, Phi3Config, Phi3ForCausalLM,
                          Qwen2Config, Qwen2ForCausalLM, T5Config,
                          T5ForConditionalGeneration)

NARROW = dict(vocab_size=64, hidden_size=16, intermediate_size=24,
              num_attention_heads=2, num_key_value_heads=1,
              max_position_embeddings=32, pad_token_id=0, bos_token_id=1,
              eos_token_id=2)


def decoder(config, model, layers, **extra):
    return lambda: model(config(**NARROW, num_hidden_layers=layers, **extra))


KINDS = {
    "llama": decoder(LlamaConfig, LlamaForCausalLM, 4),
    "llama80": decoder(LlamaConfig, LlamaForCausalLM, 80),
    "llama48": decoder(LlamaConfig, LlamaForCausalLM, 48),
    "llama60": decoder(LlamaConfig, LlamaForCausalLM, 60),
    "mistral": decoder(MistralConfig, MistralForCausalLM, 32),
    "mixtral": decoder(MixtralConfig, MixtralForCausalLM, 2,
                       num_local_experts=4),
    "qwen2": decoder(Qwen2Config, Qwen2ForCausalLM, 3,
                     tie_word_embeddings=True),
    "phi3": decoder(Phi3Config, Phi3ForCausalLM, 3),
    "gpt2": lambda: GPT2LMHeadModel(GPT2Config(
        vocab_size=64, n_positions=32, n_embd=16, n_layer=3, n_head=2,
        bos_token_id=1, eos_token_id=2)),
    "bert": lambda: BertForMaskedLM(BertConfig(
        vocab_size=64, hidden_size=16, num_hidden_layers=3,
        num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=32)),
    "t5": lambda: T5ForConditionalGeneration(T5Config(
        vocab_size=64, d_model=16, d_kv=8, d_ff=24, num_layers=2,
        num_decoder_layers=2, num_heads=2)),
}
MODELS = {f"{kind}-{which}": (kind, which) for kind in KINDS
          for which in "abcd"[:4 if kind.startswith("llama80") else 3]}
HALF = {"llama48", "llama60", "llama80", "mistral", "mixtral"}


def two(kind, a, b, dtype):
    return f"""models:
  - model: models/{kind}-a
    parameters:
      weight: {a}
  - model: models/{kind}-b
    parameters:
      weight: {b}
merge_method: linear
dtype: {dtype}
"""


def professor():
    cut = [("a", 1, 20), ("b", 10, 30), ("c", 20, 40), ("d", 25, 45),
           ("a", 30, 50), ("b", 40, 60), ("c", 50, 70), ("d", 55, 75),
           ("a", 60, 79)]

    def pair(begin, end):
        return (f"  - sources:\n"
                f"      - model: models/llama80-a\n"
                f"        layer_range: [{begin}, {end}]\n"
                f"      - model: models/llama80-b\n"
                f"        layer_range: [{begin}, {end}]\n"
                f"        parameters:\n          weight: 0 # only looks\n")

    middle = "".join(f"  - sources:\n      - model: models/llama80-{m}\n"
                     f"        layer_range: [{a}, {b}]\n" for m, a, b in cut)
    return ("merge_method: linear\nparameters:\n  weight: 1.0\nslices:\n" +
            pair(0, 1) + middle + pair(79, 80) + "dtype: float16\n")


STACK = """slices:
  - sources: [{model: models/KIND-a, layer_range: [0, 2]}]
  - sources: [{model: models/KIND-b, layer_range: [1, 3]}]
merge_method: passthrough
dtype: float32
"""

CASES = {
    # published merges, by their structure
    "theprofessor-155b": professor(),
    "mistral-7b-neural-story-mix": two("mistral", 1.0, 0.75, "float16"),
    "average-dolphin-8x7b": """merge_method: linear
dtype: bfloat16
models: # just your average dolphin
  - model: models/mixtral-a
    parameters:
      weight: 0.5
  - model: models/mixtral-b
    parameters:
      weight: 0.3
  - model: models/mixtral-c
    parameters:
      weight: 0.2
parameters:
  normalize: true
""",
    "jovian-10.7b": two("llama48", 1.0, 1.0, "float16"),
    "mistral-merge-7b": two("mistral", 1.0, 1.0, "float16") +
    "#tokenizer_source: union\n",
    "yi-bagel-2x34b": two("llama60", 0.5, 0.5, "float16"),
    "air-striker-mixtral": two("mixtral", 0.5, 0.5, "bfloat16") +
    "parameters:\n  # normalize: true\n",
    # features of the language
    "gradient-slerp": """slices:
  - sources:
      - {model: models/llama-a, layer_range: [0, 4]}
      - {model: models/llama-b, layer_range: [0, 4]}
merge_method: slerp
base_model: models/llama-a
parameters:
  t:
    - {filter: self_attn, value: [0, 0.5, 0.3, 0.7, 1]}
    - {filter: mlp, value: [1, 0.5, 0.7, 0.3, 0]}
    - value: 0.5
dtype: float32
""",
    "ties-filters": """models:
  - {model: models/llama-a, parameters: {density: [1, 0.7, 0.1], weight: 1.0}}
  - model: models/llama-b
    parameters:
      density: 0.33
      weight: [{filter: mlp, value: 0.5}, {value: 0}]
merge_method: ties
base_model: models/llama-c
parameters: {normalize: true, int8_mask: true}
dtype: float32
""",
    "linear-gradient": """models:
  - {model: models/llama-a, parameters: {weight: [1, 0.5, 0.25]}}
  - {model: models/llama-b, parameters: {weight: [{filter: mlp, value: 0.2}, {filter: self_attn, value: [0.1, 0.9]}, {value: 0.5}]}}
merge_method: linear
dtype: float32
out_dtype: bfloat16
""",
    "linear-module-levels": """slices:
  - sources:
      - {model: models/llama-a, layer_range: [0, 2], parameters: {weight: 0.25}}
      - {model: models/llama-b, layer_range: [2, 4]}
    parameters: {weight: 0.5}
  - sources:
      - {model: models/llama-b, layer_range: [1, 4]}
      - {model: models/llama-c, layer_range: [0, 3], parameters: {weight: [{filter: q_proj, value: 0.1}]}}
parameters: {weight: 0.75}
merge_method: linear
dtype: float32
""",
    "passthrough-scale": """merge_method: passthrough
models:
  - model: models/llama-a
    parameters:
      scale:
        - {filter: o_proj, value: 0}
        - {value: 1}
dtype: float32
""",
    "stack-llama": STACK.replace("KIND", "llama"),
    "stack-qwen2": STACK.replace("KIND", "qwen2"),
    "stack-phi3": STACK.replace("KIND", "phi3"),
    "stack-gpt2": STACK.replace("KIND", "gpt2"),
    "linear-bert": two("bert", 0.4, 0.6, "float32"),
    "linear-gpt2": two("gpt2", 0.4, 0.6, "float32"),
    "linear-qwen2": two("qwen2", 0.4, 0.6, "float32"),
    "linear-phi3": two("phi3", 0.4, 0.6, "float32"),
    "linear-t5": two("t5", 0.4, 0.6, "float32"),
}


def make_models(out: Path):
    for number, (name, (kind, _)) in enumerate(MODELS.items()):
        torch.manual_seed(number)
        model = KINDS[kind]()
        with torch.no_grad():
            for parameter in model.parameters():  # norms are constant otherwise
                parameter.add_(torch.randn_like(parameter) * 0.02)
        # Of the type that the recipes ask for: mergekit rounds others first.
        if kind in HALF:
            model = model.to(torch.bfloat16 if kind == "mixtral" else
                             torch.float16)
        model.save_pretrained(out / "models" / name)


# Run by mergekit's own interpreter, once: it takes 10 s to start.
DRIVER = """
import sys, traceback, yaml
from mergekit.config import MergeConfiguration
from mergekit.merge import run_merge
from mergekit.options import MergeOptions
for name in sys.argv[1:]:
    with open(name + ".yml") as file:
        config = MergeConfiguration.model_validate(yaml.safe_load(file))
    try:
        run_merge(config, "expected/" + name, MergeOptions(
            write_model_card=False, copy_tokenizer=False, quiet=True))
        print(name + ": made", flush=True)
    except Exception as error:
        print(name + ": mergekit failed: " + repr(error)[:200], flush=True)
"""


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("out", type=Path)
    arguments.add_argument("--mergekit", help="interpreter that has mergekit")
    options = arguments.parse_args()
    make_models(options.out)
    for name, text in CASES.items():
        (options.out / f"{name}.yml").write_text(text)
    if options.mergekit:
        subprocess.run([options.mergekit, "-c", DRIVER, *CASES], check=True,
                       cwd=options.out, env={**os.environ,
                                             "HF_HUB_OFFLINE": "1"})


if __name__ == "__main__":
    main()
