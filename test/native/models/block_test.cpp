// The blocks of a model as compression sees them, one after another and cut to other sizes.
#include "kernels/aten.h"
#include "kernels/rms_norm.h"
#include "models/adapters.h"
#include "models/tiny_decoder.h"
#include "models/zeros_execution.h"

// Last: libtorch has a CHECK of its own, which ends the program.
#include "doctest.h"

using namespace tongueforge;

namespace {

models::Rows random_rows(uint64_t seed) {
  const auto generator = at::detail::createCPUGenerator(seed);
  const auto segments = at::tensor({0, 0, 0, 1, 1, 1, 1, -1}, at::kLong).expand({2, 8}).contiguous();
  return {at::randint(0, 50, {2, 8}, generator, at::kLong), segments};
}

const at::Tensor& tensor_of(const models::Model& model, const std::string& name) {
  for (const auto& parameter : model.parameters())
    if (parameter.name == name) return *parameter.tensor;
  throw std::runtime_error(name);
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

}  // namespace

TEST_CASE("blocks run one by one, and the final norm, are the whole forward pass") {
  const at::NoGradGuard no_grad;
  const auto model = test::tiny_decoder();
  const auto rows = random_rows(1);
  auto x_BTD = model->embed(rows);
  for (size_t i = 0; i < model->blocks().size(); i++) x_BTD = model->run_block(i, x_BTD, rows, nullptr);
  const auto last = kernels::rms_norm(x_BTD, tensor_of(*model, "model.norm.weight"), 1e-6);
  const auto whole = model->hidden_packed(rows);
  CHECK(largest_difference(last, whole) < 1e-5);
}

TEST_CASE("blocks name the linear layers that are parameters, with what goes in and out of them") {
  const auto model = test::tiny_decoder();
  size_t weights = 0;
  for (const auto& parameter : model->parameters()) weights += parameter.linear != nullptr;
  size_t named = 0;
  for (const auto& block : model->blocks()) {
    CHECK(block.sizes.num_heads * block.head_dim == block.q.linear->weight.size(0));
    CHECK(block.sizes.num_kv_heads * block.head_dim == block.v.linear->weight.size(0));
    CHECK(block.sizes.intermediate_size == block.narrow.linear->weight.size(1));
    for (const auto& [name, linear] : block.linears()) {
      CHECK(name.starts_with(block.prefix));
      CHECK(tensor_of(*model, name + ".weight").is_same(linear->weight));
      named++;
    }
  }
  CHECK(named == weights);
}

TEST_CASE("an observer sees what goes into a linear layer, and only while its scope lives") {
  const at::NoGradGuard no_grad;
  const auto model = test::tiny_decoder();
  const auto rows = random_rows(2);
  std::vector<at::Tensor> seen;
  {
    const nn::ObserverScope scope(*model->blocks()[1].o.linear,
                                  [&seen](const at::Tensor& x) { seen.push_back(x); });
    model->hidden_packed(rows);
  }
  model->hidden_packed(rows);
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].sizes() == at::IntArrayRef({2, 8, 4 * 8}));
}

TEST_CASE("a factored layer multiplies as its product does, is two tensors and learns") {
  auto spec = test::tiny_spec();
  spec.layers[1].ranks = {{"mlp.up_proj", 5}, {"self_attn.q_proj", 3}};
  const auto factored = test::tiny_decoder(spec);
  const auto dense = test::tiny_decoder();
  for (const auto& parameter : dense->parameters()) {
    if (parameter.linear) continue;  // below
    *parameter.tensor = tensor_of(*factored, parameter.name);
  }
  auto factored_blocks = factored->blocks(), dense_blocks = dense->blocks();
  for (size_t i = 0; i < 2; i++) {
    const auto from = factored_blocks[i].linears(), to = dense_blocks[i].linears();
    for (size_t k = 0; k < from.size(); k++) to[k].linear->weight = from[k].linear->dense();
  }
  const auto rows = random_rows(3);
  const auto a = factored->hidden_packed(rows);
  const auto b = dense->hidden_packed(rows);
  CHECK(largest_difference(a, b) < 1e-5);
  CHECK(factored->parameters().size() == dense->parameters().size() + 2);
  auto& in_RI = factored_blocks[1].widen[1].linear->factors->in_RI;
  CHECK(in_RI.sizes() == at::IntArrayRef({5, 24}));
  CHECK(tensor_of(*factored, "model.layers.1.mlp.up_proj.in.weight").is_same(in_RI));
  in_RI.requires_grad_(true);
  factored->hidden_packed(rows).sum().backward();
  CHECK(in_RI.grad().abs().max().item<double>() > 0);
}

TEST_CASE("a model of some blocks of another computes what those blocks do") {
  const at::NoGradGuard no_grad;
  const auto model = test::tiny_decoder();
  const auto rows = random_rows(4);
  const auto x_BTD = model->embed(rows);
  const auto second = model->run_block(1, x_BTD, rows, nullptr);
  model->keep_blocks({1});
  REQUIRE(model->blocks().size() == 1);
  CHECK(model->blocks()[0].prefix == "model.layers.0.");
  CHECK(model->run_block(0, x_BTD, rows, nullptr).equal(second));
}

TEST_CASE("an adapter that is put on a layer in another form is not passed over") {
  const at::NoGradGuard no_grad;
  const auto model = test::tiny_decoder();
  auto& linear = *model->blocks()[0].o.linear;
  const auto x = at::randn({3, 32}, at::detail::createCPUGenerator(5), at::kFloat);
  const auto before = linear(x);
  test::set_zeros_execution(linear);
  CHECK(linear(x).eq(0).all().item<bool>());
  models::attach_adapters(*model, {{"model.layers.0.self_attn.o_proj", 2, 1.0}}, 0, 1);
  CHECK(largest_difference(linear(x), before) < 1e-5);  // B is zero
}
