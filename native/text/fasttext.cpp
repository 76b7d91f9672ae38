#include "text/fasttext.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "checkpoint/posix_file.h"

namespace tongueforge::text {
namespace {

constexpr int32_t kMagic = 793712314, kOldVersion = 11, kVersion = 12, kClassifier = 3;
/// Far beyond any model that there is; what a text costs is bounded by them.
constexpr int32_t kMostDim = 1 << 16, kLongestGram = 64;
/// fastText's own, added before each logarithm.
constexpr double kLeastProbability = 1e-5;
/// fastText reads sigmoids from a table of 512 steps over [-8, 8]: so do we where it does.
constexpr float kSigmoidSteps = 512, kSigmoidEnd = 8;

float logarithm(double probability) {
  return static_cast<float>(
      std::log(static_cast<double>(static_cast<float>(probability)) + kLeastProbability));
}

float table_sigmoid(float x) {
  if (x < -kSigmoidEnd) return 0;
  if (x > kSigmoidEnd) return 1;
  const float step = std::floor((x + kSigmoidEnd) * kSigmoidSteps / kSigmoidEnd / 2);
  return static_cast<float>(1 / (1 + std::exp(-(step * 2 * kSigmoidEnd / kSigmoidSteps - kSigmoidEnd))));
}

}  // namespace

std::shared_ptr<FastText> FastText::open(const std::string& path) {
  std::shared_ptr<FastText> model(new FastText(path));
  model->read();
  return model;
}

void FastText::read() {
  const auto file = checkpoint::PosixFile::open_read(path_);
  bytes_.resize(file.stamp().size);
  file.pread_exact(bytes_.data(), bytes_.size(), 0);
  FastTextBytes bytes(bytes_, path_);
  if (bytes.number<int32_t>("the mark of fastText") != kMagic)
    bytes.refuse(0, "not_fasttext", "expected a model of fastText (.bin or .ftz), received something else");
  read_grams(bytes);
  dictionary_ = FastTextDictionary::read(bytes, grams_);
  if (labels().empty())
    bytes.refuse(bytes.at(), "no_labels", "expected a model with labels, received one without");
  read_matrices(bytes);
  if (!bytes.at_end()) bytes.refuse(bytes.at(), "bytes_after_the_end", "expected the end of the file");
  if (loss_ == FastTextLoss::hierarchical) build_tree();
}

/// The arguments that it was trained with: those that matter afterwards.
void FastText::read_grams(FastTextBytes& bytes) {
  const auto version = bytes.number<int32_t>("the version of the format", kOldVersion, kVersion);
  dim_ = bytes.number<int32_t>("the width of the model", 1, kMostDim);
  for (const char* what : {"the window", "epochs", "the least count", "negative samples"})
    bytes.number<int32_t>(what);
  grams_.words = bytes.number<int32_t>("the longest n-gram of words", 0, kLongestGram);
  loss_ = static_cast<FastTextLoss>(bytes.number<int32_t>("the loss", 1, 4));
  const uint64_t kind_at = bytes.at();
  if (bytes.number<int32_t>("the kind of model") != kClassifier)
    bytes.refuse(kind_at, "not_a_classifier", "expected a classifier, received a model of word vectors");
  const uint64_t bucket_at = bytes.at();
  grams_.bucket = bytes.number<int32_t>("buckets of n-grams", 0, INT32_MAX);
  grams_.least = bytes.number<int32_t>("the shortest n-gram of characters", 0, kLongestGram);
  grams_.most = bytes.number<int32_t>("the longest n-gram of characters", 0, kLongestGram);
  if (version == kOldVersion) grams_.most = 0;  // classifiers had no n-grams of characters then
  if (grams_.bucket == 0 && (grams_.most > 0 || grams_.words > 1))
    bytes.refuse(bucket_at, "out_of_range", "expected buckets for n-grams, received none");
  bytes.number<int32_t>("the rate of updates");
  bytes.number<double>("the sampling threshold");
}

void FastText::read_matrices(FastTextBytes& bytes) {
  const uint64_t input_at = bytes.at();
  const bool quantized = bytes.flag("the flag of a quantised input");
  if (!quantized && dictionary_.is_pruned())
    bytes.refuse(input_at, "pruned", "expected a quantised matrix in a pruned model");
  input_ = FastTextMatrix::read(bytes, quantized, dim_);
  if (input_.rows() < dictionary_.num_rows())
    bytes.refuse(input_at, "rows",
                 str("expected ", dictionary_.num_rows(), " rows, received ", input_.rows()));
  const uint64_t output_at = bytes.at();
  const bool quantized_output = bytes.flag("the flag of a quantised output");
  output_ = FastTextMatrix::read(bytes, quantized && quantized_output, dim_);
  if (output_.rows() != static_cast<int64_t>(labels().size()))
    bytes.refuse(output_at, "rows", str("expected ", labels().size(), " rows, received ", output_.rows()));
}

/// Labels stand by falling count: the two rarest nodes become one, until there is one.
void FastText::build_tree() {
  const auto labels = static_cast<int32_t>(dictionary_.labels().size());
  tree_.resize(static_cast<size_t>(2 * int64_t{labels} - 1));
  for (int32_t i = 0; i < labels; i++)
    tree_[static_cast<size_t>(i)].count = dictionary_.label_counts()[static_cast<size_t>(i)];
  int32_t leaf = labels - 1, inner = labels;
  for (int32_t made = labels; made < static_cast<int32_t>(tree_.size()); made++) {
    const auto rarest = [&] {
      const bool is_leaf = leaf >= 0 && (inner == made || tree_[static_cast<size_t>(leaf)].count <
                                                              tree_[static_cast<size_t>(inner)].count);
      return is_leaf ? leaf-- : inner++;
    };
    Node& node = tree_[static_cast<size_t>(made)];
    node.left = rarest();
    node.right = rarest();
    node.count = tree_[static_cast<size_t>(node.left)].count + tree_[static_cast<size_t>(node.right)].count;
  }
}

std::vector<FastTextGuess> FastText::predict(std::string_view text, int64_t top_k) const {
  const auto rows = dictionary_.rows_of(text);
  if (rows.empty() || top_k <= 0) return {};
  const auto scores = log_probabilities(hidden_of(rows));
  if (!std::all_of(scores.begin(), scores.end(), [](float score) { return std::isfinite(score); }))
    FastTextBytes({}, path_).refuse(0, "not_finite", "expected weights that give probabilities");
  std::vector<size_t> best(scores.size());
  std::iota(best.begin(), best.end(), size_t{0});
  const auto count =
      static_cast<std::ptrdiff_t>(std::min<uint64_t>(static_cast<uint64_t>(top_k), best.size()));
  std::partial_sort(best.begin(), best.begin() + count, best.end(), [&](size_t left, size_t right) {
    return scores[left] != scores[right] ? scores[left] > scores[right] : left < right;
  });
  std::vector<FastTextGuess> guesses;
  for (std::ptrdiff_t i = 0; i < count; i++)
    guesses.push_back(
        {labels()[best[static_cast<size_t>(i)]], std::exp(scores[best[static_cast<size_t>(i)]])});
  return guesses;
}

/// The mean of the rows: (dim).
std::vector<float> FastText::hidden_of(const std::vector<int64_t>& rows) const {
  std::vector<float> hidden(static_cast<size_t>(dim_));
  for (const int64_t row : rows) input_.add_row(row, hidden.data());
  const float scale = 1 / static_cast<float>(rows.size());
  for (float& value : hidden) value *= scale;
  return hidden;
}

/// Of each label.
std::vector<float> FastText::log_probabilities(const std::vector<float>& hidden) const {
  if (loss_ == FastTextLoss::hierarchical) return leaves(hidden);
  std::vector<float> outputs(labels().size());
  for (size_t i = 0; i < outputs.size(); i++)
    outputs[i] = output_.dot_row(static_cast<int64_t>(i), hidden.data());
  if (loss_ == FastTextLoss::softmax)
    softmax(outputs);
  else
    sigmoids(outputs);
  for (float& output : outputs) output = logarithm(output);
  return outputs;
}

void FastText::softmax(std::vector<float>& outputs) const {
  const float most = *std::max_element(outputs.begin(), outputs.end());
  float sum = 0;
  for (float& output : outputs) sum += output = std::exp(output - most);
  for (float& output : outputs) output /= sum;
}

void FastText::sigmoids(std::vector<float>& outputs) const {
  for (float& output : outputs) output = table_sigmoid(output);
}

/// Down the tree from its root; a node's children were made before it.
std::vector<float> FastText::leaves(const std::vector<float>& hidden) const {
  std::vector<float> scores(tree_.size());
  const size_t num_labels = labels().size();
  for (size_t i = tree_.size(); i-- > num_labels;) {
    const float x = output_.dot_row(static_cast<int64_t>(i - num_labels), hidden.data());
    const auto right = static_cast<float>(1 / (1 + std::exp(static_cast<double>(-x))));
    scores[static_cast<size_t>(tree_[i].left)] = scores[i] + logarithm(1.0 - static_cast<double>(right));
    scores[static_cast<size_t>(tree_[i].right)] = scores[i] + logarithm(right);
  }
  scores.resize(num_labels);
  return scores;
}

}  // namespace tongueforge::text
