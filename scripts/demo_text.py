#!/usr/bin/env python3
"""Soups of small BERTs and T5s that classify sentences, from nothing to the
scores on test sentences; then the same scores by transformers alone.

    python3 scripts/demo_text.py [--soup build/soup] [--work DIR] [bert] [t5]

Needs torch of the version that soup is built with, transformers, tokenizers,
numpy, safetensors and a C++ compiler; about twelve minutes of processor time for
the BERTs, more for the T5s. The texts are those that the source package of
vaderSentiment (MIT licence) ships, rated by people (Hutto and Gilbert, 2014):
sentences of movie reviews as the task, positive or negative, with the nearly
neutral ones left out; tweets, product reviews and editorials for the common
start.

Neither network has seen any other text: one of each kind is trained on the other
texts, and fine-tuned from there on the reviews with drawn learning rates, batch
sizes, numbers of epochs and seeds, as in the paper (appendix J.5). Every model
that was drawn is kept. Finished parts are found again in --work.
"""

import argparse
import json
import math
import multiprocessing
import os
import pathlib
import subprocess
import sys
import tarfile

import numpy as np
import torch
import transformers
from safetensors.numpy import load_file, save_file
from tokenizers import BertWordPieceTokenizer

SOURCE = "vaderSentiment==3.3.2"
TASK = "movieReviewSnippets"
OTHERS = ("tweets", "amazonReviewSnippets", "nytEditorialSnippets")
HELD_OUT = TEST = 1500  # sentences each; all others train
NEUTRAL = 0.5  # ratings run from -4 to 4
LENGTH = 48
VOCABULARY = 4000
WORDS = ("bad", "good")  # what a T5 says
START = {"epochs": 6, "rate": 1e-3, "batch": 32, "seed": 1}
METRICS = ("top1", "accuracy_f1")
PARTS = ("held-out", "test")
DTYPES = {"input_ids": np.int32, "attention_mask": np.uint8,
          "token_type_ids": np.uint8}


def make_bert():
    return transformers.BertForSequenceClassification(transformers.BertConfig(
        vocab_size=VOCABULARY, hidden_size=128, num_hidden_layers=2,
        num_attention_heads=4, intermediate_size=512,
        max_position_embeddings=LENGTH))


def make_t5():
    return transformers.T5ForConditionalGeneration(transformers.T5Config(
        vocab_size=VOCABULARY, d_model=128, d_kv=32, d_ff=512, num_layers=2,
        num_heads=4, decoder_start_token_id=0))


MAKE = {"bert": make_bert, "t5": make_t5}
CLASSES = {"bert": transformers.BertForSequenceClassification,
           "t5": transformers.T5ForConditionalGeneration}


def logits_of(model, ids, mask):
    """[n, outputs]: classes, or words of which the T5 says one first."""
    if not model.config.is_encoder_decoder:
        return model(input_ids=ids, attention_mask=mask).logits
    start = torch.zeros_like(ids[:, :1])
    return model(input_ids=ids, attention_mask=mask,
                 decoder_input_ids=start).logits[:, 0]


# ------------------------------------------------------------------------ data


def read_ratings(archive, name):
    """Sentences and labels, those that are nearly neutral left out."""
    path = f"hutto_ICWSM_2014/{name}_GroundTruth.txt"
    lines = archive.extractfile(path).read().decode("latin-1").splitlines()
    rows = [line.split("\t") for line in lines]
    rows = [(row[2], float(row[1])) for row in rows if len(row) == 3]
    return [(text, int(rating > 0)) for text, rating in rows
            if abs(rating) >= NEUTRAL]


def read_texts(work):
    if not list(work.glob("vader*.tar.gz")):
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet",
                        "--no-deps", "--no-binary", ":all:", "--dest", work,
                        SOURCE], check=True)
    with tarfile.open(next(work.glob("vader*.tar.gz"))) as outer:
        name = next(n for n in outer.getnames() if n.endswith("2014.tar.gz"))
        with tarfile.open(fileobj=outer.extractfile(name)) as archive:
            task = read_ratings(archive, TASK)
            others = [row for other in OTHERS
                      for row in read_ratings(archive, other)]
    order = np.random.default_rng(1).permutation(len(task))
    task = [task[i] for i in order]
    return {"start": others, "train": task[HELD_OUT + TEST:],
            "held-out": task[:HELD_OUT], "test": task[HELD_OUT:][:TEST]}


