#include "model/resnet_geometry.h"

#include "core/text.h"

namespace soup {
namespace {

/// Reads convolutions one after the other, each on what the last gave.
class Reader {
 public:
  explicit Reader(const Shapes& shapes) : shapes_(shapes) {}

  ConvNorm conv(const std::string& name, const std::string& norm,
                int64_t inputs, int64_t stride) const {
    const std::vector<int64_t> shape = shapes_.get(name + ".weight", 4);
    ConvNorm made{.conv = name,
                  .norm = norm,
                  .outputs = shape[0],
                  .inputs = inputs,
                  .kernel = shape[2],
                  .stride = stride,
                  .groups = 0};
    if (shape[2] != shape[3] || shape[2] % 2 == 0 || inputs % shape[1] != 0 ||
        shape[0] % (inputs / shape[1]) != 0) {
      shapes_.fail("'" + name + ".weight' is " + shape_text(shape) +
                   ", which does not fit behind " + std::to_string(inputs) +
                   " channels");
    }
    made.groups = inputs / shape[1];
    return made;
  }

  std::vector<ConvNorm> stem(int64_t& channels) const {
    const bool deep = shapes_.has("conv1.0.weight");
    channels = shapes_.get(deep ? "conv1.0.weight" : "conv1.weight", 4)[1];
    if (!deep) {
      ConvNorm only = conv("conv1", "bn1", channels, 2);
      if (only.kernel != 7) {
        shapes_.fail("'conv1.weight' is " + std::to_string(only.kernel) +
                     " pixels wide, expected 7 as in torchvision and timm; "
                     "--eval-cmd scores any model");
      }
      return {only};
    }
    const ConvNorm a = conv("conv1.0", "conv1.1", channels, 2);
    const ConvNorm b = conv("conv1.3", "conv1.4", a.outputs, 1);
    return {a, b, conv("conv1.6", "bn1", b.outputs, 1)};
  }

  ResidualBlock block(const std::string& name, int64_t inputs,
                      int64_t stride) const {
    ResidualBlock made;
    const bool bottleneck = shapes_.has(name + ".conv3.weight");
    const int64_t count = bottleneck ? 3 : 2;
    int64_t channels = inputs;
    for (int64_t i = 1; i <= count; ++i) {
      const std::string number = std::to_string(i);
      const bool strided = i == (bottleneck ? 2 : 1);
      made.convs.push_back(conv(name + ".conv" + number, name + ".bn" + number,
                                channels, strided ? stride : 1));
      channels = made.convs.back().outputs;
    }
    const std::string shortcut = name + ".downsample";
    if (shapes_.has(shortcut + ".0.weight")) {
      made.shortcut = conv(shortcut + ".0", shortcut + ".1", inputs, stride);
    } else if (shapes_.has(shortcut + ".2.weight")) {
      made.shortcut = conv(shortcut + ".1", shortcut + ".2", inputs, 1);
      made.pool = stride;
    }
    const int64_t beside = made.shortcut ? made.shortcut->outputs : inputs;
    if (beside != channels || (!made.shortcut && stride != 1)) {
      shapes_.fail("'" + name + "' has " + std::to_string(channels) +
                   " channels, but its shortcut " + std::to_string(beside));
    }
    return made;
  }

 private:
  const Shapes& shapes_;
};

void add_conv(std::vector<Slot>& slots, const ConvNorm& c,
              const Layout& layout) {
  slots.push_back(
      layout.slot(c.conv + ".weight",
                  {c.outputs, c.inputs / c.groups, c.kernel, c.kernel}));
  for (const char* part : {"weight", "bias", "running_mean", "running_var"}) {
    slots.push_back(layout.slot(c.norm + "." + part, {c.outputs}));
  }
}

}  // namespace

ResNetGeometry read_resnet_geometry(const Shapes& shapes) {
  const Reader reader(shapes);
  ResNetGeometry g;
  g.stem = reader.stem(g.channels);
  g.features = g.stem.back().outputs;
  for (int64_t stage = 1; stage <= 4; ++stage) {
    const std::string layer = "layer" + std::to_string(stage) + ".";
    for (int64_t i = 0;; ++i) {
      const std::string name = layer + std::to_string(i);
      if (i > 0 && !shapes.has(name + ".conv1.weight")) break;
      const int64_t stride = stage > 1 && i == 0 ? 2 : 1;
      g.blocks.push_back(reader.block(name, g.features, stride));
      g.features = g.blocks.back().convs.back().outputs;
    }
  }
  g.classes = shapes.get("fc.weight", 2)[0];
  g.head_bias = shapes.has("fc.bias");
  return g;
}

std::vector<Slot> resnet_slots(const ResNetGeometry& g, const Layout& layout) {
  std::vector<Slot> slots;
  for (const ConvNorm& conv : g.stem) add_conv(slots, conv, layout);
  for (const ResidualBlock& block : g.blocks) {
    for (const ConvNorm& conv : block.convs) add_conv(slots, conv, layout);
    if (block.shortcut) add_conv(slots, *block.shortcut, layout);
  }
  slots.push_back(layout.slot("fc.weight", {g.classes, g.features}));
  if (g.head_bias) slots.push_back(layout.slot("fc.bias", {g.classes}));
  return slots;
}

}  // namespace soup
