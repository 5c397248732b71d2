#include "model/convnext_geometry.h"

#include "core/text.h"

namespace soup {
namespace {

std::string stage_name(size_t stage) {
  return "stages." + std::to_string(stage) + ".";
}

std::string block_name(size_t stage, size_t block) {
  return stage_name(stage) + "blocks." + std::to_string(block) + ".";
}

/// Side of a square convolution of `name`.
int64_t side_of(const Shapes& shapes, const std::string& name) {
  const std::vector<int64_t> shape = shapes.get(name, 4);
  if (shape[2] != shape[3]) {
    shapes.fail("'" + name + "' is " + shape_text(shape) +
                ", expected a square convolution");
  }
  return shape[2];
}

ConvNextGeometry::Stage read_stage(const Shapes& shapes, size_t stage,
                                   int64_t width) {
  ConvNextGeometry::Stage made;
  made.width = width;
  const std::string down = stage_name(stage) + "downsample.1.weight";
  if (shapes.has(down)) {
    made.downsample = true;
    made.width = shapes.get(down, 4)[0];
    made.stride = side_of(shapes, down);
  }
  for (size_t i = 0; shapes.has(block_name(stage, i) + "conv_dw.weight"); ++i) {
    const std::string name = block_name(stage, i);
    const int64_t kernel = side_of(shapes, name + "conv_dw.weight");
    if (kernel % 2 == 0) {
      shapes.fail("'" + name + "conv_dw.weight' is " + std::to_string(kernel) +
                  " pixels wide, expected an odd number");
    }
    made.blocks.push_back({kernel, shapes.get(name + "mlp.fc1.bias", 1)[0]});
  }
  return made;
}

/// Collects slots.
class Slots {
 public:
  Slots(const ConvNextGeometry& g, const Layout& layout)
      : g_(g), layout_(layout) {}

  void add(const std::string& name, std::vector<int64_t> shape) {
    all_.push_back(layout_.slot(name, std::move(shape)));
  }
  void add_norm(const std::string& name, int64_t width) {
    add(name + ".weight", {width});
    add(name + ".bias", {width});
  }
  void add_conv(const std::string& name, int64_t to, int64_t from,
                int64_t side) {
    add(name + ".weight", {to, from, side, side});
    if (g_.conv_bias) add(name + ".bias", {to});
  }
  void add_linear(const std::string& name, int64_t to, int64_t from) {
    std::vector<int64_t> shape = {to, from};
    if (g_.conv_mlp) shape.insert(shape.end(), {1, 1});
    add(name + ".weight", shape);
    add(name + ".bias", {to});
  }
  void add_block(const std::string& name, int64_t width,
                 const ConvNextGeometry::Block& block) {
    add_conv(name + "conv_dw", width, 1, block.kernel);
    add_norm(name + "norm", width);
    add_linear(name + "mlp.fc1", block.hidden, width);
    if (g_.response_norm) add_norm(name + "mlp.grn", block.hidden);
    add_linear(name + "mlp.fc2", width, block.hidden);
    if (g_.layer_scale) add(name + "gamma", {width});
  }
  std::vector<Slot> take() { return std::move(all_); }

 private:
  const ConvNextGeometry& g_;
  const Layout& layout_;
  std::vector<Slot> all_;
};

}  // namespace

ConvNextGeometry read_convnext_geometry(const Shapes& shapes) {
  ConvNextGeometry g;
  const std::vector<int64_t> stem = shapes.get("stem.0.weight", 4);
  g.stem_width = stem[0];
  g.channels = stem[1];
  g.patch = side_of(shapes, "stem.0.weight");
  g.conv_bias = shapes.has("stem.0.bias");
  const std::string first = block_name(0, 0);
  g.conv_mlp = shapes.rank(first + "mlp.fc1.weight") == 4;
  g.layer_scale = shapes.has(first + "gamma");
  g.response_norm = shapes.has(first + "mlp.grn.weight");
  g.norm_first = shapes.has("norm_pre.weight");
  int64_t width = g.stem_width;
  for (size_t i = 0; shapes.has(block_name(i, 0) + "conv_dw.weight"); ++i) {
    g.stages.push_back(read_stage(shapes, i, width));
    width = g.stages.back().width;
  }
  g.classes = shapes.get("head.fc.weight", 2)[0];
  g.head_bias = shapes.has("head.fc.bias");
  return g;
}

std::vector<Slot> convnext_slots(const ConvNextGeometry& g,
                                 const Layout& layout) {
  Slots slots(g, layout);
  slots.add_conv("stem.0", g.stem_width, g.channels, g.patch);
  slots.add_norm("stem.1", g.stem_width);
  int64_t width = g.stem_width;
  for (size_t i = 0; i < g.stages.size(); ++i) {
    const ConvNextGeometry::Stage& stage = g.stages[i];
    if (stage.downsample) {
      const std::string name = stage_name(i) + "downsample.";
      slots.add_norm(name + "0", width);
      slots.add_conv(name + "1", stage.width, width, stage.stride);
    }
    width = stage.width;
    for (size_t k = 0; k < stage.blocks.size(); ++k) {
      slots.add_block(block_name(i, k), width, stage.blocks[k]);
    }
  }
  slots.add_norm(g.norm_first ? "norm_pre" : "head.norm", width);
  slots.add("head.fc.weight", {g.classes, width});
  if (g.head_bias) slots.add("head.fc.bias", {g.classes});
  return slots.take();
}

}  // namespace soup
