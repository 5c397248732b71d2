#!/usr/bin/env python3
"""Small random models and what mergekit makes of them.

make_merge_fixtures.py OUT [--mergekit PYTHON] [CASE...]

Writes OUT/models/NAME and OUT/adapters/NAME (a few kB each, the same bytes
every time), OUT/CASE.yml for every case of merge_cases.py and, by mergekit
0.1.5, OUT/expected/CASE as the recipe says, OUT/exact/CASE in float64. Needs
torch, transformers, tokenizers, peft and, for --mergekit, an interpreter that
has it; nothing is downloaded.
check_merges.py then runs soup on the same recipes.
"""

import argparse
import os
import subprocess
from pathlib import Path

import torch
import tokenizers
from peft import LoraConfig, get_peft_model
from transformers import (BertConfig, BertForSequenceClassification, GPT2Config,
                          GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM,
                          MistralConfig, MistralForCausalLM, MixtralConfig,
                          MixtralForCausalLM, Phi3Config, Phi3ForCausalLM,
                          PreTrainedTokenizerFast, Qwen2Config,
                          Qwen2ForCausalLM, T5Config,
                          T5ForConditionalGeneration)

from merge_cases import CASES

NARROW = dict(vocab_size=64, hidden_size=16, intermediate_size=24,
              num_attention_heads=2, num_key_value_heads=1,
              max_position_embeddings=32, pad_token_id=0, bos_token_id=1,
              eos_token_id=2)


def decoder(config, model, layers, **extra):
    return lambda: model(config(**NARROW, num_hidden_layers=layers, **extra))


KINDS = {
    "llama": decoder(LlamaConfig, LlamaForCausalLM, 4),
    "llama16": decoder(LlamaConfig, LlamaForCausalLM, 4),
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
    "bert": lambda: BertForSequenceClassification(BertConfig(
        vocab_size=64, hidden_size=16, num_hidden_layers=3,
        num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=32)),
    # mergekit knows BERT with a pooler and T5 with gates only.
    "bert": lambda: BertForSequenceClassification(BertConfig(
        vocab_size=64, hidden_size=16, num_hidden_layers=3,
        num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=32)),
    "t5": lambda: T5ForConditionalGeneration(T5Config(
        vocab_size=64, d_model=16, d_kv=8, d_ff=24, num_layers=2,
        num_decoder_layers=2, num_heads=2, feed_forward_proj="gated-gelu",
        tie_word_embeddings=False)),
}
MODELS = {f"{kind}-{which}": (kind, which) for kind in KINDS
          for which in "abcd"[:4 if kind == "llama80" else 3]}
# Of the type that the recipes ask for: mergekit rounds others first.
TYPES = dict.fromkeys(["llama48", "llama60", "llama80", "mistral"],
                      torch.float16)
TYPES |= dict.fromkeys(["llama16", "mixtral"], torch.bfloat16)
TUNED = {"llama", "llama16"}  # b and c are fine-tunes of a


def change(model, sizes):
    """Adds noise to every weight; norms would all be one otherwise."""
    with torch.no_grad():
        for parameter, size in zip(model.parameters(), sizes):
            parameter.add_(torch.randn_like(parameter) * size)


def make_models(out: Path):
    for number, (name, (kind, which)) in enumerate(MODELS.items()):
        tuned = kind in TUNED and which != "a"
        torch.manual_seed(number - "abcd".index(which) if tuned else number)
        model = KINDS[kind]()
        count = len(list(model.parameters()))
        change(model, [0.02] * count)
        if tuned:  # on data that have something in common
            change(model, [0.01] * count)
            torch.manual_seed(number)
            change(model, [0.01] * count)
        model.to(TYPES.get(kind, torch.float32)).save_pretrained(
            out / "models" / name)


