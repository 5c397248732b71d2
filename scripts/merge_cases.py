"""Recipes that soup and mergekit both make: make_merge_fixtures.py,
check_merges.py. KIND of a model: llama (float32), llama16 (bfloat16), ...;
b and c of the llamas are fine-tunes of a."""


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


PUBLISHED = {
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
}


def method(name, settings="{}", models="bc", base="a", numbers=None,
           kind="llama"):
    """One recipe per method: models and what each of them is told."""
    numbers = numbers or ["{weight: 0.6}", "{weight: 0.4}", "{weight: 0.7}"]
    text = f"merge_method: {name}\nparameters: {settings}\nmodels:\n"
    for model, parameters in zip(models, numbers):
        text += f"  - {{model: models/{kind}-{model}, parameters: {parameters}}}\n"
    if base:
        text += f"base_model: models/{kind}-{base}\n"
    return text + f"dtype: {'bfloat16' if kind.endswith('16') else 'float32'}\n"


NONE = ["{}"] * 3
SLERP = ["{}", "{}"]

# Settings under which mergekit draws nothing and chooses among no equals.
METHODS = {
    "linear": dict(base=None),
    "linear-sum": dict(base=None, settings="{normalize: false}"),
    "linear-three": dict(base=None, models="abc"),
    "linear-negative": dict(base=None, models="abc", numbers=[
        "{weight: 1}", "{weight: 0.5}", "{weight: -0.25}"]),
    "slerp": dict(models="ab", numbers=SLERP, settings="{t: 0.35}"),
    "slerp-zero": dict(models="ab", numbers=SLERP, settings="{t: 0}"),
    "slerp-one": dict(models="ab", numbers=SLERP, settings="{t: 1}"),
    "nuslerp": dict(base=None),
    "nuslerp-base": {},
    "nuslerp-rows": dict(base=None, settings="{nuslerp_flatten: false}"),
    "nuslerp-columns": dict(settings="{nuslerp_flatten: false, "
                                     "nuslerp_row_wise: true}"),
    "multislerp": dict(base=None, models="abc"),
    "multislerp-base": {},
    "karcher": dict(base=None, models="abc", numbers=NONE,
                    settings="{max_iter: 5, tol: 1.0e-5}"),
    "task_arithmetic": {},
    "task_arithmetic-one": dict(models="b", numbers=["{weight: 1}"]),
    "task_arithmetic-lambda": dict(settings="{lambda: 0.5, normalize: true}"),
    "ties": dict(settings="{density: 0.3}"),
    "ties-sum": dict(settings="{density: 0.7, normalize: false, lambda: 1.2}"),
    "ties-full": dict(numbers=["{weight: 0.6}", "{weight: -0.4}"]),
    "dare_ties-full": dict(settings="{density: 1}"),
    "dare_linear-full": dict(settings="{density: 1}"),
    "della-full": dict(settings="{density: 1, epsilon: 0.05}"),
    "della_linear-full": dict(settings="{density: 1, epsilon: 0.05}"),
    "breadcrumbs": dict(settings="{density: 0.6, gamma: 0.05}"),
    "breadcrumbs_ties": dict(settings="{density: 0.6, gamma: 0.05}"),
    "model_stock": dict(numbers=NONE),
    "model_stock-rows": dict(numbers=NONE, settings="{filter_wise: true}"),
    "nearswap": dict(models="b", numbers=NONE, settings="{t: 0.01}"),
    "arcee_fusion": dict(models="b", numbers=NONE),
    "sce": dict(numbers=NONE),
    "sce-part": dict(numbers=NONE, settings="{select_topk: 0.5}"),
    "ram": dict(numbers=NONE, settings="{epsilon: 0.01}"),
    "ramplus_tl": dict(numbers=NONE,
                       settings="{epsilon: 0.01, r: 0.05, alpha: 1.0}"),
    "passthrough": dict(base=None, models="a", numbers=["{scale: 0.3}"]),
}
# In bfloat16 many magnitudes are equal: which of them stay is undefined there.
NARROW = ["linear", "linear-sum", "linear-three", "linear-negative", "slerp",
          "task_arithmetic", "task_arithmetic-one", "task_arithmetic-lambda",
          "ties-full", "dare_ties-full", "dare_linear-full", "della-full",
          "della_linear-full", "passthrough"]


