#include "probe/head.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/aten.h"

namespace tongueforge::probe {
namespace {

/// Rows that a thread takes at least, and values of a row that it adds up at once.
constexpr int64_t kRowsAThread = 64, kValues = 64;

std::vector<int64_t> rows_of(const std::vector<Stretch>& stretches) {
  std::vector<int64_t> rows;
  for (const auto& [begin, count] : stretches)
    for (int64_t i = 0; i < count; i++) rows.push_back(begin + i);
  return rows;
}

/// Sums over rows of one layer, for each value: of (x - about)^power.
std::vector<double> sums_of(const float* layer, int64_t width, const std::vector<int64_t>& rows,
                            const double* about, int power) {
  std::vector<double> sums(static_cast<size_t>(width));
  for (const int64_t row : rows) {
    for (int64_t d = 0; d < width; d++) {
      const double value = layer[row * width + d] - (about ? about[d] : 0);
      sums[d] += power == 1 ? value : value * value;
    }
  }
  return sums;
}

double inverse_of(double squares, double count) {
  const double deviation = std::sqrt(squares / std::max(count - 1, 1.0));
  return deviation > 0 ? 1 / deviation : 1;
}

double total(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum;
}

// The deviation of a layer is that of all its values about their one mean.
void standardise(const float* layer, int64_t width, const std::vector<int64_t>& rows, Standard standard,
                 double* mean, double* inverse) {
  const auto count = static_cast<double>(rows.size());
  const auto sums = sums_of(layer, width, rows, nullptr, 1);
  for (int64_t d = 0; d < width; d++) mean[d] = sums[d] / count;
  if (standard == Standard::value) {
    const auto squares = sums_of(layer, width, rows, mean, 2);
    for (int64_t d = 0; d < width; d++) inverse[d] = inverse_of(squares[d], count);
  } else {
    const double values = count * static_cast<double>(width);
    const std::vector<double> middle(static_cast<size_t>(width), total(sums) / values);
    std::fill_n(inverse, width, inverse_of(total(sums_of(layer, width, rows, middle.data(), 2)), values));
  }
}

}  // namespace

Parameters::Parameters(int64_t layers, int64_t width, int64_t classes)
    : all(at::zeros({layers + classes * width + classes}, at::kDouble)),
      scores_L(all.narrow(0, 0, layers)),
      weight_CD(all.narrow(0, layers, classes * width).view({classes, width})),
      bias_C(all.narrow(0, layers + classes * width, classes)) {}

View View::of(const States& states, std::vector<int64_t> layers, const std::vector<int32_t>& utterances,
              Standard standard, Job& job) {
  const int64_t width = states.width();
  const auto size = layers.size() * static_cast<size_t>(width);
  View view{std::move(layers), std::vector<double>(size, 0.0), std::vector<double>(size, 1.0)};
  if (standard == Standard::none) return view;
  std::vector<Stretch> stretches;
  for (const int32_t utterance : utterances) stretches.push_back(states.of(utterance));
  const auto rows = rows_of(stretches);
  for (size_t l = 0; l < view.layers.size(); l++) {
    job.check();
    const auto at = static_cast<int64_t>(l) * width;
    standardise(states.layer(view.layers[l]), width, rows, standard, view.mean.data() + at,
                view.inverse.data() + at);
  }
  return view;
}

Head::Head(const States& states, View view, int64_t classes)
    : parameters(static_cast<int64_t>(view.layers.size()), states.width(), classes),
      states_(states),
      view_(std::move(view)) {}

std::vector<double> Head::layer_weights() const {
  const auto weights_L = parameters.scores_L.softmax(0);
  const auto* data = weights_L.const_data_ptr<double>();
  return {data, data + weights_L.numel()};
}

at::Tensor Head::mixed(const std::vector<Stretch>& stretches) const {
  const int64_t width = states_.width();
  const auto weights = layer_weights();
  const auto rows = rows_of(stretches);
  std::vector<double> factors = view_.inverse, shift(static_cast<size_t>(width));
  for (size_t i = 0; i < factors.size(); i++) {
    factors[i] *= weights[i / static_cast<size_t>(width)];
    shift[i % static_cast<size_t>(width)] -= factors[i] * view_.mean[i];
  }
  const auto mixed_MD = at::empty({static_cast<int64_t>(rows.size()), width}, at::kDouble);
  auto* const out = mixed_MD.data_ptr<double>();
  at::parallel_for(0, static_cast<int64_t>(rows.size()), kRowsAThread, [&](int64_t from, int64_t to) {
    for (int64_t m = from; m < to; m++) {
      double* const z = out + m * width;
      std::copy_n(shift.data(), width, z);
      for (size_t l = 0; l < view_.layers.size(); l++) {
        const float* const x = states_.layer(view_.layers[l]) + rows[m] * width;
        const double* const factor = factors.data() + static_cast<int64_t>(l) * width;
        for (int64_t d = 0; d < width; d++) z[d] += factor[d] * x[d];
      }
    }
  });
  return mixed_MD;
}

at::Tensor Head::logits(const at::Tensor& mixed_MD) const {
  return at::addmm(parameters.bias_C, mixed_MD, parameters.weight_CD.t());
}

void Head::backward(const std::vector<Stretch>& stretches, const at::Tensor& mixed_MD,
                    const at::Tensor& gradient_MC, Parameters& gradient) const {
  gradient.bias_C.add_(gradient_MC.sum(0));
  gradient.weight_CD.addmm_(gradient_MC.t(), mixed_MD);
  const auto layers = view_.layers.size();
  if (layers == 1) return;  // a softmax of one
  const auto of_weights = gradient_of_weights(stretches, at::mm(gradient_MC, parameters.weight_CD));
  const auto weights = layer_weights();
  double expected = 0;
  for (size_t l = 0; l < layers; l++) expected += weights[l] * of_weights[l];
  auto* const scores = gradient.scores_L.data_ptr<double>();
  for (size_t l = 0; l < layers; l++) scores[l] += weights[l] * (of_weights[l] - expected);
}

// Of each layer's weight: sum over rows and values of dz x, where x = (state - mean) inverse. Every value is
// added up by one thread, row after row: the same bytes for any number of threads.
std::vector<double> Head::gradient_of_weights(const std::vector<Stretch>& stretches,
                                              const at::Tensor& gradient_MD) const {
  const int64_t width = states_.width(), blocks = (width + kValues - 1) / kValues;
  const auto rows = rows_of(stretches);
  const auto dense = gradient_MD.contiguous();
  const auto* const dz = dense.const_data_ptr<double>();
  std::vector<double> parts(view_.mean.size());  // (L,D)
  const auto tasks = static_cast<int64_t>(view_.layers.size()) * blocks;
  at::parallel_for(0, tasks, 1, [&](int64_t from, int64_t to) {
    for (int64_t task = from; task < to; task++) {
      const int64_t l = task / blocks, first = task % blocks * kValues;
      const int64_t count = std::min(kValues, width - first), at = l * width + first;
      const float* const x = states_.layer(view_.layers[l]) + first;
      const double* const mean = view_.mean.data() + at;
      double* const sums = parts.data() + at;
      for (size_t m = 0; m < rows.size(); m++)
        for (int64_t d = 0; d < count; d++)
          sums[d] += dz[static_cast<int64_t>(m) * width + first + d] * (x[rows[m] * width + d] - mean[d]);
    }
  });
  std::vector<double> of_weights(view_.layers.size());
  for (size_t i = 0; i < parts.size(); i++)
    of_weights[i / static_cast<size_t>(width)] += parts[i] * view_.inverse[i];
  return of_weights;
}

}  // namespace tongueforge::probe
