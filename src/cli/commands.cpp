#include "cli/commands.h"

#include <array>

namespace soup {
namespace {

constexpr std::array kCommands = {
    Command{"uniform", "average every checkpoint",
            R"(  soup uniform runs/ -o soup.safetensors
  soup uniform a.pt b.pt c.pt --exclude '^head\.' -o soup.pt
  ls runs/*.pt | grep -v epoch_0 | soup uniform - --dtype f32
  soup uniform lora_1/ lora_2/ -o lora_soup/
  soup uniform lora_1/ lora_2/ --base model/ -o soup.safetensors)",
            make_uniform},
    Command{"greedy", "best first, keep what does not hurt the held-out score",
            R"(  soup greedy runs/ --val fashion-mnist -o soup.safetensors
  soup greedy runs/ --val pets/val --test pets/test --metric top1
  soup greedy runs/ --val val/ --guard shifted/ --pruned
  soup greedy resnets/ --val val/ --bn recompute --bn-data pets/train
  soup greedy runs/ --val imagenet=2 --val imagenet-v2=1
  soup greedy runs/ --val fashion-mnist --budget 10
  soup greedy runs/ --val mrpc.json --model bert.pt2 --metric accuracy_f1
  torchrun --nproc-per-node=8 --no-python soup greedy runs/ --val imagenet
  soup greedy runs/ --eval-cmd 'python3 score.py {}' | jq .)",
            make_greedy},
    Command{"learned", "mixing coefficients by gradient on held-out data",
            R"(  soup learned runs/ --val fashion-mnist -o soup.safetensors
  soup learned runs/ --val val/ --by model --epochs 3 --lr 0.1
  soup learned runs/ --val val/ --affine --recipe-out coefficients.json
  soup learned runs/ --val val/ --from-losses 0.01)",
            make_learned},
    Command{
        "ensemble", "average logits instead of weights, to compare with",
        R"(  soup ensemble runs/ --val fashion-mnist --test fashion-mnist-test
  soup ensemble runs/ --val val/ --greedy --max-ingredients 8
  soup ensemble a.logits.safetensors b.logits.safetensors --greedy)",
        make_ensemble},
    Command{
        "interpolate", "the line through two checkpoints: WiSE-FT",
        R"(  soup interpolate base.safetensors soup.safetensors --val fashion-mnist
  soup interpolate a.pt b.pt --val val/ --val shifted/ --best -o wise.pt
  soup interpolate a.pt b.pt --alpha 0.5 -o half.pt)",
        make_interpolate},
    Command{"stock", "from a base towards the mean, by angles, without data",
            R"(  soup stock a.pt b.pt --base init.pt -o stock.pt
  soup stock runs/ --base init.safetensors --test fashion-mnist-test
  soup greedy runs/ --val val/ | soup stock - --base init.pt -o stock.pt
  soup stock runs/ --base init.safetensors --shrink 0.8)",
            make_stock},
    Command{"trajectory", "average the checkpoints of one run, oldest first",
            R"(  soup trajectory run/ --last 10 -o mean.safetensors
  soup trajectory run/ --weights ema --factor 0.8
  soup trajectory run/ --last 4 --schedule 0.75,0.5,0.25)",
            make_trajectory},
    Command{"eval", "score checkpoints on held-out data",
            R"(  soup eval soup.safetensors --val fashion-mnist-test
  soup eval runs/ --val imagenet-like/ --metric nll --device cuda
  soup eval a.pt --val spec.json --predictions a.jsonl
  soup eval a.pt --val pets/val --per-class | jq -r 'select(.kind == "class") | .value'
  torchrun --nproc-per-node=8 --no-python soup eval a.pt --val imagenet-val)",
            make_eval},
    Command{"mix", "make what a recipe says",
            R"(  soup mix recipe.json -o soup.safetensors
  soup mix old_soup.safetensors -o again.safetensors
  soup mix recipe.json --print)",
            make_mix},
    Command{
        "batchnorm", "take BatchNorm's statistics anew from pictures",
        R"(  soup batchnorm soup.safetensors --on pets/train -o better.safetensors
  soup batchnorm soup.pt --on cifar10 --device cuda -o better.pt)",
        make_batchnorm},
    Command{"inspect", "what is in a file, without loading it",
            R"(  soup inspect model.safetensors
  soup inspect runs/
  soup inspect model.safetensors --tree
  soup inspect model.pt | jq -r 'select(.kind == "tensor") | .name')",
            make_inspect},
    Command{"diff", "which tensors differ, by how much",
            R"(  soup diff a.safetensors b.pt
  soup diff a.pt b.pt | jq -r 'select(.max_abs > 0.1) | .name')",
            make_diff},
    Command{"convert", "between formats and dtypes",
            R"(  soup convert model.pt -o model.safetensors
  soup convert model.safetensors -o half.pt --dtype bf16
  soup convert adapter/ --base model.safetensors -o merged.safetensors)",
            make_convert},
    Command{"verify", "make a soup again from the recipe it carries, compare",
            R"(  soup verify soup.safetensors
  soup verify soup.pt && echo unchanged)",
            make_verify},
    Command{"list", "names: commands, searches, rules, formats, models, ...",
            R"(  soup list
  soup list datasets)",
            make_list},
};

}  // namespace

std::span<const Command> commands() { return kCommands; }

}  // namespace soup
