// Pruning of whole models: which tensors, how many of their weights, and in what order.
#include "compress/prune.h"

#include "cancels_after.h"
#include "compress/calibration.h"
#include "compress/input_statistics.h"
#include "compress/matrices.h"
#include "compress/shared_inputs.h"
#include "compress/tiny_rows.h"
#include "compress/wanda.h"
#include "core/error.h"
#include "models/adapters.h"
#include "models/tiny_decoder.h"
#include "models/zeros_execution.h"

using namespace tongueforge;
using namespace tongueforge::compress;
using test::tiny_decoder;

namespace {

std::set<std::string> all_layers(models::Model& model) {
  std::set<std::string> keys;
  const auto blocks = model.blocks();
  for (size_t i = 0; i < blocks.size(); i++)
    for (const auto& projection : blocks[i].linears()) keys.insert(layer_key(blocks[i], i, projection));
  return keys;
}

PruneOptions options_of(models::Model& model, Criterion criterion, Amount amount) {
  PruneOptions options;
  options.criterion = criterion;
  options.amount = amount;
  options.layers = all_layers(model);
  return options;
}

std::vector<PrunedTensor> prune(models::Model& model, const PruneOptions& options) {
  SilentJob job;
  return prune_weights(model, options, {tiny_rows(1), tiny_rows(2)}, job);
}

using Snapshot = std::vector<std::pair<std::string, at::Tensor>>;

Snapshot snapshot(models::Model& model) {
  Snapshot all;
  for (const auto& parameter : model.parameters())
    all.emplace_back(parameter.name, parameter.tensor->clone());
  return all;
}

// Names of the tensors that differ.
std::set<std::string> changed(models::Model& model, const Snapshot& before) {
  std::set<std::string> names;
  const auto now = snapshot(model);
  for (size_t i = 0; i < now.size(); i++)
    if (!now[i].second.equal(before[i].second)) names.insert(now[i].first);
  return names;
}

std::set<std::string> names_of(const std::vector<PrunedTensor>& tensors) {
  std::set<std::string> names;
  for (const auto& tensor : tensors) names.insert(tensor.name);
  return names;
}

Error refusal(models::Model& model, const PruneOptions& options) {
  try {
    prune(model, options);
  } catch (const Error& error) { return error; }
  FAIL("nothing was thrown");
  return Error("", "");
}

constexpr int64_t kSize = 24 * 32 + 2 * 24 * 16 + 24 * 32 + 3 * 24 * 40;  // of the matrices of one tiny block

}  // namespace

TEST_CASE("each criterion prunes the matrices of all blocks and nothing else, by its own count") {
  struct Case {
    Criterion criterion;
    kernels::MaskScope scope;
    std::function<int64_t(const PrunedTensor&, int64_t columns)> zeros;  // of one tensor; empty: of all
  };
  const double s = 0.37;
  const auto rows_cut = [&](const PrunedTensor& of, int64_t columns) {
    return of.size / columns * static_cast<int64_t>(s * static_cast<double>(columns));
  };
  const auto rounded = [&](const PrunedTensor& of, int64_t) { return kernels::share_of(s, of.size); };
  const auto whole = [&](const PrunedTensor& of, int64_t) {
    return static_cast<int64_t>(s * static_cast<double>(of.size));
  };
  for (const auto& [criterion, scope, zeros] :
       std::vector<Case>{{Criterion::magnitude, kernels::MaskScope::global, {}},
                         {Criterion::magnitude, kernels::MaskScope::layer, rounded},
                         {Criterion::wanda, kernels::MaskScope::row, rows_cut},
                         {Criterion::sparsegpt, kernels::MaskScope::row, whole}}) {
    CAPTURE(static_cast<int>(criterion));
    const auto model = tiny_decoder();
    const auto before = snapshot(*model);
    auto options = options_of(*model, criterion, {s});
    options.scope = scope;
    const auto pruned = prune(*model, options);
    CHECK(pruned.size() == 14);
    CHECK(changed(*model, before) == names_of(pruned));
    int64_t sum = 0;
    for (const auto& tensor : pruned) {
      CAPTURE(tensor.name);
      sum += tensor.zeros;
      const bool is_down = tensor.name.ends_with("down_proj.weight"),
                 is_o = tensor.name.ends_with("o_proj.weight");
      if (zeros) CHECK(tensor.zeros == zeros(tensor, is_down ? 40 : is_o ? 32 : 24));
      CHECK(tensor.error.has_value() == (criterion != Criterion::magnitude));
      if (tensor.error) CHECK((*tensor.error > 0 && *tensor.error < 1));
      CHECK(tensor.damping.value_or(0) == (criterion == Criterion::sparsegpt ? 0.01 : 0));
    }
    if (!zeros) CHECK(sum == kernels::share_of(s, 2 * kSize));
  }
}

