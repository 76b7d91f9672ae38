// Reads and runs the classifiers of fastText (Joulin et al. 2017, "Bag of Tricks"), such as lid.176.bin and
// lid.176.ftz: the same labels and probabilities as `fasttext predict`. Files come from anywhere: every size
// is checked against the bytes that there are, and memory is that of the file and of its words.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/value.h"
#include "text/fasttext_dictionary.h"
#include "text/fasttext_matrix.h"

namespace tongueforge::text {

struct FastTextGuess {
  std::string_view label;  // with its prefix: "__label__en"
  float probability = 0;   // as fastText tells it: 1e-5 is in it, so that 1.00001 may be read
};

enum class FastTextLoss { hierarchical = 1, negative_sampling = 2, softmax = 3, one_against_all = 4 };

class FastText final : public Object {
 public:
  /// @throws ERR_FASTTEXT {file, offset, reason}; ERR_NOT_FOUND, ERR_IO
  static std::shared_ptr<FastText> open(const std::string& path);
  FastText(const FastText&) = delete;  // its parts point into its bytes
  FastText& operator=(const FastText&) = delete;

  const std::vector<std::string_view>& labels() const { return dictionary_.labels(); }
  int64_t dim() const { return dim_; }
  int64_t bytes() const override { return static_cast<int64_t>(bytes_.size()); }

  /// The `top_k` likeliest labels of a text, best first; none where nothing of the text is known.
  /// @throws ERR_FASTTEXT for weights that are not finite
  std::vector<FastTextGuess> predict(std::string_view text, int64_t top_k) const;

 private:
  struct Node {
    int32_t left = -1, right = -1;
    int64_t count = 0;
  };
  explicit FastText(std::string path) : path_(std::move(path)) {}
  void read();
  void read_grams(FastTextBytes& bytes);
  void read_matrices(FastTextBytes& bytes);
  void build_tree();
  std::vector<float> hidden_of(const std::vector<int64_t>& rows) const;
  std::vector<float> log_probabilities(const std::vector<float>& hidden) const;
  void softmax(std::vector<float>& outputs) const;
  void sigmoids(std::vector<float>& outputs) const;
  std::vector<float> leaves(const std::vector<float>& hidden) const;

  std::string path_, bytes_;
  int64_t dim_ = 0;
  FastTextLoss loss_ = FastTextLoss::softmax;
  FastTextGrams grams_;
  FastTextDictionary dictionary_;
  FastTextMatrix input_, output_;
  std::vector<Node> tree_;  // of Huffman: labels first, the root last
};

}  // namespace tongueforge::text
