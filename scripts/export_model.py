#!/usr/bin/env python3
"""Exports a PyTorch model to a .pt2 file that `soup --model FILE.pt2` scores
with any weights: for networks that soup does not know.

    python3 scripts/export_model.py timm:efficientnet_lite0 -o lite0.pt2
    python3 scripts/export_model.py torchvision:regnet_y_400mf -o regnet.pt2
    python3 scripts/export_model.py my_model.py:make --size 160 -o mine.pt2
    soup eval runs/ --model mine.pt2 --val pets/val

    python3 scripts/export_model.py transformers:runs/1 --length 128 -o bert.pt2
    soup greedy runs/ --model bert.pt2 --val mrpc.json --metric accuracy_f1

MODEL is `timm:NAME`, `torchvision:NAME`, `transformers:FOLDER` (a folder with the
config.json of a model for the classification of sequences, or of one from text
to text, as T5, whose logits are those of the first word that it says; the data
set's `classes` tell which words stand for the classes), or FILE.py:FUNCTION, a function without arguments that returns a torch.nn.Module
from pictures [n, channels, height, width] to logits [n, classes]. Its weights do
not matter.

A model that takes something else than pictures takes it by name, and FUNCTION
returns what as well: (module, inputs), of each input the shape of one example
and, for whole numbers (int64), below what they lie:

    {"input_ids": {"shape": [128], "limit": 30522}, "age": {"shape": [1]}}

Such models are scored on a data set of the loader `tensors`.

Needs torch of the version that soup is built with, and a C++ compiler. The file
runs on this kind of processor only. Weights are inputs of the exported graph, so
none can be left behind in it. To prove that, two sets of weights and examples
that follow from a formula are sent through the model here; soup repeats it and
compares before it trusts the file.
"""

import argparse
import copy
import importlib.util
import inspect
import json
import math
import pathlib

import numpy as np
import torch