TEST_CASE("every criterion keeps N of M inputs, and a sparsity of 0 changes no byte") {
  for (const auto criterion : {Criterion::magnitude, Criterion::wanda, Criterion::sparsegpt}) {
    const auto model = tiny_decoder();
    const auto before = snapshot(*model);
    prune(*model, options_of(*model, criterion, {0}));
    CHECK(changed(*model, before).empty());
    prune(*model, options_of(*model, criterion, {0, {2, 8}}));
    for (const auto& block : model->blocks())
      for (const auto& [name, linear] : block.linears())
        CHECK(linear->weight.ne(0).view({-1, 8}).sum(1).eq(2).all().item<bool>());
  }
}

TEST_CASE("only the layers that are asked for are pruned, with the biases where those are asked for") {
  const auto model = tiny_decoder();
  for (const auto& block : model->blocks()) block.q.linear->bias.copy_(random_matrix({32}, 42) * 0.1);
  const auto before = snapshot(*model);
  auto options = options_of(*model, Criterion::magnitude, {0.5});
  options.layers = {"layers.1.self_attn.q_proj", "layers.0.mlp.down_proj"};
  options.biases = true;
  const auto pruned = prune(*model, options);
  const std::set<std::string> expected = {"model.layers.0.mlp.down_proj.weight",
                                          "model.layers.1.self_attn.q_proj.weight",
                                          "model.layers.1.self_attn.q_proj.bias"};
  CHECK(names_of(pruned) == expected);
  CHECK(changed(*model, before) == expected);
  int64_t zeros = 0;
  for (const auto& tensor : pruned) zeros += tensor.zeros;
  CHECK(zeros == (24 * 32 + 32 + 24 * 40) / 2);
}

TEST_CASE("a block is pruned by what the pruned block before it feeds it") {
  const at::NoGradGuard no_grad;
  const auto model = tiny_decoder(), by_hand = tiny_decoder();
  prune(*model, options_of(*model, Criterion::wanda, {0.5}));
  const SilentJob job;
  Calibration calibration(*by_hand, {tiny_rows(1), tiny_rows(2)}, job);
  const auto blocks = by_hand->blocks();
  for (; !calibration.at_end(); calibration.advance()) {
    const auto& block = blocks[calibration.block()];
    std::vector<InputNorms> norms = {InputNorms(24), InputNorms(32), InputNorms(24), InputNorms(40)};
    std::vector<Listener> listeners;
    for (const auto& [i, linear] : std::vector<std::pair<size_t, nn::Linear*>>{
             {0, block.v.linear}, {1, block.o.linear}, {2, block.widen[1].linear}, {3, block.narrow.linear}})
      listeners.push_back({linear, [&norms, i = i](const at::Tensor& x_PC) { norms[i].add(x_PC); }});
    calibration.observe(listeners);
    for (const auto& projection : {block.q, block.k, block.v})
      prune_rows(projection.linear->weight, norms[0].norms(), {0.5});
    prune_rows(block.o.linear->weight, norms[1].norms(), {0.5});
    for (const auto& projection : block.widen) prune_rows(projection.linear->weight, norms[2].norms(), {0.5});
    prune_rows(block.narrow.linear->weight, norms[3].norms(), {0.5});
  }
  const auto ours = snapshot(*model), theirs = snapshot(*by_hand);
  for (size_t i = 0; i < ours.size(); i++) CHECK(ours[i].second.equal(theirs[i].second));
}