# What is drawn: compared with merge_draws.py.
DRAWN = {
    "dare_linear": "{density: 0.6}",
    "dare_ties": "{density: 0.66}",
    "dare_ties-mean": "{density: 0.4, normalize: true, lambda: 0.8}",
    "della": "{density: 0.66, epsilon: 0.05, lambda: 0.5}",
    "della_linear": "{density: 0.5, epsilon: 0.2}",
}


def methods():
    cases = {}
    for name, settings in DRAWN.items():
        for kind in ("llama", "llama16"):
            cases[f"drawn-{name}-{kind}"] = method(
                name.split("-")[0], settings, kind=kind)
    for name, given in METHODS.items():
        cases[f"method-{name}"] = method(name.split("-")[0], **given)
    for name in NARROW:
        cases[f"method-{name}-bf16"] = method(name.split("-")[0],
                                              **METHODS[name], kind="llama16")
    return cases


STACK = """slices:
  - sources: [{model: models/KIND-a, layer_range: [0, 2]}]
  - sources: [{model: models/KIND-b, layer_range: [1, 3]}]
merge_method: passthrough
dtype: float32
"""

LANGUAGE = {
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
    "gradient-dtypes": """models:
  - {model: models/llama-a, parameters: {weight: [1, 0.5, 0.25]}}
  - {model: models/llama-b, parameters: {weight: [{filter: mlp, value: 0.2}, {filter: self_attn, value: [0.1, 0.9]}, {value: 0.5}]}}
merge_method: linear
dtype: float32
out_dtype: bfloat16
""",
    "gradient-text": """models:
  - {model: models/llama-a, parameters: {weight: ["1e-1", 5e-1]}}
  - {model: models/llama-b, parameters: {weight: "0.5"}}
merge_method: linear
dtype: float32
""",
    "filters-ties": """models:
  - {model: models/llama-b, parameters: {density: [1, 0.7, 0.1], weight: 1.0}}
  - model: models/llama-c
    parameters:
      density: 0.33
      weight: [{filter: mlp, value: 0.5}, {value: 0}]
merge_method: ties
base_model: models/llama-a
parameters: {normalize: true, int8_mask: true}
dtype: float32
""",
    "filters-fall-through": """models:
  - {model: models/llama-a, parameters: {weight: [{filter: q_proj, value: 0.1}]}}
  - {model: models/llama-b, parameters: {weight: [{filter: "*", value: 0.3}]}}
parameters: {weight: [{filter: layers.2., value: [0.4, 0.8]}, {value: 0.7}]}
merge_method: linear
dtype: float32
""",
    "levels": """slices:
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
    "slices-ties": """slices:
  - sources:
      - {model: models/llama-a, layer_range: [0, 3]}
      - {model: models/llama-b, layer_range: [0, 3], parameters: {weight: 1, density: 0.5}}
  - sources:
      - {model: models/llama-a, layer_range: [1, 4]}
      - {model: models/llama-c, layer_range: [1, 4], parameters: {weight: [0.2, 0.9]}}
merge_method: ties
base_model: models/llama-a
dtype: float32
""",
    "slices-reversed": """slices:
  - sources: [{model: models/llama-a, layer_range: [2, 4]}]
  - sources: [{model: models/llama-a, layer_range: [0, 2]}]
  - sources: [{model: models/llama-a, layer_range: [2, 4]}]
merge_method: passthrough
dtype: float32
""",
    "slices-twice-gpt2": """slices:
  - sources: [{model: models/gpt2-a, layer_range: [0, 3]}]
  - sources: [{model: models/gpt2-a, layer_range: [0, 3]}]
merge_method: passthrough
dtype: bfloat16
""",
    "modules-t5": """modules:
  encoder:
    models:
      - {model: models/t5-a, parameters: {weight: 0.3}}
      - {model: models/t5-b, parameters: {weight: 0.7}}
  decoder:
    models:
      - {model: models/t5-a, parameters: {weight: [1, 0]}}
      - {model: models/t5-b}
    parameters: {weight: 0.5}
merge_method: linear
dtype: float32
""",
    "scale-by-filter": """merge_method: passthrough
models:
  - model: models/llama-a
    parameters:
      scale:
        - {filter: o_proj, value: 0}
        - {value: 1}
dtype: float32
""",
    "several-documents": """name: first
models:
  - {model: models/llama-a, parameters: {weight: 0.3}}
  - {model: models/llama-b, parameters: {weight: 0.7}}
merge_method: linear
dtype: float32
---
models:
  - {model: first, parameters: {weight: 0.4}}
  - {model: models/llama-c, parameters: {weight: 0.6}}
base_model: models/llama-a
merge_method: task_arithmetic
dtype: float32
""",
    "lora": """models:
  - {model: models/llama-a+adapters/one, parameters: {weight: 0.6}}
  - {model: models/llama-a+adapters/two, parameters: {weight: 0.4}}
merge_method: linear
dtype: float32
""",
    "base-appended": """models:
  - {model: models/llama-b}
  - {model: models/llama-c}
base_model: models/llama-a
parameters: {weight: 0.5}
merge_method: linear
dtype: float32
""",
} | {f"stack-{kind}": STACK.replace("KIND", kind)
     for kind in ("llama", "qwen2", "phi3", "gpt2")
} | {f"linear-{kind}": two(kind, 0.4, 0.6, "float32")
     for kind in ("bert", "gpt2", "qwen2", "phi3", "t5")}



def vocabulary(rule, models=("plain", "chatml"), base=None, method="linear"):
    text = f"merge_method: {method}\ndtype: float32\nmodels:\n"
    for k, model in enumerate(models):
        text += f"  - {{model: models/tok-{model}, parameters: {{weight: 1.{k}}}}}\n"
    if base:
        text += f"base_model: models/tok-{base}\n"
    if method == "slerp":
        text += "parameters: {t: 0.5}\n"
    return text + rule + "\n"


THREE = ("plain", "chatml", "other")
TOKENIZERS = {
    "tokenizer-union": vocabulary("tokenizer_source: union"),
    "tokenizer-union-three": vocabulary("tokenizer_source: union", THREE),
    "tokenizer-union-base": vocabulary("tokenizer_source: union", THREE,
                                       "other", "task_arithmetic"),
    "tokenizer-base": vocabulary("tokenizer_source: base", THREE, "chatml"),
    "tokenizer-model": vocabulary("tokenizer_source: models/tok-other", THREE),
    "tokenizer-slerp": vocabulary("tokenizer_source: union", base="plain",
                                  method="slerp"),
    "tokenizer-pad": vocabulary(
        "tokenizer: {source: union, pad_to_multiple_of: 16}"),
    "tokenizer-tokens": vocabulary("""tokenizer:
  source: union
  tokens:
    _tok_10: {source: models/tok-chatml, force: true}
    _tok_11: {source: models/tok-plain, force: true}
    _tok_20: {source: {kind: model_token, model: models/tok-chatml, token_id: 62}, force: true}
    _tok_21: {source: {kind: model_token, model: models/tok-plain, token: "<s>"}, force: true}
    _more_0: {source: {kind: model_token, model: models/tok-plain, token: _tok_30}}
    _more_1: {source: {kind: zero}}"""),
}

CASES = TOKENIZERS | PUBLISHED | methods() | LANGUAGE
