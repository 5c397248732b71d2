"""Small language models for the golden cases of merging."""
import json


def merge_files(write, safetensors):
    """Folders below llm/: `write` takes a path and bytes."""

    def model(name, tensors, config, tokenizer=None):
        write(f"llm/{name}/model.safetensors", safetensors(tensors))
        write(f"llm/{name}/config.json", json.dumps(config).encode())
        if tokenizer:
            write(f"llm/{name}/tokenizer.json", json.dumps(
                {"added_tokens": [], "model": tokenizer}).encode())

    def speaker(name, value, tokens, **tokenizer):
        rows = [[value + i, -value] for i in range(len(tokens))]
        model(name, {
            "model.embed_tokens.weight": ("F16", [len(tokens), 2],
                                          sum(rows, [])),
            "model.layers.0.mlp.up_proj.weight": ("F16", [2, 2], [value] * 4),
            "model.layers.1.mlp.up_proj.weight": ("F16", [2, 2], [-value] * 4),
        }, {"num_hidden_layers": 2, "vocab_size": len(tokens),
            "tie_word_embeddings": True},
            {"vocab": {t: i for i, t in enumerate(tokens)}} | tokenizer)

    bpe = {"type": "BPE", "merges": []}
    speaker("base", 1, ["a", "b"], **bpe)
    speaker("one", 1.1, ["a", "b"], **bpe)
    speaker("two", 0.7, ["a", "b"], **bpe)
    speaker("more", 2, ["a", "c", "b"], **bpe)
    speaker("pieces", 3, ["a", "##b"], type="WordPiece", unk_token="a")

    moe = "model.layers.0.block_sparse_moe."
    separate = {moe + "gate.weight": ("F16", [2, 2], [1, 2, 3, 4])}
    for e in range(2):
        for k, (matrix, shape) in enumerate(
                [("w1", [1, 2]), ("w2", [2, 1]), ("w3", [1, 2])], 1):
            separate[f"{moe}experts.{e}.{matrix}.weight"] = (
                "F16", shape, [100 * e + 10 * k, 100 * e + 10 * k + 1])
    model("separate", separate, {"num_hidden_layers": 1})
    mlp = "model.layers.0.mlp."
    model("fused", {
        mlp + "gate.weight": ("F16", [2, 2], [1, 2, 3, 4]),
        mlp + "experts.gate_up_proj": (
            "F16", [2, 2, 2], [10, 11, 30, 31, 110, 111, 130, 131]),
        mlp + "experts.down_proj": ("F16", [2, 2, 1], [20, 21, 120, 121]),
    }, {"num_hidden_layers": 1})
