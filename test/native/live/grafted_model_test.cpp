// Deltas on a model in memory: which tensors it owns, that every split has the same bits, and what is
// refused.
#include "live/grafted_model.h"

#include <cmath>

#include "../checkpoint/fixtures.h"
#include "doctest.h"
#include "kernels/aten.h"
#include "live/delta_set.h"
#include "live/stretches.h"
#include "merge/graft/graft_kernel.h"
#include "models/adapters.h"
#include "models/tiny_decoder.h"
#include "models/weights.h"
#include "nn/sparse.h"

using namespace tongueforge;
using testing::caught;

namespace {

/// Deltas that a test makes.
class MadeDeltas final : public live::Deltas {
 public:
  explicit MadeDeltas(const std::map<std::string, at::Tensor>& tensors) {
    for (const auto& [name, tensor] : tensors) {
      infos_.push_back({name, tensor.sizes().vec()});
      tensors_.push_back(tensor.contiguous());
    }
  }
  const std::vector<live::DeltaInfo>& all() const override { return infos_; }
  const float* read(size_t index, int64_t first, int64_t count, float* room) const override {
    const float* const from = tensors_[index].data_ptr<float>() + first;
    std::copy(from, from + count, room);
    return room;
  }
  void check_unchanged() const override {
    if (changed) throw Error("ERR_INPUT_CHANGED", "changed");
  }
  int64_t bytes() const override { return 0; }
  bool changed = false;

 private:
  std::vector<live::DeltaInfo> infos_;
  std::vector<at::Tensor> tensors_;
};

MadeDeltas random_deltas(const models::Decoder& model) {
  at::manual_seed(3);
  std::map<std::string, at::Tensor> tensors;
  for (const auto& parameter : model.parameters()) tensors[parameter.name] = at::randn(parameter.shape);
  return MadeDeltas(tensors);
}

at::Tensor tensor_of(const models::Decoder& model, const std::string& name) {
  for (const auto& parameter : model.parameters())
    if (parameter.name == name) return *parameter.tensor;
  FAIL("no ", name);
  return {};
}

models::DecoderSpec wide_spec() {
  auto spec = test::tiny_spec();
  spec.vocab_size = 3 * live::kDeltaChunk / spec.hidden_size + 7;  // an embedding of four stretches
  return spec;
}

constexpr const char* kQuery = "model.layers.0.self_attn.q_proj.weight";
constexpr const char* kEmbedding = "model.embed_tokens.weight";

}  // namespace

TEST_CASE("a graft in memory is the kernel of files, for every dtype, and the target keeps its bits") {
  SilentJob job;
  for (const auto type : {at::kFloat, at::kBFloat16, at::kHalf}) {
    auto model = test::tiny_decoder(wide_spec());
    for (auto& parameter : model->parameters()) *parameter.tensor = parameter.tensor->to(type);
    const auto deltas = random_deltas(*model);
    const auto before = tensor_of(*model, kEmbedding).clone();
    const auto grafted = live::graft_model(*model, deltas, {{kEmbedding, 0.3f}}, {}, 3, job);

    auto expected = at::empty_like(before);
    std::vector<float> delta(static_cast<size_t>(before.numel()));
    const auto& all = deltas.all();
    for (size_t i = 0; i < all.size(); i++)
      if (all[i].name == kEmbedding) deltas.read(i, 0, before.numel(), delta.data());
    merge::GraftSums sums;
    merge::add_span(models::dtype_of(type), before.data_ptr(), delta.data(), 0.3f, expected.data_ptr(),
                    delta.size(), sums);
    CHECK(tensor_of(*grafted.model, kEmbedding).equal(expected));
    CHECK(tensor_of(*model, kEmbedding).equal(before));
    CHECK(!expected.equal(before));
  }
}

TEST_CASE("tensors that keep their bits are shared with the target: no delta, a zero one, scale zero") {
  SilentJob job;
  const auto model = test::tiny_decoder();
  const auto query = tensor_of(*model, kQuery), embedding = tensor_of(*model, kEmbedding);
  const MadeDeltas deltas({{kQuery, at::ones_like(query)}, {kEmbedding, at::zeros_like(embedding)}});
  const auto grafted = live::graft_model(*model, deltas, {}, {}, 1, job);
  CHECK(grafted.tensors_changed == 1);
  CHECK(grafted.tensors_shared == static_cast<int64_t>(model->parameters().size()) - 1);
  CHECK(grafted.bytes_changed == static_cast<int64_t>(query.nbytes()));
  CHECK(tensor_of(*grafted.model, kEmbedding).is_same(embedding));
  const auto none = live::graft_model(*model, deltas, {{kQuery, 0.0f}}, {}, 1, job);
  CHECK(none.tensors_changed == 0);
  CHECK(tensor_of(*none.model, kQuery).is_same(query));
}