TEST_CASE("SparseGPT's error on the calibration rows is below that of its mask alone, layer by layer") {
  const at::NoGradGuard no_grad;
  const auto pruned = tiny_decoder(), masked = tiny_decoder(), dense = tiny_decoder();
  auto options = options_of(*pruned, Criterion::sparsegpt, {0.5});
  // One block at a time: the next one would not hear the same of both.
  std::erase_if(options.layers, [](const std::string& key) { return !key.starts_with("layers.0."); });
  const auto figures = prune(*pruned, options);
  const SilentJob job;
  Calibration calibration(*dense, {tiny_rows(1), tiny_rows(2)}, job);
  const auto all = shared_inputs(dense->blocks()[0], 0, options.layers);
  const auto by_name = [](models::Model& model, const std::string& name) {
    for (const auto& parameter : model.parameters())
      if (parameter.name == name) return *parameter.tensor;
    return at::Tensor();
  };
  size_t next = 0;
  for (const auto& input : all) {
    std::vector<at::Tensor> parts;
    calibration.observe({{input.linear, [&](const at::Tensor& x_PC) { parts.push_back(x_PC); }}});
    const auto x = at::cat(parts).to(at::kDouble);
    for (const auto& [name, weight, _] : input.matrices) {
      CAPTURE(name);
      const auto after = by_name(*pruned, name);
      const auto error = [&](const at::Tensor& of) {
        return (x.mm((*weight - of).to(at::kDouble).t()).norm() / x.mm(weight->to(at::kDouble).t()).norm())
            .item<double>();
      };
      CHECK(figures[next].name == name);
      CHECK(*figures[next++].error == doctest::Approx(error(after)).epsilon(1e-4));
      CHECK(error(after) < error(weight->masked_fill(after.eq(0), 0)));
    }
  }
  CHECK(next == 7);
}

TEST_CASE("the factors of a layer are pruned as two matrices, each by its own inputs") {
  auto spec = test::tiny_spec();
  spec.layers[1].ranks = {{"mlp.up_proj", 8}, {"self_attn.q_proj", 4}};
  for (const auto criterion : {Criterion::magnitude, Criterion::wanda, Criterion::sparsegpt}) {
    CAPTURE(static_cast<int>(criterion));
    const auto model = tiny_decoder(spec);
    const auto before = snapshot(*model);
    auto options = options_of(*model, criterion, {0.5});
    options.scope = kernels::MaskScope::layer;
    const auto pruned = prune(*model, options);
    CHECK(pruned.size() == 16);
    CHECK(changed(*model, before) == names_of(pruned));
    for (const auto& tensor : pruned) {
      CAPTURE(tensor.name);
      CHECK(tensor.zeros == tensor.size / 2);
    }
  }
}

TEST_CASE("a model in bfloat16 is pruned as float32 is, as far as its weights say") {
  const auto model = tiny_decoder();
  for (const auto& parameter : model->parameters()) *parameter.tensor = parameter.tensor->to(at::kBFloat16);
  for (const auto criterion : {Criterion::magnitude, Criterion::wanda, Criterion::sparsegpt}) {
    const auto pruned = prune(*model, options_of(*model, criterion, {0.25}));
    for (const auto& block : model->blocks())
      for (const auto& [name, linear] : block.linears())
        CHECK((linear->weight.scalar_type() == at::kBFloat16));
    int64_t zeros = 0;
    for (const auto& tensor : pruned) zeros += tensor.zeros;
    CHECK(zeros >= static_cast<int64_t>(0.24 * 2 * kSize));
  }
}