def make_tokenizers(out: Path):
    """Llamas that number their tokens in other ways."""
    plain = ["<unk>", "<s>", "</s>"] + [f"_tok_{i}" for i in range(3, 61)]
    kinds = {"plain": (plain, []),
             "chatml": (plain, ["<|im_start|>", "<|im_end|>"]),
             "other": (plain[:3] + plain[:20:-1] + ["_new_0", "_new_1"],
                       ["<|im_end|>", "<tool>"]),
             # Rows 61 to 63 are no tokens.
             "padded": (plain, [])}
    for number, (name, (ordinary, added)) in enumerate(kinds.items()):
        tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(
            {token: i for i, token in enumerate(ordinary)}, [],
            unk_token="<unk>"))
        tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"] + added)
        rows = 64 if name == "padded" else len(ordinary) + len(added)
        torch.manual_seed(2000 + number)
        model = LlamaForCausalLM(LlamaConfig(
            **(NARROW | {"vocab_size": rows}), num_hidden_layers=2))
        model.save_pretrained(out / "models" / f"tok-{name}")
        PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>",
            unk_token="<unk>").save_pretrained(out / "models" / f"tok-{name}")


def make_adapters(out: Path):
    for number, name in enumerate(["one", "two"]):
        base = LlamaForCausalLM.from_pretrained(out / "models" / "llama-a")
        torch.manual_seed(1000 + number)
        model = get_peft_model(base, LoraConfig(
            r=2, lora_alpha=3, target_modules=["q_proj", "up_proj"],
            init_lora_weights=False))
        model.peft_config["default"].base_model_name_or_path = "models/llama-a"
        model.save_pretrained(out / "adapters" / name)


# Run by mergekit's own interpreter, once: it takes 10 s to start.
DRIVER = """
import os, sys, yaml
from mergekit.config import MergeConfiguration
from mergekit.merge import run_merge
from mergekit.options import MergeOptions
from mergekit.scripts.multimerge import main as run_several

def merge(name, folder, exact):
    documents = list(yaml.safe_load_all(open(name + ".yml")))
    for config in documents if exact else []:
        config["out_dtype"] = config.get("out_dtype") or config["dtype"]
        config["dtype"] = "float64"
    if exact:
        documents[-1]["out_dtype"] = "float64"
    if len(documents) > 1:
        os.makedirs("stages", exist_ok=True)
        recipe = "stages/" + name + ".yml"
        yaml.safe_dump_all(documents, open(recipe, "w"))
        run_several([recipe, "--out-path", folder, "--no-lazy", "-I",
                     "stages/" + folder, "--no-copy-tokenizer",
                     "--no-write-model-card", "--quiet"],
                    standalone_mode=False)
        return
    config = MergeConfiguration.model_validate(documents[0])
    run_merge(config, folder, MergeOptions(
        write_model_card=False, quiet=True, clone_tensors=True,
        copy_tokenizer=config.tokenizer_source is not None
        or config.tokenizer is not None,
        lora_merge_cache="stages/lora-" + str(exact),
        lora_merge_dtype="float64" if exact else None))

for name in sys.argv[1:]:
    for folder, exact in (("expected", False), ("exact", True)):
        try:
            merge(name, folder + "/" + name, exact)
            print(name + ": " + folder, flush=True)
        except Exception as error:
            print(name + ": mergekit failed: " + repr(error)[:200], flush=True)
"""


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("out", type=Path)
    arguments.add_argument("case", nargs="*", help="only these")
    arguments.add_argument("--mergekit", help="interpreter that has mergekit")
    options = arguments.parse_intermixed_args()
    if not (options.out / "adapters" / "two").exists():
        make_models(options.out)
        make_tokenizers(options.out)
        make_adapters(options.out)
    cases = options.case or list(CASES)
    for name in cases:
        (options.out / f"{name}.yml").write_text(CASES[name])
    if options.mergekit:
        subprocess.run([options.mergekit, "-c", DRIVER, *cases], check=True,
                       cwd=options.out, env={**os.environ,
                                             "HF_HUB_OFFLINE": "1"})


if __name__ == "__main__":
    main()
