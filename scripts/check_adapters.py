#!/usr/bin/env python3
"""Averages LoRA adapters with soup and compares with peft, the reference.

Small models are made and adapted with peft in several ways; soup averages the
adapters into one adapter and into the base; both are loaded with peft and
transformers. Expected are the base plus the mean of the changes that peft itself
makes when it merges each adapter, in float64.

  scripts/check_adapters.py --soup build/soup

Needs torch, transformers and peft.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import peft  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

TOKENS = torch.arange(24).reshape(2, 12)
# What factors rounded to float32 may do to logits of about 1.
TOLERANCE = 1e-6


def llama(**more):
    return transformers.LlamaConfig(
        hidden_size=64, intermediate_size=96, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, vocab_size=128,
        tie_word_embeddings=False, pad_token_id=0, **more)


def gpt2():
    return transformers.GPT2Config(n_embd=64, n_layer=2, n_head=4,
                                   vocab_size=128, n_positions=32,
                                   bos_token_id=0, eos_token_id=0,
                                   tie_word_embeddings=False)


LM = transformers.AutoModelForCausalLM
CLASSIFIER = transformers.AutoModelForSequenceClassification
QV = ["q_proj", "v_proj"]
# Name, kind of model, its configuration, one LoraConfig an adapter, and how
# the adapters count.
CASES = [
    ("alike", LM, llama(), [dict(r=8, lora_alpha=16, target_modules=QV)] * 3,
     None),
    ("weighted", LM, llama(),
     [dict(r=8, lora_alpha=16, target_modules=QV)] * 3, [1, 2, 3.5]),
    ("other ranks, scales and modules", LM, llama(),
     [dict(r=4, lora_alpha=16, target_modules=QV),
      dict(r=8, lora_alpha=8, use_rslora=True,
           target_modules=["q_proj", "down_proj"]),
      dict(r=2, lora_alpha=3, target_modules="all-linear",
           rank_pattern={"v_proj": 6},
           alpha_pattern={"layers.1.self_attn.v_proj": 5, "k_proj": 1})],
     None),
    ("transposed weights, embeddings", LM, gpt2(),
     [dict(r=4, lora_alpha=8, fan_in_fan_out=True,
           target_modules=["c_attn", "wte"]),
      dict(r=3, lora_alpha=8, fan_in_fan_out=True,
           target_modules=["c_attn", "mlp.c_fc"])], None),
    ("a head of its own", CLASSIFIER, llama(num_labels=3),
     [dict(r=4, lora_alpha=8, target_modules=QV, task_type="SEQ_CLS",
           modules_to_save=["score"])] * 3, None),
]


def make(case, folder):
    """Writes base and adapters, returns the expected state dict (float64)."""
    _, kind, config, loras, weights = case
    torch.manual_seed(0)
    base = kind.from_config(config).float()
    base.save_pretrained(folder / "base")
    weights = weights or [1] * len(loras)
    mean = {}
    for k, lora in enumerate(loras):
        torch.manual_seed(k + 1)
        model = peft.get_peft_model(kind.from_pretrained(folder / "base"),
                                    peft.LoraConfig(**lora))
        for name, x in model.named_parameters():
            if x.requires_grad and "lora_A" not in name:
                torch.nn.init.normal_(x, std=0.05)
        model.save_pretrained(folder / f"adapter_{k}")
        merged = load(kind, folder / "base", folder / f"adapter_{k}")
        for name, x in merged.merge_and_unload().state_dict().items():
            mean[name] = mean.get(name, 0) + weights[k] * x
    return {name: x / sum(weights) for name, x in mean.items()}


def load(kind, base, adapter):
    model = peft.PeftModel.from_pretrained(kind.from_pretrained(base), adapter)
    return model.double().eval()


def logits(model):
    with torch.no_grad():
        return model(TOKENS).logits


def run(soup, folder, case, options, out):
    """Averages: uniform on the command line, weights by a recipe."""
    adapters = [f"adapter_{k}" for k in range(len(case[3]))]
    if case[4] is None:
        command = [soup, "uniform", *adapters, *options]
    else:
        shares = [{"path": p, "weight": w} for p, w in zip(adapters, case[4])]
        recipe = {"ingredients": shares}
        if options:
            recipe = {"ingredients": [{"path": "base", "adapters": shares}]}
        (folder / "recipe.json").write_text(str(recipe).replace("'", '"'))
        command = [soup, "mix", "recipe.json"]
    subprocess.run([*command, "-o", out, "-q"], cwd=folder, check=True,
                   stdout=subprocess.DEVNULL)
    subprocess.run([soup, "verify", out, "-q"], cwd=folder, check=True,
                   stdout=subprocess.DEVNULL)


def check(case, soup):
    name, kind = case[:2]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        mean = make(case, folder)
        expected = kind.from_pretrained(folder / "base").double().eval()
        before = logits(expected)
        expected.load_state_dict(mean)
        changed = (logits(expected) - before).abs().max().item()
        run(soup, folder, case, [], "joined/")
        joined = load(kind, folder / "base", folder / "joined")
        apart = (logits(joined) - logits(expected)).abs().max().item()
        rank = max(c.r for c in joined.peft_config.values())

        run(soup, folder, case, ["--base", "base"], "full/")
        full = kind.from_pretrained(folder / "full").state_dict()
        wrong = sum((full[k] != x.float()).sum().item()
                    for k, x in mean.items())
        count = sum(x.numel() for x in mean.values())
        good = apart < TOLERANCE and changed > 1e-3 and wrong == 0
        print(f"{name}: rank {rank}, logits change by {changed:.1e} and differ "
              f"by {apart:.1e} from the mean's; merged into the base {wrong} of {count} values differ from the "
              f"mean rounded once" + ("" if good else "  WRONG"))
        return good


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--soup", default="build/soup", help="the program")
    soup = str(Path(parser.parse_args().soup).resolve())
    print(f"torch {torch.__version__}, transformers "
          f"{transformers.__version__}, peft {peft.__version__}")
    return 0 if all([check(case, soup) for case in CASES]) else 1


if __name__ == "__main__":
    sys.exit(main())