EXAMPLES = 2  # of the self-test
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def noise(count, stream):
    """float64 in [-0.5, 0.5): as noise() of src/model/self_test.cpp."""
    x = np.arange(count, dtype=np.uint64) + np.uint64(stream << 32)
    with np.errstate(over="ignore"):  # splitmix64
        x = (x + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (x >> np.uint64(40)).astype(np.float64) / 2**24 - 0.5


def test_weights(shape, stream):
    """Matrices that keep the size of what they are given, vectors above 0,
    since some are variances."""
    values = noise(math.prod(shape), stream)
    if len(shape) > 1:
        values = values * math.sqrt(12 / (math.prod(shape) / shape[0]))
    else:
        values = values + 1
    return torch.from_numpy(values.astype(np.float32).reshape(shape))


def test_input(shape, limit, stream):
    values = noise(math.prod(shape), stream)
    values = np.int64((values + 0.5) * limit) if limit else np.float32(2 * values)
    return torch.from_numpy(values.reshape(shape)).to(DEVICE)


def call(model, weights, names, inputs):
    """Logits; `names` of the inputs, or None for pictures alone."""
    arguments, by_name = (inputs, {}) if names is None else (
        (), dict(zip(names, inputs)))
    out = torch.func.functional_call(model, weights, tuple(arguments), by_name)
    # What transformers returns has other parts as well.
    return out if isinstance(out, torch.Tensor) else out.logits


class WithWeights(torch.nn.Module):
    """The model as a function of its inputs and weights."""

    def __init__(self, model, inputs, names):
        super().__init__()
        # Not a submodule: it would bring weights of its own.
        object.__setattr__(self, "model", model)
        object.__setattr__(self, "inputs", inputs)
        object.__setattr__(self, "names", names)

    def forward(self, *values):
        count = 1 if self.inputs is None else len(self.inputs)
        return call(self.model, dict(zip(self.names, values[count:])),
                    self.inputs, values[:count])


def first_word(kind, config):
    """A model from text to text as a classifier, by its first word."""

    def forward(self, input_ids, attention_mask):
        start = torch.full_like(input_ids[:, :1], config.decoder_start_token_id)
        return kind.forward(
            self, input_ids=input_ids, attention_mask=attention_mask,
            decoder_input_ids=start, use_cache=False).logits[:, 0]

    return type("FirstWord", (kind,), {"forward": forward})(config)


def text_classifier(folder, length):
    import transformers
    config = transformers.AutoConfig.from_pretrained(folder)
    name = (config.architectures or [""])[0]
    if name.endswith("ForConditionalGeneration"):
        model = first_word(getattr(transformers, name), config)
    else:
        model = transformers.AutoModelForSequenceClassification.from_config(
            config)
    limits = {"input_ids": config.vocab_size, "attention_mask": 2,
              "token_type_ids": getattr(config, "type_vocab_size", 0)}
    taken = inspect.signature(model.forward).parameters
    return model, {"tensors": [
        {"name": name, "shape": [length], "limit": limit}
        for name, limit in limits.items() if name in taken and limit]}


def make_model(name, length):
    """The module, and what is known of its input."""
    if name.startswith("transformers:"):
        return text_classifier(name[13:], length)
    if name.startswith("timm:"):
        import timm
        model = timm.create_model(name[5:])
        config = timm.data.resolve_data_config({}, model=model)
        return model, {"size": config["input_size"][-1],
                       "channels": config["input_size"][0],
                       "mean": list(config["mean"]),
                       "std": list(config["std"]),
                       "interpolation": config["interpolation"],
                       "resize": "shorter", "crop_pct": config["crop_pct"]}
    if name.startswith("torchvision:"):
        import torchvision
        return torchvision.models.get_model(name[12:], weights=None), {
            "mean": IMAGENET[0], "std": IMAGENET[1],
            "interpolation": "bilinear", "resize": "shorter",
            "crop_pct": 0.875}
    path, _, function = name.rpartition(":")
    spec = importlib.util.spec_from_file_location("exported_model", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = getattr(module, function)()
    if isinstance(made, torch.nn.Module):
        return made, {}
    model, inputs = made
    return model, info_of(inputs)


def info_of(inputs):
    """What a FUNCTION says that its model takes."""
    return {"tensors": [
        {"name": key, "shape": list(of["shape"]), "limit": of.get("limit", 0)}
        for key, of in inputs.items()]}


def tensors_of(model):
    """Names of floats, other names of the same, and names of all else."""
    names, aliases, ignored, seen = [], {}, [], {}
    for name, value in model.state_dict(keep_vars=True).items():
        if not value.is_floating_point():
            ignored.append(name)
        elif id(value) in seen:
            aliases[name] = seen[id(value)]
        else:
            seen[id(value)] = name
            names.append(name)
    return names, aliases, ignored


def self_test(model, names, shapes, taken):
    """Logits of two sets of weights, row by row. `taken`: what the model takes,
    by name, or pictures under None."""
    logits = []
    for which in range(2):
        first = which * (len(names) + len(taken))
        inputs = [test_input([EXAMPLES, *one["shape"]], one["limit"], first + i)
                  for i, one in enumerate(taken)]
        first += len(taken)
        weights = {name: test_weights(shapes[name], first + i).to(DEVICE)
                   for i, name in enumerate(names)}
        with torch.no_grad():
            out = call(model, weights, input_names(taken), inputs)
        if not torch.isfinite(out).all():
            raise SystemExit("the logits of the self-test are not finite")
        logits.append([round_trip(v) for v in out.cpu().flatten().tolist()])
    return logits


def round_trip(value):
    """With as many digits as a float32 needs."""
    return float(f"{value:.9g}")


def taken_by(info):
    """What the model takes, in order."""
    return info.get("tensors") or [{
        "name": None, "limit": 0,
        "shape": [info["channels"], info["size"], info["size"]]}]


def input_names(taken):
    names = [one["name"] for one in taken]
    return None if names == [None] else names


def batch_of(info):
    """The most examples of a batch, for which the code is tuned. On a processor
    about eight of 224 x 224 pixels, as conv_unit() of
    src/model/conv_network.cpp, or 1024 tokens."""
    if DEVICE != "cpu":
        return 128
    if "tensors" in info:
        most = max(math.prod(one["shape"]) for one in info["tensors"])
        fit = 1024 // most
    else:
        fit = 8 * 224 * 224 // (info["size"] * info["size"])
    return 1 << (min(max(fit, 1), 64).bit_length() - 1)


def least_batch(program, batch):
    """The fewest examples that the program takes: all where tracing has fixed
    their number."""
    taken = next(node.meta["val"] for node in program.graph.nodes
                 if node.op == "placeholder")
    examples = taken.shape[0]
    if isinstance(examples, int):
        return batch
    return int(program.range_constraints[examples.node.expr].lower)


def export(model, info, out):
    model = model.eval().to(DEVICE)
    names, aliases, ignored = tensors_of(model)
    state = model.state_dict()
    shapes = {name: list(state[name].shape) for name in names}
    taken = taken_by(info)
    logits = self_test(model, names, shapes, taken)
    batch = batch_of(info)
    metadata = {
        "soup.version": "2",
        "soup.torch": ".".join(torch.__version__.split("+")[0].split(".")[:2]),
        "soup.tensors": [{"name": n, "shape": shapes[n]} for n in names],
        "soup.aliases": aliases,
        "soup.ignored": ignored,
        "soup.input": info,
        "soup.batch": batch,
        "soup.classes": len(logits[0]) // EXAMPLES,
        "soup.self_test": logits,
    }
    values = tuple(state[name].detach().clone() for name in names)
    inputs = [test_input([batch, *one["shape"]], one["limit"], i)
              for i, one in enumerate(taken)]
    # Fewer as well, where the model can: the memory of a GPU may be too small
    # for all.
    examples = {0: torch.export.Dim.AUTO(min=1, max=batch)}
    program = torch.export.export(
        # Tracing leaves tensors without values in it.
        WithWeights(copy.deepcopy(model), input_names(taken), names),
        (*inputs, *values), strict=False, dynamic_shapes={
            "values": (examples,) * len(inputs) + ({},) * len(values)})
    metadata["soup.least_batch"] = least_batch(program, batch)
    torch._inductor.aoti_compile_and_package(
        program, package_path=str(out), inductor_configs={
            # soup has threads of its own, one batch each.
            "cpp.threads": 1,
            # Runs with every libtorch, with CUDA or without.
            "aot_inductor.link_libtorch": DEVICE != "cpu",
            # That makes torch's test of the compiler fail, after which no
            # vectors are used: several times slower.
            "cpp.vec_isa_ok": True,
            "aot_inductor.metadata": {
                key: value if isinstance(value, str) else json.dumps(value)
                for key, value in metadata.items()}})


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("-o", "--output", required=True, type=pathlib.Path)
    parser.add_argument("--size", type=int, help="side of the pictures")
    parser.add_argument("--channels", type=int)
    parser.add_argument("--mean", type=float, nargs="+")
    parser.add_argument("--std", type=float, nargs="+")
    parser.add_argument("--interpolation",
                        choices=["bicubic", "bilinear", "box", "lanczos"])
    parser.add_argument("--crop-pct", type=float)
    parser.add_argument("--length", type=int, default=128,
                        help="tokens of a sequence (default: 128)")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    options = parser.parse_args()
    if options.output.suffix != ".pt2":
        parser.error("the output's name must end in .pt2")
    global DEVICE
    DEVICE = options.device
    model, info = make_model(options.model, options.length)
    for key in ("size", "channels", "mean", "std", "interpolation", "crop_pct"):
        if getattr(options, key) is not None:
            info[key] = getattr(options, key)
    if "tensors" not in info:
        info.setdefault("size", 224)
        info.setdefault("channels", 3)
    export(model, info, options.output)
    what = ", ".join(f"{one['name'] or 'pictures'} {one['shape']}"
                     for one in taken_by(info))
    print(f"{options.output}: {options.model}, takes {what}")


DEVICE = "cpu"

if __name__ == "__main__":
    main()