def write_data(work):
    """Tokens and labels of every part, and the specs that soup reads."""
    if (work / "words").exists():  # written last
        return
    texts = read_texts(work)
    tokenizer = BertWordPieceTokenizer(lowercase=True)
    tokenizer.train_from_iterator(
        (text for part in ("start", "train") for text, _ in texts[part]),
        vocab_size=VOCABULARY, show_progress=False)
    tokenizer.enable_truncation(LENGTH)
    tokenizer.enable_padding(length=LENGTH)
    assert tokenizer.token_to_id("[PAD]") == 0
    words = [tokenizer.token_to_id(word) for word in WORDS]
    for part, rows in texts.items():
        encoded = tokenizer.encode_batch([text for text, _ in rows])
        inputs = {"input_ids": [one.ids for one in encoded],
                  "attention_mask": [one.attention_mask for one in encoded],
                  "token_type_ids": [one.type_ids for one in encoded]}
        arrays = {key: np.array(values, DTYPES[key])
                  for key, values in inputs.items()}
        arrays["labels"] = np.array([label for _, label in rows], np.int64)
        for kind in MAKE:
            if kind == "t5":
                arrays.pop("token_type_ids")
            save_file(arrays, work / f"{kind}-{part}.safetensors")
            spec = {"name": part, "loader": "tensors",
                    "inputs": f"{kind}-{part}.safetensors"}
            if kind == "t5":
                spec["classes"] = "words"
            (work / f"{kind}-{part}.json").write_text(json.dumps(spec))
        print(f"{part}: {len(rows)} sentences, "
              f"{100 * arrays['labels'].mean():.1f} % positive")
    (work / "words").write_text("".join(f"{word}\n" for word in words))


def read_part(work, kind, part):
    arrays = load_file(work / f"{kind}-{part}.safetensors")
    return [torch.from_numpy(arrays[key].astype(np.int64))
            for key in ("input_ids", "attention_mask", "labels")]


def outputs_of(work, kind):
    """The outputs of a model that stand for the two classes."""
    if kind == "bert":
        return torch.arange(2)
    return torch.tensor([int(n) for n in (work / "words").read_text().split()])


# -------------------------------------------------------------------- training


def train(model, part, outputs, options):
    """Adam, gradients of norm 1 at most, a rate that falls to 0."""
    torch.manual_seed(options["seed"])
    ids, mask, labels = part
    steps = options["epochs"] * math.ceil(len(ids) / options["batch"])
    optimizer = torch.optim.Adam(model.parameters(), options["rate"])
    falling = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: 1 - step / steps)
    model.train()
    for _ in range(options["epochs"]):
        for which in torch.randperm(len(ids)).split(options["batch"]):
            longest = int(mask[which].sum(1).max())
            logits = logits_of(model, ids[which, :longest],
                               mask[which, :longest])
            loss = torch.nn.functional.cross_entropy(
                logits, outputs[labels[which]])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            falling.step()


def draw(count):
    """The random search: one generator, every draw is kept."""
    rng = np.random.default_rng(2022)
    return [{"rate": float(f"{10 ** rng.uniform(-4, -3):.2e}"),
             "batch": int(rng.choice([16, 32, 64])),
             "epochs": int(rng.choice([2, 3, 5])), "seed": 100 + i}
            for i in range(count)]


def make(job):
    """One model in a folder, as transformers saves it."""
    work, kind, folder, part, options = job
    if (folder / "config.json").exists():
        return
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = (MAKE[kind]() if part == "start" else
             CLASSES[kind].from_pretrained(work / f"{kind}-start"))
    train(model, read_part(work, kind, part), outputs_of(work, kind), options)
    model.save_pretrained(folder)
    print(f"{folder.name}: {options}", flush=True)


