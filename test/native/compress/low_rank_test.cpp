// Laws of low-rank approximations. Tolerances: factors are rounded to float32, 6e-8 of each value, and the
// errors that are compared are above 1e-3 of the whole, so that rounding moves their squares by less than
// 1e-6.
#include "compress/low_rank.h"

#include <cmath>
#include <numeric>

#include "core/error.h"
#include "doctest.h"
#include "kernels/aten.h"

using namespace tongueforge;

namespace {

constexpr int64_t kSizes[][2] = {{24, 24}, {40, 24}, {24, 40}, {7, 1}, {1, 9}};

at::Tensor random(at::IntArrayRef shape, uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed), at::kFloat);
}

// (T,I) float64: inputs as models have them, some directions a hundred times as strong as others.
at::Tensor inputs(int64_t count, int64_t width, uint64_t seed) {
  const auto strength = at::logspace(0, -2, width, 10.0, at::kDouble);
  return (random({count, width}, seed).to(at::kDouble) * strength)
      .matmul(random({width, width}, seed + 1).to(at::kDouble));
}

double tail(const std::vector<double>& squares, int64_t rank) {
  return std::reduce(squares.begin() + rank, squares.end());
}

double squared(const at::Tensor& x) { return x.to(at::kDouble).square().sum().item<double>(); }

compress::Whitening whitening_of(const at::Tensor& x_TI) { return compress::whiten(x_TI.t().matmul(x_TI)); }

}  // namespace

TEST_CASE("at full rank the product of the factors is the matrix") {
  for (uint64_t seed = 1; seed <= 5; seed++) {
    CAPTURE(seed);
    for (const auto& [outputs, inputs_] : kSizes) {
      const auto w = random({outputs, inputs_}, seed);
      for (const auto& whitening : {compress::Whitening{}, whitening_of(inputs(200, inputs_, seed + 10))}) {
        const auto found = compress::decompose(w, whitening);
        const auto factors = compress::factorise(w, found.u_OK, std::min(outputs, inputs_));
        CHECK((compress::multiplied(factors) - w).abs().max().item<double>() <
              1e-6 * w.abs().max().item<double>());
      }
    }
  }
}

TEST_CASE("the error of a rank is the sum of the squared singular values that it drops (Eckart and Young)") {
  for (uint64_t seed = 1; seed <= 5; seed++) {
    CAPTURE(seed);
    const auto w = random({40, 24}, seed);
    const auto found = compress::decompose(w, {});
    const auto values = at::linalg_svdvals(w.to(at::kDouble));
    for (const int64_t rank : {1, 5, 12, 23}) {
      const auto factors = compress::factorise(w, found.u_OK, rank);
      const double expected = squared(values.slice(0, rank));
      CHECK(squared(w - compress::multiplied(factors)) == doctest::Approx(expected).epsilon(1e-6));
      CHECK(tail(found.squares, rank) == doctest::Approx(expected).epsilon(1e-12));
    }
  }
}

TEST_CASE("the error of the outputs is the sum of the squared singular values of the whitened matrix") {
  for (uint64_t seed = 1; seed <= 5; seed++) {
    CAPTURE(seed);
    for (const auto& [outputs, width] : kSizes) {
      if (std::min(outputs, width) < 2) continue;
      const auto w = random({outputs, width}, seed);
      const auto x_TI = inputs(300, width, seed + 10);
      const auto whitening = whitening_of(x_TI);
      CHECK(whitening.damping == 0);
      const auto found = compress::decompose(w, whitening);
      for (const int64_t rank : {1, 6, 12}) {
        const auto factors = compress::factorise(w, found.u_OK, rank);
        const auto lost_OI =
            w.to(at::kDouble) - factors.out_OR.to(at::kDouble).matmul(factors.in_RI.to(at::kDouble));
        const double error = squared(x_TI.matmul(lost_OI.t()));
        CHECK(error == doctest::Approx(tail(found.squares, rank)).epsilon(1e-6));
        CHECK(compress::relative_error(w, factors, whitening) ==
              doctest::Approx(std::sqrt(error / squared(x_TI.matmul(w.to(at::kDouble).t())))).epsilon(1e-9));
      }
    }
  }
}

TEST_CASE("no other matrix of the rank does better on the inputs: the plain approximation does worse") {
  for (uint64_t seed = 1; seed <= 10; seed++) {
    CAPTURE(seed);
    const auto w = random({40, 24}, seed);
    const auto whitening = whitening_of(inputs(300, 24, seed + 10));
    for (const int64_t rank : {2, 8, 20}) {
      const auto error = [&](const compress::Whitening& by) {
        return compress::relative_error(w, compress::factorise(w, compress::decompose(w, by).u_OK, rank),
                                        whitening);
      };
      CHECK(error(whitening) < 0.9 * error({}));
    }
  }
}