TEST_CASE("a layer that is multiplied by its values that are not zero alone is grafted like any other") {
  SilentJob job;
  const at::NoGradGuard no_grad;
  const auto ids_BT = at::arange(6, at::kLong).unsqueeze(0);
  const auto plain = test::tiny_decoder(), sparse = test::tiny_decoder();
  for (const auto& block : sparse->blocks())
    for (const auto& [name, linear] : block.linears())
      linear->execution =
          std::make_shared<nn::SparseExecution>(linear->weight, nn::RowUse{.one = true, .more = true});
  const auto deltas = random_deltas(*plain);
  const auto expected = live::graft_model(*plain, deltas, {}, {}, 1, job).model->hidden(ids_BT);
  const auto before = sparse->hidden(ids_BT);
  const auto grafted = live::graft_model(*sparse, deltas, {}, {}, 1, job);
  CHECK(grafted.model->hidden(ids_BT).equal(expected));
  CHECK(sparse->hidden(ids_BT).equal(before));  // the target has its own still
  const auto none = live::graft_model(*sparse, MadeDeltas({}), {}, {}, 1, job);
  CHECK(none.model->blocks()[0].linears().front().linear->execution);
}

TEST_CASE("deltas in memory are those that were read, whatever the number of threads") {
  SilentJob job;
  const auto model = test::tiny_decoder(wide_spec());
  const auto source = random_deltas(*model);
  for (const int threads : {1, 2, 5}) {
    const auto loaded = live::load_deltas(source, threads, job);
    const auto a = live::graft_model(*model, source, {}, {}, 1, job);
    const auto b = live::graft_model(*model, *loaded, {}, {}, threads, job);
    for (const auto& parameter : a.model->parameters())
      CHECK(tensor_of(*b.model, parameter.name).equal(*parameter.tensor));
    CHECK(loaded->bytes() == model->bytes());
  }
}

TEST_CASE("a result of another dtype is the graft in the target's, then converted") {
  SilentJob job;
  auto model = test::tiny_decoder();
  for (auto& parameter : model->parameters()) *parameter.tensor = parameter.tensor->to(at::kBFloat16);
  const auto deltas = random_deltas(*model);
  const auto narrow = live::graft_model(*model, deltas, {}, {}, 1, job);
  const auto wide = live::graft_model(*model, deltas, {}, at::kFloat, 1, job);
  for (const auto& parameter : narrow.model->parameters()) {
    const auto tensor = tensor_of(*wide.model, parameter.name);
    CHECK((tensor.scalar_type() == at::kFloat));
    CHECK(tensor.equal(parameter.tensor->to(at::kFloat)));
  }
}

TEST_CASE("adapters stay on top of a graft") {
  SilentJob job;
  const auto plain = test::tiny_decoder(), adapted = test::tiny_decoder();
  models::attach_adapters(*adapted, {{"model.layers.0.self_attn.q_proj", 4, 2.0}}, 0, 1);
  for (auto& parameter : models::adapter_parameters(*adapted)) parameter.tensor->normal_();
  const auto deltas = random_deltas(*plain);
  const auto grafted = live::graft_model(*adapted, deltas, {}, {}, 1, job);
  models::attach_adapters(*plain, {{"model.layers.0.self_attn.q_proj", 4, 2.0}}, 0, 1);
  const auto a = models::adapter_parameters(*grafted.model), b = models::adapter_parameters(*adapted);
  REQUIRE(a.size() == 2);
  for (size_t i = 0; i < a.size(); i++) CHECK(a[i].tensor->is_same(*b[i].tensor));
}

TEST_CASE("deltas of another model are refused by name, scales that are no numbers too") {
  SilentJob job;
  const auto model = test::tiny_decoder();
  const auto graft = [&](const MadeDeltas& deltas, const live::Scales& scales = {}) {
    return caught([&] { live::graft_model(*model, deltas, scales, {}, 1, job); });
  };
  const auto unknown = graft(MadeDeltas({{"model.layers.9.mlp.up_proj.weight", at::ones({2, 2})}}));
  CHECK(unknown.code() == "ERR_UNEXPECTED_TENSOR");
  CHECK(unknown.message().find("model.layers.9.mlp.up_proj.weight") != std::string::npos);
  CHECK(!unknown.hint().empty());
  const auto shape = graft(MadeDeltas({{kQuery, at::ones({2, 2})}}));
  CHECK(shape.code() == "ERR_SHAPE_MISMATCH");
  CHECK(shape.message().find("[2, 2]") != std::string::npos);
  CHECK(graft(random_deltas(*model), {{kQuery, std::nanf("")}}).code() == "ERR_USAGE");
  auto changed = random_deltas(*model);
  changed.changed = true;
  CHECK(graft(changed).code() == "ERR_INPUT_CHANGED");
}

TEST_CASE("a graft in memory looks at the cancel flag before every stretch") {
  const auto model = test::tiny_decoder(wide_spec());
  const auto deltas = random_deltas(*model);
  for (const int checks : {0, 1, 3, 5}) {
    testing::CancelAfter job(checks);
    CHECK_THROWS_AS(live::graft_model(*model, deltas, {}, {}, 1, job), Cancelled);
  }
}