TEST_CASE(
    "weights that are no numbers, and inputs that are no whole groups, are refused before anything is "
    "changed") {
  const auto model = tiny_decoder();
  const auto last = model->blocks()[1].narrow;
  last.linear->weight[1][2] = std::numeric_limits<float>::quiet_NaN();
  const auto before = model->blocks()[0].q.linear->weight.clone();
  for (const auto criterion : {Criterion::magnitude, Criterion::wanda}) {
    try {
      prune(*model, options_of(*model, criterion, {0.5}));
      FAIL("expected an error");
    } catch (const Error& error) {
      CHECK(error.code() == "ERR_NON_FINITE");
      CHECK(error.message() ==
            "Expected finite weights in model.layers.1.mlp.down_proj.weight, received NaN or infinity");
      CHECK(error.hint() == "tongueforge inspect --scan shows which tensors hold them.");
    }
    CHECK_THROWS_WITH_AS(
        prune(*model, options_of(*model, criterion, {0, {1, 5}})),
        "pattern 1:5: expected the inputs of model.layers.0.self_attn.q_proj.weight to be groups of "
        "5, received 24 inputs",
        Error);
  }
  CHECK(model->blocks()[0].q.linear->weight.equal(before));
  CHECK_THROWS_WITH_AS(criterion_from_name("taylor"),
                       "Expected criterion magnitude, wanda or sparsegpt, received 'taylor'", Error);
  CHECK(criterion_from_name("wanda") == Criterion::wanda);
}

TEST_CASE("weights under an adapter are refused by every criterion before anything is changed") {
  for (const auto criterion : {Criterion::magnitude, Criterion::wanda, Criterion::sparsegpt}) {
    const auto model = tiny_decoder();
    models::attach_adapters(*model, {{"model.layers.1.mlp.up_proj", 2, 1.0}}, 0, 1);
    const auto before = snapshot(*model);
    auto options = options_of(*model, criterion, {0.5});
    const auto error = refusal(*model, options);
    CHECK(error.code() == "ERR_ADAPTER");
    CHECK(error.message() ==
          "model.layers.1.mlp.up_proj: expected weights without an adapter, received some under an adapter");
    CHECK(error.hint() == "Merge it first: tongueforge adapter merge.");
    CHECK(changed(*model, before).empty());
    options.layers.erase("layers.1.mlp.up_proj");
    CHECK_NOTHROW(prune(*model, options));
  }
}

TEST_CASE("another form of the weights, which holds the numbers of before, leaves with them") {
  const auto model = tiny_decoder();
  const auto blocks = model->blocks();
  for (const auto& block : blocks) test::set_zeros_execution(*block.widen[0].linear);
  auto options = options_of(*model, Criterion::magnitude, {0.5});
  options.layers = {"layers.0.mlp.gate_proj"};
  prune(*model, options);
  CHECK_FALSE(static_cast<bool>(blocks[0].widen[0].linear->execution));
  CHECK(static_cast<bool>(blocks[1].widen[0].linear->execution));
}

TEST_CASE("inputs that are no numbers choose no weight: the first layer that hears them is named") {
  for (const auto criterion : {Criterion::wanda, Criterion::sparsegpt}) {
    const auto model = tiny_decoder();
    model->parameters()[0].tensor->fill_(std::numeric_limits<float>::infinity());
    const auto before = snapshot(*model);
    const auto error = refusal(*model, options_of(*model, criterion, {0.5}));
    CHECK(error.code() == "ERR_NON_FINITE");
    CHECK(error.message() ==
          "Expected finite inputs of model.layers.0.self_attn.q_proj on the calibration rows");
    CHECK(error.hint() == "The weights hold NaN or infinity, or overflow in this dtype: dtype: float32.");
    CHECK(changed(*model, before).empty());
  }
}

TEST_CASE("pruning by magnitude stops between matrices, over all of them too") {
  for (const auto scope : {kernels::MaskScope::global, kernels::MaskScope::layer, kernels::MaskScope::row}) {
    const auto model = tiny_decoder();
    auto options = options_of(*model, Criterion::magnitude, {0.5});
    options.scope = scope;
    for (const int questions : {1, 14, 20}) {  // while weights are looked over, and while they are compared
      const auto before = snapshot(*model);
      test::CancelsAfter job(questions);
      CHECK_THROWS_AS(prune_weights(*model, options, {}, job), Cancelled);
      if (scope == kernels::MaskScope::global) CHECK(changed(*model, before).empty());
    }
  }
}