def make_all(work, kinds, count):
    context = multiprocessing.get_context("spawn")
    with context.Pool(os.cpu_count()) as pool:
        pool.map(make, [(work, kind, work / f"{kind}-start", "start", START)
                        for kind in kinds], chunksize=1)
        pool.map(make, [(work, kind, work / kind / f"{kind}_{i}", "train", one)
                        for kind in kinds
                        for i, one in enumerate(draw(count))], chunksize=1)


# -------------------------------------------------------------------- scoring


@torch.inference_mode()
def predictions(work, kind, folder, part):
    model = CLASSES[kind].from_pretrained(folder).eval()
    ids, mask, labels = read_part(work, kind, part)
    outputs = outputs_of(work, kind)
    found = [logits_of(model, *rows)[:, outputs].argmax(1)
             for rows in zip(ids.split(100), mask.split(100))]
    return torch.cat(found).numpy(), labels.numpy()


def scores(found, labels):
    right = float((found == labels).mean())
    hits = int(((found == 1) & (labels == 1)).sum())
    f1 = 2 * hits / (int((found == 1).sum()) + int((labels == 1).sum()))
    return {"top1": right, "accuracy_f1": (right + f1) / 2}


def run(*command):
    print("$", *command, flush=True)
    return subprocess.run([str(part) for part in command], check=True,
                          capture_output=True, text=True).stdout


def evaluate(soup, work, kind, folders):
    """What soup says by folder, part and metric, all compared with what
    transformers does."""
    common = [soup, "eval", *folders, "--keep-duplicates", "--model",
              work / f"{kind}.pt2", "--device", "cpu", "--json"]
    for part in PARTS:
        common += ["--val", work / f"{kind}-{part}.json"]
    found = {}
    for metric in METRICS:
        for line in run(*common, "--metric", metric).splitlines():
            score = json.loads(line)
            folder = pathlib.Path(score["path"]).parent
            found[folder, score["dataset"], metric] = score["value"]
    for folder in folders:
        for part in PARTS:
            by_hand = scores(*predictions(work, kind, folder, part))
            for metric, value in by_hand.items():
                by_soup = found[folder, part, metric]
                if abs(value - by_soup) > 1e-9:
                    sys.exit(f"{folder}: {metric} on {part} is {value} by "
                             f"transformers, but {by_soup} by soup")
    return found


def demonstrate(soup, work, kind):
    models = sorted((work / kind).iterdir())
    package = work / f"{kind}.pt2"
    if not package.exists():
        script = pathlib.Path(__file__).with_name("export_model.py")
        run(sys.executable, script, f"transformers:{models[0]}", "--length",
            LENGTH, "-o", package)
    uniform, greedy = work / f"{kind}-uniform", work / f"{kind}-greedy"
    run(soup, "uniform", *models, "-o", f"{uniform}/", "--force")
    print(run(soup, "greedy", *models, "--model", package, "--device", "cpu",
              "--val", work / f"{kind}-held-out.json", "--metric",
              "accuracy_f1", "-o", f"{greedy}/", "--force", "--fresh",
              "--table"))
    folders = [*models, uniform, greedy]
    found = evaluate(soup, work, kind, folders)
    columns = [(part, metric) for part in PARTS for metric in METRICS]
    print(f"{kind:14}", *(f"{' '.join(column):>21}" for column in columns))
    for folder in folders:
        print(f"{folder.name:14}", *(f"{100 * found[(folder, *column)]:19.2f} %"
                                     for column in columns))
    print("the same by transformers\n")


def main():
    transformers.utils.logging.disable_progress_bar()
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", default=[*MAKE], metavar="KIND")
    parser.add_argument("--soup", default="build/soup", type=pathlib.Path)
    parser.add_argument("--work", default="build/demo-text", type=pathlib.Path)
    parser.add_argument("--members", type=int, default=8)
    options = parser.parse_args()
    for kind in options.kinds:
        if kind not in MAKE:
            parser.error(f"{kind}: is none of {', '.join(MAKE)}")
    options.work.mkdir(parents=True, exist_ok=True)
    write_data(options.work)
    make_all(options.work, options.kinds, options.members)
    for kind in options.kinds:
        demonstrate(options.soup.resolve(), options.work, kind)


if __name__ == "__main__":
    main()
