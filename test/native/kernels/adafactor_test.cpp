// Adafactor's loops against the same of plain operators; test/golden/optimizer.test.mjs compares whole runs
// with transformers.
#include "kernels/adafactor.h"

#include "core/random.h"
#include "doctest.h"
#include "kernels/aten.h"
#include "kernels/reference.h"

using namespace tongueforge;

namespace {

struct Parameter {
  at::Tensor value, row, column, first;  // row and first may be undefined

  Parameter(at::IntArrayRef shape, bool has_first, uint64_t seed)
      : value(at::randn(shape, at::detail::createCPUGenerator(seed), at::kFloat)),
        column(at::zeros_like(value)) {
    if (shape.size() > 1) {
      row = at::zeros_like(value.select(-1, 0), at::MemoryFormat::Contiguous);
      column = at::zeros_like(value.select(-2, 0), at::MemoryFormat::Contiguous);
    }
    if (has_first) first = at::zeros_like(value);
  }

  Parameter copy() const {
    auto same = *this;
    for (auto* tensor : {&same.value, &same.row, &same.column, &same.first})
      if (tensor->defined()) *tensor = tensor->clone();
    return same;
  }

  std::vector<at::Tensor> all() const {
    std::vector<at::Tensor> tensors = {value, column};
    for (const auto& moment : {row, first})
      if (moment.defined()) tensors.push_back(moment);
    return tensors;
  }

  int64_t matrices() const { return row.defined() ? row.numel() / value.size(-2) : 1; }

  void step(const at::Tensor& gradient, const kernels::AdafactorCoefficients& c) {
    const auto data = [](const at::Tensor& t) { return t.defined() ? t.mutable_data_ptr<float>() : nullptr; };
    kernels::adafactor_({data(value), gradient.const_data_ptr<float>(), data(row), data(column), data(first),
                         row.defined() ? value.size(-2) : 1, value.size(-1), matrices()},
                        c);
  }

  // As on devices without a kernel.
  void plain_step(const at::Tensor& gradient, const kernels::AdafactorCoefficients& c) {
    kernels::reference::adafactor_({value, gradient, row, column, first}, c);
  }

  // On any device, as the optimizer calls it.
  void tensor_step(const at::Tensor& gradient, const kernels::AdafactorCoefficients& c) {
    kernels::adafactor_(kernels::AdafactorState{value, gradient, row, column, first}, c);
  }

  // Algorithm 4 of the paper, of the last two dimensions as transformers' Adafactor has it.
  void reference_step(const at::Tensor& gradient, const kernels::AdafactorCoefficients& c) {
    const auto squares = gradient.square() + c.eps;
    at::Tensor estimate;
    if (row.defined()) {
      row.mul_(c.beta2).add_(squares.mean(-1), 1 - c.beta2);
      column.mul_(c.beta2).add_(squares.mean(-2), 1 - c.beta2);
      estimate = row.unsqueeze(-1) * column.unsqueeze(-2) / row.mean(-1, true).unsqueeze(-1);
    } else {
      column.mul_(c.beta2).add_(squares, 1 - c.beta2);
      estimate = column;
    }
    auto update = gradient / estimate.sqrt();
    const double rms = update.square().mean().sqrt().item<double>();
    update = update * (c.lr / std::max(1.0, rms / c.clip_threshold));
    if (first.defined()) update = first.mul_(c.beta1).add_(update, 1 - c.beta1);
    value.mul_(1 - c.lr * c.weight_decay).sub_(update);
  }
};

}  // namespace

TEST_CASE("adafactor's updates are those of plain operators, whatever the shape") {
  const uint64_t seed = 5;
  CAPTURE(seed);
  Random random(seed);
  const std::vector<std::vector<int64_t>> shapes = {
      {1}, {7}, {300}, {1, 9}, {9, 1}, {33, 65}, {700, 130}, {4, 3, 5}, {32, 8, 8}, {1, 1, 30}, {2, 3, 4, 5}};
  for (const auto& shape : shapes)
    for (const bool has_first : {false, true}) {
      CAPTURE(shape.size());
      CAPTURE(shape[0]);
      Parameter ours(shape, has_first, random.next());
      auto plain = ours.copy(), composed = ours.copy(), tensors = ours.copy();
      for (int step = 1; step <= 5; step++) {
        const auto gradient =
            at::randn(shape, at::detail::createCPUGenerator(random.next()), at::kFloat).mul_(step);
        const kernels::AdafactorCoefficients c = {.lr = 0.1,
                                                  .beta2 = 1 - std::pow(step, -0.8),
                                                  .eps = 1e-30,
                                                  .clip_threshold = step % 2 ? 1.0 : 0.5,
                                                  .weight_decay = 0.3,
                                                  .beta1 = 0.9};
        ours.step(gradient, c);
        composed.plain_step(gradient, c);
        tensors.tensor_step(gradient, c);
        plain.reference_step(gradient, c);
        for (size_t i = 0; i < ours.all().size(); i++) {
          CHECK(ours.all()[i].allclose(plain.all()[i], 1e-4, 1e-6));
          CHECK(composed.all()[i].allclose(plain.all()[i], 1e-4, 1e-6));
          CHECK(tensors.all()[i].equal(ours.all()[i]));
        }
      }
    }
}

TEST_CASE("adafactor gives the same bytes for every number of threads") {
  const auto run = [](int threads) {
    const int before = at::get_num_threads();
    at::set_num_threads(threads);
    Parameter parameter({3000, 257}, true, 1);
    const auto gradient = at::randn({3000, 257}, at::detail::createCPUGenerator(2), at::kFloat);
    for (int step = 1; step < 4; step++)
      parameter.step(gradient, {.lr = 0.1, .beta2 = 0.5, .weight_decay = 0.1, .beta1 = 0.9});
    at::set_num_threads(before);
    return at::cat({parameter.value.flatten(), parameter.row, parameter.column});
  };
  CHECK(run(1).equal(run(2)));
  CHECK(run(1).equal(run(5)));
}

TEST_CASE("a gradient of zeros leaves all finite") {
  Parameter parameter({5, 6}, false, 1);
  const auto before = parameter.value.clone();
  for (int step = 0; step < 3; step++) parameter.step(at::zeros({5, 6}), {.lr = 0.1, .beta2 = 0.5});
  CHECK(parameter.value.equal(before));
  const auto gradient = at::zeros({5, 6});
  gradient[2][3] = 1e-3;
  parameter.step(gradient, {.lr = 0.1, .beta2 = 0.5});
  CHECK(parameter.value.isfinite().all().item<bool>());
}