TEST_CASE(
    "the factors are those of the textbook: U S^1/2 and S^1/2 V^T L^-1, but for the length of a component") {
  const auto w = random({12, 9}, 3);
  for (const auto& whitening : {compress::Whitening{}, whitening_of(inputs(100, 9, 4))}) {
    const auto wide = w.to(at::kDouble);
    const auto scale = whitening.scale.defined() ? whitening.scale : at::eye(9, at::kDouble);
    const auto [u, s, vh] = at::linalg_svd(wide.matmul(scale), false);
    const auto textbook =
        (u.slice(1, 0, 4) * s.slice(0, 0, 4))
            .matmul(at::linalg_solve_triangular(scale, vh.slice(0, 0, 4), /*upper=*/false, /*left=*/false));
    const auto factors = compress::factorise(w, compress::decompose(w, whitening).u_OK, 4);
    CHECK((compress::multiplied(factors) - textbook).abs().max().item<double>() < 1e-6);
    const auto columns = factors.out_OR.norm(2, at::IntArrayRef{0}),
               rows = factors.in_RI.norm(2, at::IntArrayRef{1});
    CHECK((columns / rows - 1).abs().max().item<double>() < 1e-6);
    if (!whitening.scale.defined())
      CHECK((columns - s.slice(0, 0, 4).sqrt()).abs().max().item<double>() < 1e-5);
  }
}

TEST_CASE("inputs that do not span their space are damped, and told") {
  const auto x_TI = inputs(10, 24, 1);  // ten inputs in 24 dimensions
  const auto whitening = whitening_of(x_TI);
  CHECK(whitening.damping > 0);
  CHECK(whitening.damping < 1e-6);
  const auto w = random({40, 24}, 2);
  const auto factors = compress::factorise(w, compress::decompose(w, whitening).u_OK, 10);
  const auto lost = (w - compress::multiplied(factors)).to(at::kDouble);
  CHECK(std::sqrt(squared(x_TI.matmul(lost.t())) / squared(x_TI.matmul(w.to(at::kDouble).t()))) < 1e-4);
  CHECK(compress::multiplied(factors).isfinite().all().item<bool>());
}

TEST_CASE("a diagonal measure weighs each input by the root of its root mean square") {
  const auto norms = at::tensor({2.0, 8.0, 0.0}, at::kDouble);
  const auto whitening = compress::whiten_diagonal(norms, 4);
  CHECK(whitening.scale.equal(at::tensor({1.0, 2.0, 0.0}, at::kDouble)));
  const auto w = at::tensor({1.0f, 0.0f, 0.0f, 0.0f, 1.0f, 0.0f}, at::kFloat).view({2, 3});
  const auto found = compress::decompose(w, whitening);
  CHECK(found.squares[0] == doctest::Approx(4));
  CHECK(found.squares[1] == doctest::Approx(1));
}

TEST_CASE("matrices and inputs of zeros have approximations") {
  const auto w = at::zeros({6, 4});
  const auto factors = compress::factorise(w, compress::decompose(w, {}).u_OK, 2);
  CHECK(compress::multiplied(factors).equal(w));
  CHECK(compress::relative_error(w, factors, {}) == 0);
  const auto none = compress::whiten(at::zeros({4, 4}, at::kDouble));
  CHECK(compress::decompose(random({6, 4}, 1), none).squares == std::vector<double>(4, 0.0));
}

TEST_CASE("a spectrum is the squares of the decomposition") {
  const auto w = random({12, 9}, 3);
  const auto whitening = whitening_of(inputs(100, 9, 4));
  const auto squares = compress::spectrum(w, whitening), expected = compress::decompose(w, whitening).squares;
  for (size_t i = 0; i < expected.size(); i++)
    CHECK(squares[i] == doctest::Approx(expected[i]).epsilon(1e-9));
}

TEST_CASE("factors have the dtype of the matrix, and are rounded to it once") {
  const auto w = random({12, 9}, 3).to(at::kBFloat16);
  const auto factors = compress::factorise(w, compress::decompose(w, {}).u_OK, 4);
  CHECK((factors.out_OR.scalar_type() == at::kBFloat16));
  CHECK((factors.in_RI.scalar_type() == at::kBFloat16));
  const auto exact = compress::factorise(w.to(at::kDouble), compress::decompose(w, {}).u_OK, 4);
  CHECK(factors.in_RI.equal(exact.in_RI.to(at::kBFloat16)));
}

TEST_CASE("the product of factors is computed in double and rounded to their dtype once") {
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    const nn::Factors factors = {9, random({12, 9}, 4).to(dtype), random({9, 40}, 5).to(dtype)};
    const auto exact = factors.out_OR.to(at::kDouble).matmul(factors.in_RI.to(at::kDouble));
    CHECK(compress::multiplied(factors).equal(exact.to(dtype)));
  }
}

TEST_CASE("inputs that are no numbers are an error") {
  auto gram = at::eye(4, at::kDouble);
  gram[1][2] = NAN;
  for (const auto& measure : {std::function([&] { compress::whiten(gram); }),
                              std::function([&] { compress::whiten_diagonal(gram[1], 3); })}) {
    try {
      measure();
      FAIL("expected ERR_NON_FINITE");
    } catch (const Error& error) {
      CHECK(error.code() == "ERR_NON_FINITE");
      CHECK(error.hint().find("inspect --scan") != std::string::npos);
    }
  }
}
